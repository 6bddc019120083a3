/* IDX files; see idx.h. */
#include "idx.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits.h"
#include "sweepstake/text.h"

#define IDX_MAGIC(kind) (0x00000800u | (unsigned) (kind)) /* 08: unsigned bytes */
#define IDX_HEADER(kind) (4 + 4 * (int64_t) (kind))       /* bytes */
#define IDX_CHUNK (INT64_C(1) << 20)                      /* bytes per call of zlib */
#define DEFLATE_BEST INT64_C(1032) /* no deflate stream grows by more than this (zlib's manual) */

static const char *kind_name(enum sw_idx_kind kind) {
    return kind == SW_IDX_IMAGES ? "images" : "labels";
}

static int64_t end_of_samples(const struct sw_idx *idx) {
    return IDX_HEADER(idx->kind) + idx->count * idx->height * idx->width;
}

/* ---- reading bytes -------------------------------------------------------------------------------- */

/* Open for zlib. Not blocking and looked at after opening: a pipe or a device must not hang us. */
static enum sw_status open_regular(const char *path, gzFile *out, int64_t *bytes) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return SW_FAIL(SW_IO, "%s: cannot be opened: %s", path, strerror(errno));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        (void) close(fd);
        return SW_FAIL(SW_IO, "%s: is not a regular file", path);
    }
    *out = gzdopen(fd, "rb");
    if (*out == NULL) {
        (void) close(fd);
        return SW_FAIL(SW_NOMEM, "%s: no memory to read it", path);
    }
    (void) gzbuffer(*out, 1u << 16);
    *bytes = info.st_size;
    return SW_OK;
}

/* Say why zlib gave fewer bytes than the `expected` ones of the file. */
static enum sw_status fail_read(const struct sw_idx *idx, int64_t expected) {
    int code = Z_OK;
    const char *text = gzerror(idx->file, &code); /* "<fd:5>: incorrect data check" */
    const char *reason = strstr(text, ": ") != NULL ? strstr(text, ": ") + 2 : text;
    if (code == Z_MEM_ERROR) return SW_FAIL(SW_NOMEM, "%s: no memory to read it", idx->path);
    if (code == Z_ERRNO)
        return SW_FAIL(SW_IO, "%s: byte %" PRId64 ": cannot be read: %s", idx->path, idx->at,
                       reason);
    if (code != Z_OK && code != Z_BUF_ERROR)
        return SW_FAIL(SW_IO, "%s: byte %" PRId64 ": corrupt gzip data: %s", idx->path, idx->at,
                       reason);
    if (idx->at >= expected)
        return SW_FAIL(SW_IO,
                       "%s: byte %" PRId64 ": truncated: the gzip data ends before its checksum",
                       idx->path, idx->at);
    return SW_FAIL(
        SW_IO, "%s: byte %" PRId64 ": truncated: the data ends here, %" PRId64 " bytes expected",
        idx->path, idx->at, expected);
}

/* Read exactly `bytes`; `expected` is how long the file should be, for the error text. */
static enum sw_status read_bytes(struct sw_idx *idx, uint8_t *out, int64_t bytes,
                                 int64_t expected) {
    while (bytes > 0) {
        int64_t wanted = bytes < IDX_CHUNK ? bytes : IDX_CHUNK;
        int got = gzread(idx->file, out, (unsigned) wanted);
        if (got <= 0) return fail_read(idx, expected);
        idx->at += got;
        out += got;
        bytes -= got;
    }
    return SW_OK;
}

/* After the last sample: nothing may follow, and gzip's checksum has to fit (zlib compares it only when
 * it is asked for more). */
static enum sw_status check_end(struct sw_idx *idx) {
    uint8_t extra = 0;
    int code = Z_OK;
    int got = gzread(idx->file, &extra, 1);
    if (got > 0)
        return SW_FAIL(SW_CONFIG,
                       "%s: byte %" PRId64 ": bytes follow the last of the %" PRId64 " %s",
                       idx->path, idx->at, idx->count, kind_name(idx->kind));
    (void) gzerror(idx->file, &code);
    return got < 0 || code != Z_OK ? fail_read(idx, end_of_samples(idx)) : SW_OK;
}

/* ---- header --------------------------------------------------------------------------------------- */

static uint32_t big_endian(const uint8_t bytes[4]) {
    return (uint32_t) bytes[0] << 24 | (uint32_t) bytes[1] << 16 | (uint32_t) bytes[2] << 8 |
           bytes[3];
}

static enum sw_status check_magic(const struct sw_idx *idx, uint32_t magic) {
    enum sw_idx_kind other = idx->kind == SW_IDX_IMAGES ? SW_IDX_LABELS : SW_IDX_IMAGES;
    if (magic == IDX_MAGIC(idx->kind)) return SW_OK;
    if (magic == IDX_MAGIC(other))
        return SW_FAIL(
            SW_CONFIG,
            "%s: byte 0: magic 0x%08x found, so this file holds %s; %s (0x%08x) expected",
            idx->path, magic, kind_name(other), kind_name(idx->kind), IDX_MAGIC(idx->kind));
    return SW_FAIL(SW_CONFIG, "%s: byte 0: magic 0x%08x found, 0x%08x (IDX %s) expected", idx->path,
                   magic, IDX_MAGIC(idx->kind), kind_name(idx->kind));
}

/* The size at byte `offset` of the header, in 1..highest. */
static enum sw_status take_size(const struct sw_idx *idx, const uint8_t *header, int offset,
                                const char *what, int64_t highest, int64_t *out) {
    int64_t size = big_endian(header + offset);
    if (size < 1 || size > highest)
        return SW_FAIL(SW_CONFIG, "%s: byte %d: %s is %" PRId64 ", 1 to %" PRId64 " expected",
                       idx->path, offset, what, size, highest);
    *out = size;
    return SW_OK;
}

/* The header against the length of the file on disk, before anyone allocates what it asks for. */
static enum sw_status check_length(const struct sw_idx *idx, int64_t disk_bytes) {
    int64_t expected = end_of_samples(idx);
    if (!gzdirect(idx->file)) {
        if (expected / DEFLATE_BEST <= disk_bytes) return SW_OK;
        return SW_FAIL(SW_IO,
                       "%s: byte 4: truncated: the header promises %" PRId64
                       " bytes, which %" PRId64 " bytes of gzip data cannot hold",
                       idx->path, expected, disk_bytes);
    }
    if (disk_bytes < expected)
        return SW_FAIL(SW_IO,
                       "%s: byte %" PRId64 ": truncated: the data ends here, %" PRId64
                       " bytes expected",
                       idx->path, disk_bytes, expected);
    if (disk_bytes > expected)
        return SW_FAIL(
            SW_CONFIG,
            "%s: byte %" PRId64 ": %" PRId64 " bytes follow the last of the %" PRId64 " %s",
            idx->path, expected, disk_bytes - expected, idx->count, kind_name(idx->kind));
    return SW_OK;
}

static enum sw_status read_header(struct sw_idx *idx, int64_t disk_bytes) {
    uint8_t header[IDX_HEADER(SW_IDX_IMAGES)];
    int64_t length = IDX_HEADER(idx->kind);
    SW_TRY(read_bytes(idx, header, 4, length));
    SW_TRY(check_magic(idx, big_endian(header)));
    SW_TRY(read_bytes(idx, header + 4, length - 4, length));
    SW_TRY(take_size(idx, header, 4, "the number of samples", SW_DATA_MAX_SAMPLES, &idx->count));
    if (idx->kind == SW_IDX_IMAGES) {
        SW_TRY(take_size(idx, header, 8, "the image height", SW_DATA_MAX_SIDE, &idx->height));
        SW_TRY(take_size(idx, header, 12, "the image width", SW_DATA_MAX_SIDE, &idx->width));
    }
    if (idx->count > SW_DATA_MAX_BYTES / (idx->height * idx->width))
        return SW_FAIL(SW_CONFIG,
                       "%s: byte 4: %" PRId64 " images of %" PRId64 " x %" PRId64
                       " pixels take more than the 16 GiB that one file may hold",
                       idx->path, idx->count, idx->height, idx->width);
    return check_length(idx, disk_bytes);
}

/* ---- the calls of idx.h --------------------------------------------------------------------------- */

enum sw_status sw_idx_open(const char *path, enum sw_idx_kind kind, struct sw_idx *out) {
    struct sw_idx idx = {.kind = kind, .height = 1, .width = 1};
    int64_t disk_bytes = 0;
    SW_TEXT_COPY(idx.path, path);
    SW_TRY(open_regular(path, &idx.file, &disk_bytes));
    enum sw_status status = read_header(&idx, disk_bytes);
    if (status == SW_OK)
        *out = idx;
    else
        sw_idx_close(&idx);
    return status;
}

enum sw_status sw_idx_read(struct sw_idx *idx, int64_t n, uint8_t *out) {
    SW_TRY(read_bytes(idx, out, n * idx->height * idx->width, end_of_samples(idx)));
    return n == idx->count ? check_end(idx) : SW_OK;
}

enum sw_status sw_idx_read_labels(struct sw_idx *idx, int64_t n, int64_t classes, uint8_t *out) {
    SW_TRY(sw_idx_read(idx, n, out));
    for (int64_t i = 0; i < n; i++)
        if (out[i] >= classes)
            return SW_FAIL(SW_CONFIG,
                           "%s: byte %" PRId64 ": label %d found, 0 to %" PRId64 " expected",
                           idx->path, IDX_HEADER(idx->kind) + i, out[i], classes - 1);
    return SW_OK;
}

void sw_idx_close(struct sw_idx *idx) {
    if (idx->file != NULL) (void) gzclose_r(idx->file);
    idx->file = NULL;
}
