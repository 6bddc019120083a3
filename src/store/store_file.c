/* Names and folders: how a finished file gets its name without replacing another. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store_internal.h"
#include "sweepstake/memory.h"
#include "sweepstake/text.h"

double sw_store_room(int fd) {
    struct statvfs room;
    if (fstatvfs(fd, &room) != 0 || room.f_blocks == 0) return NAN;
    return (double) room.f_bavail * (double) room.f_frsize;
}

enum sw_status sw_store_join(const char *path, const char *suffix, char **out) {
    size_t bytes = strlen(path) + strlen(suffix) + 1;
    char *joined;
    SW_TRY(SW_ALLOC(&joined, bytes, "a file name"));
    snprintf(joined, bytes, "%s%s", path, suffix);
    *out = joined;
    return SW_OK;
}

enum sw_status sw_store_folder_of(const char *path, char **out) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return sw_store_join(".", "", out);
    if (slash == path) return sw_store_join("/", "", out);
    SW_TRY(sw_store_join(path, "", out));
    (*out)[slash - path] = '\0';
    return SW_OK;
}

/* Some file systems have no RENAME_NOREPLACE; a hard link refuses an existing name everywhere. */
int sw_store_rename_to_free(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) return -1;
    if (link(from, to) != 0) return -1;
    (void) unlink(from);
    return 0;
}

/* A rename survives a power loss only when its folder is synced; where folders cannot be synced
 * (EINVAL) there is nothing to do. */
static enum sw_status sync_folder(const char *path) {
    char *folder;
    SW_TRY(sw_store_folder_of(path, &folder));
    enum sw_status status = SW_OK;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        status = SW_FAIL(SW_IO, "%s: cannot sync the folder: %s", folder, strerror(errno));
    if (fd >= 0) (void) close(fd);
    SW_FREE(&folder);
    return status;
}

enum sw_status sw_store_publish(const char *temporary, const char *path) {
    if (sw_store_rename_to_free(temporary, path) != 0) {
        if (errno == EEXIST) return SW_FAIL(SW_IO, "%s exists already", path);
        return SW_FAIL(SW_IO, "%s: cannot rename to %s: %s", temporary, path, strerror(errno));
    }
    return sync_folder(path);
}

/* ---- what a killed creator leaves ----------------------------------------------------------- */

enum sw_status sw_store_temporary(const char *path, char **out) {
    char suffix[32];
    snprintf(suffix, sizeof suffix, SW_TEMPORARY "%ld", (long) getpid());
    return sw_store_join(path, suffix, out);
}

/* NAME.tmp.PID of a process that is not here. */
static bool is_left_behind(const char *entry, const char *name) {
    size_t length = strlen(name), middle = strlen(SW_TEMPORARY);
    int64_t pid;
    if (strncmp(entry, name, length) != 0 || strncmp(entry + length, SW_TEMPORARY, middle) != 0)
        return false;
    const char *number = entry + length + middle;
    if (number[strspn(number, "0123456789")] != '\0' || !sw_text_to_int(number, &pid)) return false;
    return pid > 0 && pid <= INT32_MAX && kill((pid_t) pid, 0) != 0 && errno == ESRCH;
}

void sw_store_tidy(const char *path) {
    char *folder;
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    if (sw_store_folder_of(path, &folder) != SW_OK) return;
    DIR *open_folder = opendir(folder);
    const struct dirent *entry;
    /* cppcheck-suppress readdirCalled ; of a stream that no other thread has */
    while (open_folder != NULL && (entry = readdir(open_folder)) != NULL)
        if (is_left_behind(entry->d_name, name))
            (void) unlinkat(dirfd(open_folder), entry->d_name, 0);
    if (open_folder != NULL) (void) closedir(open_folder);
    SW_FREE(&folder);
}
