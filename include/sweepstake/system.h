/* Module: base
 * Purpose: clock, files and processor as the rest of the program wants them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sweepstake/status.h"

/* Seconds on a clock that never jumps; only differences mean anything. */
double sw_clock_monotonic(void);
/* Seconds since 1970-01-01 UTC. */
double sw_clock_wall(void);
/* Sleep; returns early on a signal. */
void sw_clock_sleep(double seconds);
/* CPU seconds (user and system) of this process so far. */
double sw_clock_cpu(void);

/* Read a whole file of at most `limit` bytes into a new NUL-terminated buffer (free with SW_FREE).
 * Errors: SW_IO (missing, unreadable, a directory), SW_CONFIG (larger than `limit`), SW_NOMEM.
 * The text names the path. */
enum sw_status sw_file_read(const char *path, size_t limit, char **bytes,
                            size_t *length) SW_NODISCARD;

/* Write a whole file: temporary name, then rename. Errors: SW_IO. */
enum sw_status sw_file_write(const char *path, const void *bytes, size_t length) SW_NODISCARD;

/* Read or write exactly `length` bytes at `offset`, going on after signals and short counts.
 * Errors: SW_IO (also at the end of the file); `path` is for the message only. */
enum sw_status sw_file_pread(int fd, void *bytes, size_t length, off_t offset,
                             const char *path) SW_NODISCARD;
enum sw_status sw_file_pwrite(int fd, const void *bytes, size_t length, off_t offset,
                              const char *path) SW_NODISCARD;

bool sw_file_exists(const char *path);

/* Instruction sets that have kernels here, lowest first; part of a store's identity.
 * Only sets that were run on such a processor are listed. */
enum sw_isa { SW_ISA_GENERIC = 0, SW_ISA_AVX2 = 1 };
const char *sw_isa_name(enum sw_isa isa); /* "generic", "avx2" */
bool sw_isa_find(const char *name, enum sw_isa *out);
/* The highest that this processor can run (AVX2 means AVX2 and FMA); the environment variable
 * SWEEPSTAKE_ISA lowers it, for tests. */
enum sw_isa sw_isa_detect(void);
/* The OPENBLAS_CORETYPE that goes with it; has to be in the environment before exec. */
const char *sw_isa_openblas_core(enum sw_isa isa);
