#include "check.h"

enum sw_status sw_hal_check_input(const struct sw_hal *hal, const struct sw_buffer *buffer,
                                  const char *role, int64_t rows, int64_t columns, size_t size) {
    int64_t elements;
    int64_t bytes;
    if (hal == NULL) return SW_FAIL(SW_INTERNAL, "no device was given");
    if (buffer == NULL) return SW_FAIL(SW_INTERNAL, "buffer %s is missing", role);
    if (buffer->hal != hal)
        return SW_FAIL(SW_INTERNAL, "buffer '%s', given as %s, belongs to another device",
                       buffer->what, role);
    if (rows < 0 || columns < 0 || __builtin_mul_overflow(rows, columns, &elements) ||
        __builtin_mul_overflow(elements, (int64_t) size, &bytes))
        return SW_FAIL(SW_INTERNAL, "%s cannot have %lld x %lld elements", role, (long long) rows,
                       (long long) columns);
    if (bytes > buffer->bytes)
        return SW_FAIL(SW_INTERNAL,
                       "buffer '%s', given as %s, has %lld bytes; %lld x %lld elements of %zu "
                       "bytes need %lld",
                       buffer->what, role, (long long) buffer->bytes, (long long) rows,
                       (long long) columns, size, (long long) bytes);
    return SW_OK;
}

enum sw_status sw_hal_check_output(const struct sw_hal *hal, const struct sw_buffer *buffer,
                                   const char *role, int64_t rows, int64_t columns, size_t size,
                                   const struct sw_buffer *a, const struct sw_buffer *b) {
    SW_TRY(sw_hal_check_input(hal, buffer, role, rows, columns, size));
    if (buffer->wrapped)
        return SW_FAIL(SW_INTERNAL,
                       "buffer '%s', given as %s, is host memory and must not be written",
                       buffer->what, role);
    if (buffer == a || buffer == b)
        return SW_FAIL(SW_INTERNAL, "buffer '%s' is given both as input and as output %s",
                       buffer->what, role);
    return SW_OK;
}

enum sw_status sw_hal_check_size(const char *role, int64_t value) {
    if (value >= 1 && value <= INT32_MAX) return SW_OK;
    return SW_FAIL(SW_INTERNAL, "%s is %lld; it has to be between 1 and 2^31 - 1", role,
                   (long long) value);
}

enum sw_status sw_hal_check_ld(int64_t ld) {
    SW_TRY(sw_hal_check_size("the leading dimension", ld));
    if (ld % SW_HAL_LANES == 0) return SW_OK;
    return SW_FAIL(SW_INTERNAL, "the leading dimension is %lld; it has to be a multiple of %d",
                   (long long) ld, SW_HAL_LANES);
}

enum sw_status sw_hal_check_range(const struct sw_buffer *buffer, int64_t offset, const void *host,
                                  int64_t bytes) {
    if (buffer == NULL) return SW_FAIL(SW_INTERNAL, "no buffer to copy from or to");
    if (host == NULL && bytes > 0)
        return SW_FAIL(SW_INTERNAL, "no host memory to copy to or from buffer '%s'", buffer->what);
    if (offset < 0 || bytes < 0 || offset > buffer->bytes || bytes > buffer->bytes - offset)
        return SW_FAIL(
            SW_INTERNAL, "%lld bytes at %lld do not lie within buffer '%s' of %lld bytes",
            (long long) bytes, (long long) offset, buffer->what, (long long) buffer->bytes);
    return SW_OK;
}
