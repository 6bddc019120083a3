#include "support.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fuzz_broken(const char *promise, const char *file, int line) {
    fprintf(stderr, "%s:%d: broken promise: %s (last failure: %s)\n", file, line, promise,
            sw_status_text());
    abort();
}

void fuzz_promise_failure(enum sw_status status, unsigned allowed) {
    FUZZ_PROMISE(status != SW_OK && (allowed & 1U << status) != 0);
    FUZZ_PROMISE(sw_status_text()[0] != '\0');
}

/* ---- input ---------------------------------------------------------------------------------- */

uint64_t fuzz_take_number(struct fuzz_input *input, int bytes) {
    uint64_t number = 0;
    for (int i = 0; i < bytes && input->left > 0; i++) {
        number |= (uint64_t) *input->bytes << (8 * i);
        input->bytes++;
        input->left--;
    }
    return number;
}

uint8_t fuzz_take_u8(struct fuzz_input *input) {
    return (uint8_t) fuzz_take_number(input, 1);
}

const uint8_t *fuzz_take_bytes(struct fuzz_input *input, size_t wanted, size_t *got) {
    const uint8_t *bytes = input->bytes;
    *got = wanted < input->left ? wanted : input->left;
    input->bytes += *got;
    input->left -= *got;
    return bytes;
}

/* ---- files ---------------------------------------------------------------------------------- */

static char folder[256];

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void) info, (void) kind, (void) walk;
    return remove(path);
}

static void remove_folder(void) {
    (void) nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_folder(void) {
    if (folder[0] != '\0') return folder;
    const char *parent = getenv("TMPDIR");
    int length = snprintf(folder, sizeof folder, "%s/sweepstake-fuzz-XXXXXX",
                          parent != NULL && parent[0] != '\0' ? parent : "/tmp");
    FUZZ_PROMISE(length > 0 && length < (int) sizeof folder && mkdtemp(folder) != NULL);
    (void) atexit(remove_folder);
    return folder;
}

void fuzz_write(const char *path, const void *bytes, size_t length) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_PROMISE(fd >= 0);
    FUZZ_PROMISE(write(fd, bytes, length) == (ssize_t) length);
    FUZZ_PROMISE(close(fd) == 0);
}
