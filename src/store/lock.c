/* STORE.lock: one writer per store, and a heartbeat for `status`.
 * The file appears whole (written under another name), is rewritten in place, and belongs to whoever holds
 * the inode that the name leads to. A dead owner's lock is replaced by a rename under flock of the old
 * inode, so that of several takers one wins and the others see a living lock. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_internal.h"
#include "sweepstake/memory.h"

#define LOCK_BYTES 512
#define BEAT_SECONDS 0.9  /* the owner's loop comes by once per second */
#define WATCH_SECONDS 2.0 /* two beats */
#define TRIES 16          /* a taker starts again when another one was faster */

/* A process as others can recognise it: pids are reused, and mean nothing in another pid namespace
 * or after a reboot. */
struct process_mark {
    char boot[40];       /* boot id */
    char name_space[40]; /* "pid:[4026531836]" */
    char start[24];      /* clock ticks since boot */
};

struct sw_store_lock {
    char *path;
    int fd;
    pid_t holder;     /* a forked copy does not hold the lock */
    double last_beat; /* monotonic */
    struct sw_store_lock_info info;
    struct process_mark mark;
};

/* ---- processes ------------------------------------------------------------------------------ */

/* First line of a small file under /proc; "" when it cannot be read. */
static void read_line(const char *path, char *out, size_t size) {
    memset(out, 0, size);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t got = read(fd, out, size - 1);
    (void) close(fd);
    out[got > 0 ? got : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

/* Start time of a process: field 22 of its stat line. The name in field 2 may hold blanks and
 * parentheses, so fields are counted from its end. A zombie does not count as running. */
static bool read_start(int64_t pid, char out[24]) {
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    read_line(path, line, sizeof line);
    const char *field = strrchr(line, ')');
    if (field == NULL || field[1] != ' ' || field[2] == 'Z' || field[2] == 'X') return false;
    for (int i = 2; i < 22 && field != NULL; i++)
        field = strchr(field + 1, ' ');
    if (field == NULL) return false;
    size_t digits = strspn(field + 1, "0123456789");
    if (digits == 0 || digits >= 24) return false;
    memcpy(out, field + 1, digits);
    out[digits] = '\0';
    return true;
}

static void mark_process(int64_t pid, struct process_mark *out) {
    memset(out, 0, sizeof *out);
    read_line("/proc/sys/kernel/random/boot_id", out->boot, sizeof out->boot);
    ssize_t got = readlink("/proc/self/ns/pid", out->name_space, sizeof out->name_space - 1);
    out->name_space[got > 0 ? got : 0] = '\0';
    (void) read_start(pid, out->start);
}

/* False when the owner is certainly gone; true also when that cannot be seen from here. */
static bool may_run(const struct sw_store_lock_info *info, const struct process_mark *mark) {
    char host[64] = "";
    struct process_mark now;
    (void) gethostname(host, sizeof host - 1);
    if (strcmp(host, info->host) != 0) return true;
    mark_process(info->pid, &now);
    if (strcmp(now.boot, mark->boot) != 0) return false;
    if (strcmp(now.name_space, mark->name_space) != 0) return true;
    return now.start[0] != '\0' && strcmp(now.start, mark->start) == 0;
}

/* ---- text ----------------------------------------------------------------------------------- */

/* "key value" lines, filled up with newlines to a fixed size so that a beat replaces every byte. */
static void print_lock(const struct sw_store_lock *lock, char out[LOCK_BYTES]) {
    const struct sw_store_lock_info *info = &lock->info;
    memset(out, '\n', LOCK_BYTES);
    int length = snprintf(
        out, LOCK_BYTES,
        "host %s\npid %" PRId64 "\njob %s\nstarted %.3f\nheartbeat %.3f\n"
        "rounds_done %" PRId64 "\nworkers %" PRId64 "\nboot %s\nnamespace %s\nstart %s\n",
        info->host, info->pid, info->job, info->started, info->heartbeat, info->rounds_done,
        info->workers, lock->mark.boot, lock->mark.name_space, lock->mark.start);
    if (length < LOCK_BYTES) out[length] = '\n';
}

static void take_line(const char *key, const char *value, struct sw_store_lock_info *info,
                      struct process_mark *mark) {
    const struct {
        const char *key;
        char *text;
        size_t size;
        int64_t *whole;
        double *real;
    } fields[] = {{"host", info->host, sizeof info->host, NULL, NULL},
                  {"job", info->job, sizeof info->job, NULL, NULL},
                  {"boot", mark->boot, sizeof mark->boot, NULL, NULL},
                  {"namespace", mark->name_space, sizeof mark->name_space, NULL, NULL},
                  {"start", mark->start, sizeof mark->start, NULL, NULL},
                  {"pid", NULL, 0, &info->pid, NULL},
                  {"rounds_done", NULL, 0, &info->rounds_done, NULL},
                  {"workers", NULL, 0, &info->workers, NULL},
                  {"started", NULL, 0, NULL, &info->started},
                  {"heartbeat", NULL, 0, NULL, &info->heartbeat}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcmp(fields[i].key, key) != 0) continue;
        if (fields[i].text != NULL) sw_text_copy(fields[i].text, fields[i].size, value);
        if (fields[i].whole != NULL) (void) sw_text_to_int(value, fields[i].whole);
        if (fields[i].real != NULL) (void) sw_text_to_real(value, fields[i].real);
    }
}

/* Anything may stand in the file; what cannot be read stays empty, and a file without a heartbeat
 * counts from its last change. */
static void parse_lock(char *bytes, const struct stat *file, struct sw_store_lock_info *info,
                       struct process_mark *mark) {
    char *rest = NULL;
    memset(info, 0, sizeof *info);
    memset(mark, 0, sizeof *mark);
    for (char *line = strtok_r(bytes, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *blank = strchr(line, ' ');
        if (blank == NULL) continue;
        *blank = '\0';
        take_line(line, blank + 1, info, mark);
    }
    if (info->heartbeat == 0)
        info->heartbeat = (double) file->st_mtim.tv_sec + (double) file->st_mtim.tv_nsec * 1e-9;
}

static enum sw_status read_lock(int fd, const char *path, struct sw_store_lock_info *info,
                                struct process_mark *mark) {
    char bytes[LOCK_BYTES + 1];
    struct stat file;
    ssize_t got = pread(fd, bytes, LOCK_BYTES, 0);
    if (got < 0 || fstat(fd, &file) != 0) return SW_FAIL(SW_IO, "%s: %s", path, strerror(errno));
    bytes[got] = '\0';
    parse_lock(bytes, &file, info, mark);
    return SW_OK;
}

static enum sw_status write_lock(struct sw_store_lock *lock, int fd) {
    char bytes[LOCK_BYTES];
    lock->info.heartbeat = sw_clock_wall();
    print_lock(lock, bytes);
    return sw_file_pwrite(fd, bytes, sizeof bytes, 0, lock->path);
}

/* True when the name still leads to this descriptor's file. */
static bool is_named(int fd, const char *path) {
    struct stat mine, named;
    return fstat(fd, &mine) == 0 && stat(path, &named) == 0 && mine.st_ino == named.st_ino &&
           mine.st_dev == named.st_dev;
}

/* ---- is the owner alive? ------------------------------------------------------------------- */

/* Look whether the owner still writes. Asks no clock but ours: clocks of two hosts differ, and a clock may
 * jump. The file is opened anew each time, because network file systems look again only then. */
static bool is_beating(const char *path, const struct sw_store_lock_info *info) {
    double end = sw_clock_monotonic() + WATCH_SECONDS;
    bool changed = false;
    while (!changed && sw_clock_monotonic() < end) {
        struct sw_store_lock_info now = {0};
        struct process_mark mark;
        sw_clock_sleep(0.1);
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0) return false;
        changed = read_lock(fd, path, &now, &mark) == SW_OK && now.heartbeat != info->heartbeat;
        (void) close(fd);
    }
    return changed;
}

/* A heartbeat of long ago or of the future may come from another clock. */
static bool is_odd(const struct sw_store_lock_info *info) {
    return !(fabs(sw_clock_wall() - info->heartbeat) <= SW_LOCK_STALE_SECONDS);
}

static bool is_alive(const char *path, const struct sw_store_lock_info *info,
                     const struct process_mark *mark) {
    return may_run(info, mark) && (!is_odd(info) || is_beating(path, info));
}

/* ---- take ----------------------------------------------------------------------------------- */

static enum sw_status refuse(const char *path, const struct sw_store_lock_info *owner) {
    char ago[64], seconds[24], host[64] = "", hint[64] = "";
    double age = sw_clock_wall() - owner->heartbeat;
    (void) sw_text_seconds(seconds, sizeof seconds, fabs(age));
    if (is_odd(owner))
        (void) snprintf(ago, sizeof ago, "beating, with a clock %s %s", seconds,
                        age > 0 ? "behind" : "ahead");
    else
        (void) snprintf(ago, sizeof ago, "last beat %s ago", age > 0 ? seconds : "0 s");
    /* Of another host only the heartbeat tells that a process is gone. */
    (void) gethostname(host, sizeof host - 1);
    if (strcmp(host, owner->host) != 0)
        (void) snprintf(hint, sizeof hint, "; if it was killed, try again in %g s",
                        SW_LOCK_STALE_SECONDS);
    return SW_FAIL(SW_IO,
                   "%s: the store is in use by host %s, pid %" PRId64
                   "%s%s, %s; wait for it to end, or stop it%s",
                   path, owner->host[0] != '\0' ? owner->host : "?", owner->pid,
                   owner->job[0] != '\0' ? ", job " : "", owner->job, ago, hint);
}

/* Replace a dead owner's lock by ours; *done false when another taker was faster. */
static enum sw_status replace_dead(const struct sw_store_lock *lock, const char *ours, bool *done) {
    struct sw_store_lock_info owner = {0};
    struct process_mark mark = {0};
    int old = open(lock->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (old < 0)
        return errno == ENOENT ? SW_OK : SW_FAIL(SW_IO, "%s: %s", lock->path, strerror(errno));
    enum sw_status status;
    /* Without flock on this file system two takers in the same instant are not told apart. */
    while (flock(old, LOCK_EX) != 0 && errno == EINTR)
        continue;
    SW_TRY_TO(read_lock(old, lock->path, &owner, &mark), status, cleanup);
    if (!is_named(old, lock->path)) goto cleanup;
    if (is_alive(lock->path, &owner, &mark)) {
        status = refuse(lock->path, &owner);
        goto cleanup;
    }
    if (rename(ours, lock->path) == 0)
        *done = true;
    else
        status = SW_FAIL(SW_IO, "%s: cannot take over: %s", lock->path, strerror(errno));
cleanup:
    (void) close(old);
    return status;
}

/* Give our file the lock's name: a free one, or that of a dead owner. */
static enum sw_status put_lock(const struct sw_store_lock *lock, const char *ours) {
    bool done = false;
    for (int i = 0; i < TRIES && !done; i++) {
        if (sw_store_rename_to_free(ours, lock->path) == 0) return SW_OK;
        if (errno != EEXIST)
            return SW_FAIL(SW_IO, "%s: cannot create: %s", lock->path, strerror(errno));
        SW_TRY(replace_dead(lock, ours, &done));
    }
    if (done) return SW_OK;
    return SW_FAIL(SW_IO, "%s: others take and leave it all the time", lock->path);
}

static enum sw_status make_lock(struct sw_store_lock *lock) {
    char suffix[32];
    char *ours;
    snprintf(suffix, sizeof suffix, ".%ld.tmp", (long) getpid());
    SW_TRY(sw_store_join(lock->path, suffix, &ours));
    (void) unlink(ours);
    enum sw_status status = SW_OK;
    lock->fd = open(ours, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (lock->fd < 0)
        status = SW_FAIL(SW_IO, "%s: cannot create the lock of the store: %s", lock->path,
                         strerror(errno));
    if (status == SW_OK) status = write_lock(lock, lock->fd);
    if (status == SW_OK) status = put_lock(lock, ours);
    if (status != SW_OK) (void) unlink(ours);
    SW_FREE(&ours);
    return status;
}

static void drop_lock(struct sw_store_lock **lock_at) {
    if ((*lock_at)->fd >= 0) (void) close((*lock_at)->fd);
    SW_FREE(&(*lock_at)->path);
    SW_FREE(lock_at);
}

enum sw_status sw_store_lock_take(const char *store_path, struct sw_store_lock **out) {
    struct sw_store_lock *lock;
    const char *job = getenv("SLURM_JOB_ID");
    SW_TRY(SW_ALLOC(&lock, 1, "a lock"));
    lock->fd = -1;
    lock->holder = getpid();
    lock->info.pid = getpid();
    lock->info.started = sw_clock_wall();
    lock->last_beat = sw_clock_monotonic();
    (void) gethostname(lock->info.host, sizeof lock->info.host - 1);
    SW_TEXT_COPY(lock->info.job, job != NULL ? job : "");
    mark_process(lock->info.pid, &lock->mark);
    enum sw_status status = sw_store_join(store_path, ".lock", &lock->path);
    if (status == SW_OK) status = make_lock(lock);
    if (status == SW_OK)
        *out = lock;
    else
        drop_lock(&lock);
    return status;
}

/* ---- hold and release ----------------------------------------------------------------------- */

bool sw_store_lock_is_held(const struct sw_store_lock *lock) {
    return lock->holder == getpid() && is_named(lock->fd, lock->path);
}

enum sw_status sw_store_lock_beat(struct sw_store_lock *lock, int64_t rounds_done,
                                  int64_t workers) {
    double now = sw_clock_monotonic();
    lock->info.rounds_done = rounds_done;
    lock->info.workers = workers;
    if (now - lock->last_beat < BEAT_SECONDS) return SW_OK;
    if (!sw_store_lock_is_held(lock))
        return SW_FAIL(SW_IO, "%s: the lock was taken over by another run; this one has to stop",
                       lock->path);
    lock->last_beat = now;
    return write_lock(lock, lock->fd);
}

/* Under flock, so that a taker that is replacing us does not lose its file to our unlink. */
void sw_store_lock_release(struct sw_store_lock **lock_at) {
    struct sw_store_lock *lock = *lock_at;
    if (lock == NULL) return;
    if (lock->holder == getpid()) {
        while (flock(lock->fd, LOCK_EX) != 0 && errno == EINTR)
            continue;
        if (is_named(lock->fd, lock->path)) (void) unlink(lock->path);
    }
    drop_lock(lock_at);
}

enum sw_status sw_store_lock_peek(const char *store_path, struct sw_store_lock_info *out,
                                  bool *alive) {
    struct sw_store_lock_info info = {0};
    struct process_mark mark = {0};
    char *path;
    SW_TRY(sw_store_join(store_path, ".lock", &path));
    enum sw_status status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0)
        status = read_lock(fd, path, &info, &mark);
    else
        status = SW_FAIL(errno == ENOENT ? SW_NOT_FOUND : SW_IO, "%s: %s", path, strerror(errno));
    if (fd >= 0) (void) close(fd);
    if (status != SW_OK) goto cleanup;
    *alive = is_alive(path, &info, &mark);
    *out = info;
cleanup:
    SW_FREE(&path);
    return status;
}
