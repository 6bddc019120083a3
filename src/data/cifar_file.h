/* One CIFAR binary file (Krizhevsky 2009): records of one or two label bytes and 3 x 32 x 32 pixels, a plane
 * per colour. There is no header, so the length of the file is all that tells how many. The file is
 * hostile input: every error names the file and the byte. Private to data. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "sweepstake/status.h"

#define SW_CIFAR_PIXELS INT64_C(3072)

/* Labels of a record; the last one is the class. */
struct sw_cifar_labels {
    int n;             /* 1 or 2 */
    int64_t limits[2]; /* each is below its limit */
};

struct sw_cifar_file {
    FILE *file; /* NULL when closed */
    char path[384];
    struct sw_cifar_labels labels;
    int64_t count; /* records */
};

/* Open and count. Errors: SW_IO (missing, no regular file, unreadable), SW_CONFIG (empty, or not whole
 * records). */
enum sw_status sw_cifar_open(const char *path, const struct sw_cifar_labels *labels,
                             struct sw_cifar_file *out) SW_NODISCARD;
/* The first n <= count records: images u8[n, 3072], classes u8[n]. Errors: SW_IO (truncated), SW_CONFIG
 * (a label out of range). */
enum sw_status sw_cifar_read(struct sw_cifar_file *file, int64_t n, uint8_t *images,
                             uint8_t *classes) SW_NODISCARD;
/* Accepts a closed or zeroed one. */
void sw_cifar_close(struct sw_cifar_file *file);
