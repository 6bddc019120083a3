/* STORE.exit: the exit code of the last run, for the script that started mpirun. */
#include <stdio.h>
#include <unistd.h>

#include "store_internal.h"
#include "sweepstake/memory.h"

void sw_store_exit_clear(const char *store_path) {
    char *path;
    if (sw_store_join(store_path, ".exit", &path) != SW_OK) return;
    (void) unlink(path);
    SW_FREE(&path);
}

/* Called on the way out: a failure here has nobody left to hear of it, and the script takes a
 * missing file for a failure. */
void sw_store_exit_write(const char *store_path, int exit_code) {
    char *path, text[16];
    int length = snprintf(text, sizeof text, "%d\n", exit_code);
    if (sw_store_join(store_path, ".exit", &path) != SW_OK) return;
    if (sw_file_write(path, text, (size_t) length) != SW_OK) (void) unlink(path);
    SW_FREE(&path);
}
