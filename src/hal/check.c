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

/* The caller has checked that samples exist; a wrong number here would read foreign memory. */
enum sw_status sw_hal_check_samples(const struct sw_buffer *images, const struct sw_buffer *labels,
                                    const int32_t *index, int64_t features, int64_t batch) {
    if (index == NULL) return SW_FAIL(SW_INTERNAL, "no list of samples to gather");
    int64_t samples = images->bytes / features;
    if (labels->bytes < samples) samples = labels->bytes;
    for (int64_t b = 0; b < batch; b++)
        if (index[b] < 0 || index[b] >= samples)
            return SW_FAIL(SW_INTERNAL, "sample %d of a batch: there are %lld samples", index[b],
                           (long long) samples);
    return SW_OK;
}

/* ---- positions ------------------------------------------------------------------------------- */

/* start[0 .. n] rises from 0 to nnz. */
static bool is_start(const int32_t *start, int64_t n, int64_t nnz) {
    if (start[0] != 0 || start[n] != nnz) return false;
    for (int64_t i = 0; i < n; i++)
        if (start[i] > start[i + 1]) return false;
    return true;
}

static bool is_below(const int32_t *values, int64_t n, int64_t limit) {
    for (int64_t i = 0; i < n; i++)
        if (values[i] < 0 || values[i] >= limit) return false;
    return true;
}

enum sw_status sw_hal_check_csr(const struct sw_csr *csr) {
    SW_TRY(sw_hal_check_size("the number of rows", csr->rows));
    SW_TRY(sw_hal_check_size("the number of columns", csr->columns));
    if (csr->nnz < 0 || csr->nnz > INT32_MAX || !is_start(csr->row_start, csr->rows, csr->nnz) ||
        !is_start(csr->column_start, csr->columns, csr->nnz) ||
        !is_below(csr->column, csr->nnz, csr->columns) ||
        !is_below(csr->row, csr->nnz, csr->rows) || !is_below(csr->value, csr->nnz, csr->nnz))
        return SW_FAIL(SW_INTERNAL, "positions of a sparse %lld x %lld matrix lie outside of it",
                       (long long) csr->rows, (long long) csr->columns);
    return SW_OK;
}

/* ---- planes ---------------------------------------------------------------------------------- */

#define MAX_BORDER 1024

enum sw_status sw_hal_check_planes(const char *role, const struct sw_planes *p) {
    int64_t pixels, floats;
    if (p == NULL) return SW_FAIL(SW_INTERNAL, "the shape of %s is missing", role);
    SW_TRY(sw_hal_check_size("the number of channels", p->channels));
    SW_TRY(sw_hal_check_size("the height of an image", p->height));
    SW_TRY(sw_hal_check_size("the width of an image", p->width));
    if (p->border < 0 || p->border > MAX_BORDER)
        return SW_FAIL(SW_INTERNAL, "the border of %s is %lld; it has to be between 0 and %d", role,
                       (long long) p->border, MAX_BORDER);
    if (__builtin_mul_overflow(p->height + 2 * p->border, p->width + 2 * p->border, &pixels) ||
        __builtin_mul_overflow(pixels, p->channels * SW_HAL_LANES, &floats) || floats > INT32_MAX)
        return SW_FAIL(SW_INTERNAL,
                       "%d samples of %s, %lld x %lld x %lld with a border of %lld, have more than "
                       "2^31 - 1 numbers",
                       SW_HAL_LANES, role, (long long) p->channels, (long long) p->height,
                       (long long) p->width, (long long) p->border);
    return SW_OK;
}

enum sw_status sw_hal_check_planes_input(const struct sw_hal *hal, const struct sw_buffer *buffer,
                                         const char *role, const struct sw_planes *planes,
                                         int64_t ld) {
    SW_TRY(sw_hal_check_planes(role, planes));
    SW_TRY(sw_hal_check_ld(ld));
    return sw_hal_check_input(hal, buffer, role, ld / SW_HAL_LANES * planes->channels,
                              sw_planes_stride(planes), sizeof(float));
}

enum sw_status sw_hal_check_planes_output(const struct sw_hal *hal, const struct sw_buffer *buffer,
                                          const char *role, const struct sw_planes *planes,
                                          int64_t ld, const struct sw_buffer *a,
                                          const struct sw_buffer *b) {
    SW_TRY(sw_hal_check_planes_input(hal, buffer, role, planes, ld));
    return sw_hal_check_output(hal, buffer, role, 0, 0, sizeof(float), a, b);
}

enum sw_status sw_hal_check_same_image(const char *what, const struct sw_planes *a,
                                       const struct sw_planes *b) {
    if (a->channels == b->channels && a->height == b->height && a->width == b->width) return SW_OK;
    return SW_FAIL(SW_INTERNAL,
                   "%s has %lld x %lld x %lld numbers a sample instead of %lld x %lld x %lld", what,
                   (long long) b->channels, (long long) b->height, (long long) b->width,
                   (long long) a->channels, (long long) a->height, (long long) a->width);
}
