/* One IDX file (the format of MNIST: big-endian magic and sizes, then bytes), plain or gzip, read from
 * front to back. The file is hostile input: its sizes are checked against limits and against the length
 * of the file before anyone allocates, and every error names the file and the (uncompressed) byte.
 * Private to data. */
#pragma once

#include <stdint.h>
#include <zlib.h>

#include "sweepstake/status.h"

/* What a file holds; the value is the number of dimensions, the last byte of its magic. */
enum sw_idx_kind { SW_IDX_LABELS = 1, SW_IDX_IMAGES = 3 };

struct sw_idx {
    gzFile file; /* NULL when closed */
    char path[320];
    enum sw_idx_kind kind;
    int64_t count;  /* samples */
    int64_t height; /* pixels; 1 for labels */
    int64_t width;
    int64_t at; /* uncompressed bytes read so far */
};

/* Open a file and check its header. Errors: SW_IO (missing, not a file, unreadable, truncated, corrupt
 * gzip data), SW_CONFIG (wrong magic, a size out of bounds, bytes after the last sample). */
enum sw_status sw_idx_open(const char *path, enum sw_idx_kind kind,
                           struct sw_idx *out) SW_NODISCARD;

/* Read the first n <= count samples into out[n * height * width]; at most once per file. Reading all of
 * them also checks that the file ends there and, for gzip, its checksum. Errors: as above. */
enum sw_status sw_idx_read(struct sw_idx *idx, int64_t n, uint8_t *out) SW_NODISCARD;

/* The same for labels, which have to be below `classes`. Errors: as above, SW_CONFIG for a label. */
enum sw_status sw_idx_read_labels(struct sw_idx *idx, int64_t n, int64_t classes,
                                  uint8_t *out) SW_NODISCARD;

/* Accepts a closed or zeroed one. */
void sw_idx_close(struct sw_idx *idx);
