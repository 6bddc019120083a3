#include "sweepstake/system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sweepstake/memory.h"

/* ---- clock ---------------------------------------------------------------------------------- */

static double seconds_of(clockid_t clock) {
    struct timespec now;
    (void) clock_gettime(clock, &now);
    return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

double sw_clock_monotonic(void) {
    return seconds_of(CLOCK_MONOTONIC);
}
double sw_clock_wall(void) {
    return seconds_of(CLOCK_REALTIME);
}
double sw_clock_cpu(void) {
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

void sw_clock_sleep(double seconds) {
    if (!(seconds > 0)) return;
    struct timespec wait = {.tv_sec = (time_t) seconds,
                            .tv_nsec = (long) ((seconds - (double) (time_t) seconds) * 1e9)};
    (void) nanosleep(&wait, NULL);
}

/* ---- files ---------------------------------------------------------------------------------- */

enum sw_status sw_file_pread(int fd, void *bytes, size_t length, off_t offset, const char *path) {
    size_t done = 0;
    while (done < length) {
        ssize_t got = pread(fd, (char *) bytes + done, length - done, offset + (off_t) done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return SW_FAIL(SW_IO, "%s: cannot read at byte %lld: %s", path,
                           (long long) offset + (long long) done, strerror(errno));
        if (got == 0)
            return SW_FAIL(SW_IO, "%s: ends at byte %lld, %zu bytes short", path,
                           (long long) offset + (long long) done, length - done);
        done += (size_t) got;
    }
    return SW_OK;
}

enum sw_status sw_file_pwrite(int fd, const void *bytes, size_t length, off_t offset,
                              const char *path) {
    size_t done = 0;
    while (done < length) {
        ssize_t put = pwrite(fd, (const char *) bytes + done, length - done, offset + (off_t) done);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0)
            return SW_FAIL(SW_IO, "%s: cannot write at byte %lld: %s", path,
                           (long long) offset + (long long) done,
                           put < 0 ? strerror(errno) : "nothing was written");
        done += (size_t) put;
    }
    return SW_OK;
}

enum sw_status sw_file_read(const char *path, size_t limit, char **bytes, size_t *length) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return SW_FAIL(SW_IO, "%s: %s", path, strerror(errno));
    char *buffer = NULL;
    struct stat info;
    enum sw_status status = SW_OK;
    if (fstat(fd, &info) != 0) {
        status = SW_FAIL(SW_IO, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(info.st_mode)) {
        status = SW_FAIL(SW_IO, "%s: is not a regular file", path);
    } else if ((uintmax_t) info.st_size > limit) {
        status = SW_FAIL(SW_CONFIG, "%s: has %lld bytes; at most %zu are allowed", path,
                         (long long) info.st_size, limit);
    } else {
        status = SW_ALLOC(&buffer, (size_t) info.st_size + 1, path);
    }
    if (status == SW_OK) status = sw_file_pread(fd, buffer, (size_t) info.st_size, 0, path);
    (void) close(fd);
    if (status != SW_OK) {
        SW_FREE(&buffer);
        return status;
    }
    *bytes = buffer;
    *length = (size_t) info.st_size;
    return SW_OK;
}

enum sw_status sw_file_write(const char *path, const void *bytes, size_t length) {
    char temporary[4096];
    if (snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long) getpid()) >=
        (int) sizeof temporary)
        return SW_FAIL(SW_IO, "%s: the path is too long", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return SW_FAIL(SW_IO, "%s: cannot create: %s", temporary, strerror(errno));
    enum sw_status status = sw_file_pwrite(fd, bytes, length, 0, temporary);
    if (close(fd) != 0 && status == SW_OK)
        status = SW_FAIL(SW_IO, "%s: cannot write: %s", temporary, strerror(errno));
    if (status == SW_OK && rename(temporary, path) != 0)
        status = SW_FAIL(SW_IO, "%s: cannot rename to %s: %s", temporary, path, strerror(errno));
    if (status != SW_OK) (void) unlink(temporary);
    return status;
}

bool sw_file_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

/* ---- processor ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    const char *openblas_core;
} isas[] = {
    [SW_ISA_GENERIC] = {"generic", "Nehalem"},
    [SW_ISA_AVX2] = {"avx2", "Haswell"},
};

const char *sw_isa_name(enum sw_isa isa) {
    return isas[isa].name;
}

const char *sw_isa_openblas_core(enum sw_isa isa) {
    return isas[isa].openblas_core;
}

bool sw_isa_find(const char *name, enum sw_isa *out) {
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        if (strcmp(isas[i].name, name) == 0) {
            *out = (enum sw_isa) i;
            return true;
        }
    }
    return false;
}

enum sw_isa sw_isa_detect(void) {
    enum sw_isa isa = SW_ISA_GENERIC;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) isa = SW_ISA_AVX2;
    enum sw_isa wanted = isa;
    const char *lowered = getenv("SWEEPSTAKE_ISA");
    if (lowered != NULL && sw_isa_find(lowered, &wanted) && wanted < isa) isa = wanted;
    return isa;
}
