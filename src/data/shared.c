/* Decoded data sets in memory that several processes map. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block.h"
#include "sweepstake/memory.h"
#include "sweepstake/text.h"

/* Memory while a data set is decoded into it. */
struct canvas {
    int fd;
    size_t bytes;
    uint8_t *map;
};

static enum sw_status map_canvas(const struct sw_data_info *info, struct canvas *canvas) {
    char size[24];
    /* Taken now, so that too little is an error here and no signal in the middle of decoding. */
    int failure = posix_fallocate(canvas->fd, 0, (off_t) canvas->bytes);
    if (failure != 0)
        return SW_FAIL(SW_NOMEM, "cannot have %s of shared memory for the data set %s: %s",
                       sw_text_bytes(size, sizeof size, (double) canvas->bytes), info->name,
                       strerror(failure));
    void *map = mmap(NULL, canvas->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, canvas->fd, 0);
    if (map == MAP_FAILED)
        return SW_FAIL(SW_NOMEM, "cannot map %zu bytes for the data set %s: %s", canvas->bytes,
                       info->name, strerror(errno));
    canvas->map = map;
    return SW_OK;
}

static enum sw_status open_canvas(const struct sw_data_info *info, struct canvas *out) {
    struct canvas canvas = {.bytes = (size_t) info->block_bytes};
    canvas.fd = memfd_create("sweepstake-data", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (canvas.fd < 0)
        return SW_FAIL(SW_INTERNAL, "cannot make shared memory: %s", strerror(errno));
    enum sw_status status = map_canvas(info, &canvas);
    if (status != SW_OK) {
        (void) close(canvas.fd);
        return status;
    }
    *out = canvas;
    return SW_OK;
}

int sw_data_reopen_shared(int64_t pid, int64_t fd) {
    char path[64];
    (void) snprintf(path, sizeof path, "/proc/%" PRId64 "/fd/%" PRId64, pid, fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* What was decoded with `status` becomes a block for readers, or nothing. */
static enum sw_status close_canvas(const struct sw_data_info *info, struct canvas *canvas,
                                   enum sw_status status, int *fd) {
    const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    (void) munmap(canvas->map, canvas->bytes);
    if (status == SW_OK && fcntl(canvas->fd, F_ADD_SEALS, seals) != 0)
        status = SW_FAIL(SW_INTERNAL, "cannot seal the data set %s: %s", info->name,
                         strerror(errno));
    if (status == SW_OK) {
        int reader = sw_data_reopen_shared(getpid(), canvas->fd);
        if (reader < 0)
            status = SW_FAIL(SW_INTERNAL, "cannot open shared memory through /proc: %s",
                             strerror(errno));
        else
            *fd = reader;
    }
    (void) close(canvas->fd);
    return status;
}

enum sw_status sw_data_probe_shared(const struct sw_trial_spec *spec, struct sw_data_info *info,
                                    int *fd) {
    struct sw_data_source source;
    struct sw_data_info found;
    struct canvas canvas;
    SW_TRY(sw_data_describe(spec, &source, &found));
    SW_TRY(open_canvas(&found, &canvas));
    enum sw_status status = sw_data_learn(spec, &source, canvas.map, &found);
    if (status == SW_OK) sw_block_seal(&found, canvas.map);
    status = close_canvas(&found, &canvas, status, fd);
    if (status == SW_OK) *info = found;
    return status;
}

enum sw_status sw_data_decode_shared(const struct sw_trial_spec *spec,
                                     const struct sw_data_info *info, int *fd) {
    struct canvas canvas;
    SW_TRY(open_canvas(info, &canvas));
    enum sw_status status = sw_data_decode(spec, info, canvas.map);
    return close_canvas(info, &canvas, status, fd);
}

void sw_data_blocks_close(struct sw_data_blocks *blocks) {
    for (int64_t i = 0; blocks->fds != NULL && i < blocks->n; i++)
        if (blocks->fds[i] >= 0) (void) close(blocks->fds[i]);
    SW_FREE(&blocks->fds);
    blocks->n = 0;
}
