#include "check.h"

#include "sweepstake/memory.h"
#include "sweepstake/text.h"

/* A handle without memory. */
static enum sw_status create_buffer(struct sw_hal *hal, int64_t bytes, int wrapped,
                                    const char *what, struct sw_buffer **out) {
    if (hal == NULL) return SW_FAIL(SW_INTERNAL, "no device to hold %s", what);
    if (bytes < 0) return SW_FAIL(SW_INTERNAL, "%lld bytes for %s", (long long) bytes, what);
    struct sw_buffer *buffer = NULL;
    SW_TRY(SW_ALLOC(&buffer, 1, what));
    buffer->hal = hal;
    buffer->bytes = bytes;
    buffer->wrapped = wrapped;
    SW_TEXT_COPY(buffer->what, what);
    *out = buffer;
    return SW_OK;
}

enum sw_status sw_hal_alloc(struct sw_hal *hal, int64_t bytes, const char *what,
                            struct sw_buffer **out) {
    struct sw_buffer *buffer = NULL;
    SW_TRY(create_buffer(hal, bytes, 0, what, &buffer));
    enum sw_status status = hal->backend->alloc(buffer);
    if (status != SW_OK) {
        SW_FREE(&buffer);
        return status;
    }
    *out = buffer;
    return SW_OK;
}

enum sw_status sw_hal_wrap(struct sw_hal *hal, const void *host, int64_t bytes,
                           struct sw_buffer **out) {
    if (host == NULL) return SW_FAIL(SW_INTERNAL, "no host memory to make readable by a device");
    struct sw_buffer *buffer = NULL;
    SW_TRY(create_buffer(hal, bytes, 1, "host memory", &buffer));
    enum sw_status status = hal->backend->wrap(buffer, host);
    if (status != SW_OK) {
        SW_FREE(&buffer);
        return status;
    }
    *out = buffer;
    return SW_OK;
}

void sw_hal_free(struct sw_buffer **buffer) {
    if (*buffer == NULL) return;
    (*buffer)->hal->backend->free(*buffer);
    SW_FREE(buffer);
}

int64_t sw_hal_bytes(const struct sw_buffer *buffer) {
    return buffer->bytes;
}

enum sw_status sw_hal_upload(struct sw_buffer *to, int64_t offset, const void *from,
                             int64_t bytes) {
    SW_TRY(sw_hal_check_range(to, offset, from, bytes));
    SW_TRY(sw_hal_check_output(to->hal, to, "target of an upload", 0, 0, 1, NULL, NULL));
    return to->hal->backend->upload(to, offset, from, bytes);
}

enum sw_status sw_hal_download(const struct sw_buffer *from, int64_t offset, void *to,
                               int64_t bytes) {
    SW_TRY(sw_hal_check_range(from, offset, to, bytes));
    return from->hal->backend->download(from, offset, to, bytes);
}

enum sw_status sw_hal_zero(struct sw_buffer *buffer) {
    if (buffer == NULL) return SW_FAIL(SW_INTERNAL, "no buffer to set to zero");
    SW_TRY(sw_hal_check_output(buffer->hal, buffer, "buffer to set to zero", 0, 0, 1, NULL, NULL));
    return buffer->hal->backend->zero(buffer);
}
