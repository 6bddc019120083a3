/* What the fuzz harnesses share: bytes taken from the input one after the other, promises that end the
 * process when they are broken, and a folder. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sweepstake/status.h"

/* The entry points that libFuzzer calls. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise of the code under test; a broken one is a crash. */
#define FUZZ_PROMISE(condition)                                                                    \
    ((condition) ? (void) 0 : fuzz_broken(#condition, __FILE__, __LINE__))
_Noreturn void fuzz_broken(const char *promise, const char *file, int line);

/* A call that failed has one of these codes and says something. `allowed` is a set of bits 1 << code. */
void fuzz_promise_failure(enum sw_status status, unsigned allowed);

/* What is left of the input. */
struct fuzz_input {
    const uint8_t *bytes;
    size_t left;
};
/* Numbers from the front, 0 past the end. */
uint8_t fuzz_take_u8(struct fuzz_input *input);
uint64_t fuzz_take_number(struct fuzz_input *input, int bytes); /* little-endian, 1..8 bytes */
/* Up to `wanted` bytes; *got says how many. */
const uint8_t *fuzz_take_bytes(struct fuzz_input *input, size_t wanted, size_t *got);

/* A folder below TMPDIR, removed with everything in it at the end of the process. */
const char *fuzz_folder(void);
/* Replace a file's content; aborts when that fails. */
void fuzz_write(const char *path, const void *bytes, size_t length);
