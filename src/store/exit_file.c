/* STORE.exit: the exit code of the last run, for the script that started mpirun. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "store_internal.h"
#include "sweepstake/memory.h"

#define RESERVED "...\n" /* as long as the longest code */

/* The room of the code is taken when a run begins: it ends when the disk is full, too. */
static void reserve(const char *store_path) {
    char *path;
    if (sw_store_join(store_path, ".exit.next", &path) != SW_OK) return;
    if (sw_file_write(path, RESERVED, sizeof RESERVED - 1) != SW_OK) (void) unlink(path);
    SW_FREE(&path);
}

void sw_store_exit_clear(const char *store_path) {
    char *path;
    if (sw_store_join(store_path, ".exit", &path) != SW_OK) return;
    (void) unlink(path);
    SW_FREE(&path);
    reserve(store_path);
}

/* Into the reserved room; false when there is none. */
static bool write_reserved(const char *store_path, const char *path, const char *text,
                           size_t length) {
    char *reserved;
    if (sw_store_join(store_path, ".exit.next", &reserved) != SW_OK) return false;
    int fd = open(reserved, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && sw_file_pwrite(fd, text, length, 0, reserved) == SW_OK &&
                ftruncate(fd, (off_t) length) == 0;
    if (fd >= 0) good &= close(fd) == 0;
    good = good && rename(reserved, path) == 0;
    if (!good) (void) unlink(reserved);
    SW_FREE(&reserved);
    return good;
}

/* Called on the way out: a failure here has nobody left to hear of it, and the script takes a
 * missing file for a failure. */
void sw_store_exit_write(const char *store_path, int exit_code) {
    char *path, text[16];
    int length = snprintf(text, sizeof text, "%d\n", exit_code);
    if (sw_store_join(store_path, ".exit", &path) != SW_OK) return;
    if (!write_reserved(store_path, path, text, (size_t) length) &&
        sw_file_write(path, text, (size_t) length) != SW_OK)
        (void) unlink(path);
    SW_FREE(&path);
}
