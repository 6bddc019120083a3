/* Open MPI's shared memory between the ranks of a node is a file, vader_segment.HOST.UID.JOB.RANK. Its daemon
 * removes those of ranks that were killed, but nobody those of a job whose daemon was killed, too: a later
 * run does. A segment counts as left behind when it is this user's, of this host, older than the time in
 * which a rank maps what it has created, and mapped by no process: a rank maps its own as long as it lives. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "comm_impl.h"
#include "sweepstake/memory.h"
#include "sweepstake/system.h"
#include "sweepstake/text.h"

#define PREFIX "vader_segment."
#define LEAST_AGE 60.0 /* seconds */
#define LINE_BYTES 8192
#define INODE_FIELD 4 /* of a line of maps */

struct segment {
    char name[160];
    uint64_t inode;
    bool used;
};

struct search {
    struct segment *segments;
    size_t n, capacity;
};

/* ---- candidates ------------------------------------------------------------------------------ */

/* A field that is digits of the base, a dot before it; cut off from the end of `text`. */
static bool cut_number(char *text, int base, unsigned long *out) {
    char *dot = strrchr(text, '.'), *end;
    if (dot == NULL || !isxdigit((unsigned char) dot[1])) return false;
    *out = strtoul(dot + 1, &end, base);
    if (*end != '\0') return false;
    *dot = '\0';
    return true;
}

/* Open MPI cuts the domain off, or not. */
static bool is_this_host(const char *host) {
    char mine[256] = "";
    (void) gethostname(mine, sizeof mine - 1);
    if (strcmp(host, mine) == 0) return true;
    mine[strcspn(mine, ".")] = '\0';
    return strcmp(host, mine) == 0;
}

static bool is_our_name(const char *name) {
    char rest[sizeof((struct segment *) 0)->name];
    unsigned long rank, job, user;
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || strlen(name) >= sizeof rest) return false;
    SW_TEXT_COPY(rest, name + strlen(PREFIX));
    return cut_number(rest, 10, &rank) && cut_number(rest, 16, &job) &&
           cut_number(rest, 10, &user) && user == geteuid() && is_this_host(rest);
}

static enum sw_status add_candidate(struct search *search, int folder, const char *name) {
    struct stat info;
    if (!is_our_name(name) || fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(info.st_mode) || info.st_uid != geteuid() ||
        sw_clock_wall() - (double) info.st_mtim.tv_sec < LEAST_AGE)
        return SW_OK;
    if (search->n == search->capacity) {
        size_t capacity = search->capacity + 64;
        SW_TRY(SW_GROW(&search->segments, search->capacity, capacity, "shared memory segments"));
        search->capacity = capacity;
    }
    struct segment *segment = &search->segments[search->n++];
    SW_TEXT_COPY(segment->name, name);
    segment->inode = (uint64_t) info.st_ino;
    return SW_OK;
}

static enum sw_status list_candidates(struct search *search, DIR *folder) {
    const struct dirent *entry;
    /* cppcheck-suppress readdirCalled ; of a stream that no other thread has */
    while ((entry = readdir(folder)) != NULL)
        SW_TRY(add_candidate(search, dirfd(folder), entry->d_name));
    return SW_OK;
}

/* ---- users ----------------------------------------------------------------------------------- */

/* "START-END MODE OFFSET DEVICE INODE PATH". On some file systems the device is another one than stat
 * says: the same inode, or the same name, is enough to leave a segment alone. */
static void mark_used(struct search *search, const char *line) {
    const char *field = line;
    for (int i = 0; i < INODE_FIELD; i++) {
        field += strcspn(field, " ");
        field += strspn(field, " ");
    }
    uint64_t inode = strtoull(field, NULL, 10);
    for (size_t i = 0; i < search->n; i++)
        if (search->segments[i].inode == inode || strstr(line, search->segments[i].name) != NULL)
            search->segments[i].used = true;
}

/* False when a process cannot be looked into that may be a rank. One of another user cannot map our files, and
 * a rank of this user may look into every other one. */
static bool look_into(struct search *search, const char *pid) {
    char path[300], line[LINE_BYTES];
    struct stat info;
    (void) snprintf(path, sizeof path, "/proc/%s/maps", pid);
    if (stat(path, &info) != 0 || info.st_uid != geteuid()) return true;
    FILE *maps = fopen(path, "re");
    if (maps == NULL) return errno == ENOENT || errno == ESRCH || errno == EACCES;
    while (fgets(line, sizeof line, maps) != NULL)
        mark_used(search, line);
    bool whole = ferror(maps) == 0 || errno == ESRCH;
    (void) fclose(maps);
    return whole;
}

static bool look_into_all(struct search *search) {
    DIR *folder = opendir("/proc");
    bool whole = folder != NULL;
    const struct dirent *entry;
    /* cppcheck-suppress readdirCalled ; of a stream that no other thread has */
    while (whole && (entry = readdir(folder)) != NULL)
        if (isdigit((unsigned char) entry->d_name[0])) whole = look_into(search, entry->d_name);
    if (folder != NULL) (void) closedir(folder);
    return whole;
}

/* ---- both ------------------------------------------------------------------------------------ */

void sw_comm_tidy_segments(void) {
    const char *chosen = getenv("OMPI_MCA_btl_vader_backing_directory");
    struct search search = {.n = 0};
    DIR *folder = opendir(chosen != NULL ? chosen : "/dev/shm");
    if (folder == NULL) return;
    enum sw_status status = list_candidates(&search, folder);
    if (status == SW_OK && search.n > 0 && look_into_all(&search))
        for (size_t i = 0; i < search.n; i++)
            if (!search.segments[i].used)
                (void) unlinkat(dirfd(folder), search.segments[i].name, 0);
    (void) closedir(folder);
    SW_FREE(&search.segments);
}
