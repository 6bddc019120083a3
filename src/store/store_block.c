/* The user block: extents and checksums that say, with plain I/O, whether a file may be shown to
 * HDF5 at all. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "store_internal.h"
#include "sweepstake/memory.h"

static const char block_magic[8] = {'S', 'W', 'S', 'T', 'O', 'R', 'E', '1'};

#define PIECE_BYTES ((size_t) 1 << 20)

static enum sw_status sum_range(int fd, const char *path, uint64_t from, uint64_t to, void *piece,
                                struct sw_digest_stream *stream) {
    while (from < to) {
        size_t bytes = to - from < PIECE_BYTES ? (size_t) (to - from) : PIECE_BYTES;
        SW_TRY(sw_file_pread(fd, piece, bytes, (off_t) from, path));
        sw_digest_update(stream, piece, bytes);
        from += bytes;
    }
    return SW_OK;
}

/* Checksum of everything outside the block and the extents, which have been checked. */
static enum sw_status sum_outside(int fd, const char *path, const struct sw_block *block,
                                  struct sw_digest *out) {
    struct sw_digest_stream *stream = NULL;
    char *piece = NULL;
    uint64_t from = SW_BLOCK_BYTES;
    size_t most = block->file_bytes < PIECE_BYTES ? (size_t) block->file_bytes : PIECE_BYTES;
    enum sw_status status;
    SW_TRY_TO(SW_ALLOC(&piece, most, "a piece of the store"), status, cleanup);
    SW_TRY_TO(sw_digest_begin(&stream), status, cleanup);
    for (uint64_t i = 0; i < block->n_extents; i++) {
        const struct sw_extent *extent = &block->extent[i];
        SW_TRY_TO(sum_range(fd, path, from, extent->offset, piece, stream), status, cleanup);
        from = extent->offset + extent->length;
    }
    SW_TRY_TO(sum_range(fd, path, from, block->file_bytes, piece, stream), status, cleanup);
cleanup:
    if (stream != NULL) {
        struct sw_digest digest = sw_digest_end(&stream);
        if (status == SW_OK) *out = digest;
    }
    SW_FREE(&piece);
    return status;
}

static struct sw_digest sum_block(const struct sw_block *block) {
    return sw_digest_of(block, offsetof(struct sw_block, own));
}

static enum sw_status file_bytes(int fd, const char *path, uint64_t *out) {
    struct stat info;
    if (fstat(fd, &info) != 0) return SW_FAIL(SW_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode)) return SW_FAIL(SW_DAMAGED, "%s: not a regular file", path);
    *out = (uint64_t) info.st_size;
    return SW_OK;
}

enum sw_status sw_store_block_write(int fd, const char *path, struct sw_block *block) {
    memcpy(block->magic, block_magic, sizeof block_magic);
    block->schema = SW_STORE_SCHEMA;
    SW_TRY(file_bytes(fd, path, &block->file_bytes));
    SW_TRY(sum_outside(fd, path, block, &block->outside));
    block->own = sum_block(block);
    return sw_file_pwrite(fd, block, sizeof *block, 0, path);
}

/* Extents ascend, do not touch the block, do not overlap and end within the file. */
static enum sw_status check_extents(const char *path, const struct sw_block *block) {
    uint64_t free_from = SW_BLOCK_BYTES;
    if (block->n_extents > SW_BLOCK_MAX_EXTENTS)
        return SW_FAIL(SW_DAMAGED, "%s: the user block lists %" PRIu64 " extents, at most %d fit",
                       path, block->n_extents, SW_BLOCK_MAX_EXTENTS);
    for (uint64_t i = 0; i < block->n_extents; i++) {
        const struct sw_extent *extent = &block->extent[i];
        if (extent->offset < free_from || extent->offset > block->file_bytes ||
            extent->length > block->file_bytes - extent->offset)
            return SW_FAIL(SW_DAMAGED, "%s: extent %" PRIu64 " of the user block is out of range",
                           path, i);
        free_from = extent->offset + extent->length;
    }
    return SW_OK;
}

static enum sw_status check_head(const char *path, const struct sw_block *block, uint64_t bytes) {
    if (memcmp(block->magic, block_magic, sizeof block_magic) != 0)
        return SW_FAIL(SW_DAMAGED, "%s: not a Sweepstake store (no %.8s at its start)", path,
                       block_magic);
    if (block->schema != SW_STORE_SCHEMA)
        return SW_FAIL(SW_DAMAGED, "%s: schema version %" PRIu64 "; this program reads version %d",
                       path, block->schema, SW_STORE_SCHEMA);
    if (!sw_digest_equal(block->own, sum_block(block)))
        return SW_FAIL(SW_DAMAGED, "%s: the user block (bytes 0..4095) is damaged", path);
    if (block->file_bytes != bytes)
        return SW_FAIL(SW_DAMAGED, "%s: the file has %" PRIu64 " bytes and should have %" PRIu64,
                       path, bytes, block->file_bytes);
    return check_extents(path, block);
}

enum sw_status sw_store_block_check(int fd, const char *path, struct sw_block *out) {
    struct sw_block block;
    struct sw_digest outside;
    uint64_t bytes = 0;
    SW_TRY(file_bytes(fd, path, &bytes));
    if (bytes < sizeof block)
        return SW_FAIL(SW_DAMAGED, "%s: not a Sweepstake store (%" PRIu64 " bytes)", path, bytes);
    SW_TRY(sw_file_pread(fd, &block, sizeof block, 0, path));
    SW_TRY(check_head(path, &block, bytes));
    SW_TRY(sum_outside(fd, path, &block, &outside));
    if (!sw_digest_equal(outside, block.outside))
        return SW_FAIL(SW_DAMAGED,
                       "%s: the plan or the HDF5 structure is damaged (checksum of all bytes "
                       "outside the slabs); restore the file from a copy",
                       path);
    *out = block;
    return SW_OK;
}
