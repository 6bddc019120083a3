#include "slots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sweepstake/memory.h"
#include "sweepstake/system.h"
#include "sweepstake/text.h"
#include "sweepstake/version.h"

#define VERSION 1
#define N_SLOTS 2
#define SLOT_PATH (SW_SLOTS_PATH + 32)

static const char magic[8] = "SWCKPT\r\n";

struct slot_header {
    char magic[8];
    int64_t version;
    int64_t header_bytes;
    struct sw_digest id;
    int64_t row, step, serial;
    int64_t bytes; /* of the payload */
};

/* ---- names ----------------------------------------------------------------------------------- */

int64_t sw_slots_overhead(void) {
    return (int64_t) (sizeof(struct slot_header) + sizeof(struct sw_digest));
}

enum sw_status sw_slots_folder(const char *store_path, char out[SW_SLOTS_PATH]) {
    if (snprintf(out, SW_SLOTS_PATH, "%s.checkpoints", store_path) >= SW_SLOTS_PATH)
        return SW_FAIL(SW_IO, "%s: the path is too long", store_path);
    return SW_OK;
}

static const char *name_slot(const char *folder, int64_t row, int slot, char out[SLOT_PATH]) {
    (void) snprintf(out, SLOT_PATH, "%s/%" PRId64 ".%d", folder, row, slot);
    return out;
}

struct sw_digest sw_slots_identify(const struct sw_round_plan *plan,
                                   const struct sw_store_identity *identity, const char *backend) {
    struct {
        char round[40], isa[16], openblas[64], kernel_table[32], program[64], backend[32];
    } all;
    SW_TEXT_COPY(all.round, plan->id);
    SW_TEXT_COPY(all.isa, identity->isa);
    SW_TEXT_COPY(all.openblas, identity->openblas);
    SW_TEXT_COPY(all.kernel_table, identity->kernel_table);
    SW_TEXT_COPY(all.program, sw_version());
    SW_TEXT_COPY(all.backend, backend);
    return sw_digest_of(&all, sizeof all);
}

struct sw_digest sw_slots_join(struct sw_digest identity, struct sw_digest key) {
    const struct sw_digest both[2] = {identity, key};
    return sw_digest_of(both, sizeof both);
}

/* ---- writing --------------------------------------------------------------------------------- */

static enum sw_status sync_folder(const char *folder) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0) (void) close(fd);
    return synced ? SW_OK : SW_FAIL(SW_IO, "%s: cannot sync: %s", folder, strerror(why));
}

/* A link or a pipe in the place of a slot is neither followed nor waited for. */
static enum sw_status open_for_writing(const struct sw_slots *slots, const char *path, int *out) {
    const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int fd = open(path, flags, 0644);
    if (fd < 0 && errno == ENOENT && mkdir(slots->folder, 0755) == 0) fd = open(path, flags, 0644);
    if (fd < 0) return SW_FAIL(SW_IO, "%s: cannot create: %s", path, strerror(errno));
    *out = fd;
    return SW_OK;
}

static enum sw_status seal(const struct slot_header *header, const void *from,
                           struct sw_digest *out) {
    struct sw_digest_stream *stream = NULL;
    SW_TRY(sw_digest_begin(&stream));
    sw_digest_update(stream, header, sizeof *header);
    sw_digest_update(stream, from, (size_t) header->bytes);
    *out = sw_digest_end(&stream);
    return SW_OK;
}

static enum sw_status write_slot(const struct sw_slots *slots, int fd, const char *path,
                                 const struct slot_header *header, const void *from) {
    struct sw_digest digest;
    const off_t payload = sizeof *header, end = payload + (off_t) header->bytes;
    SW_TRY(seal(header, from, &digest));
    SW_TRY(sw_file_pwrite(fd, header, sizeof *header, 0, path));
    SW_TRY(sw_file_pwrite(fd, from, (size_t) header->bytes, payload, path));
    SW_TRY(sw_file_pwrite(fd, &digest, sizeof digest, end, path));
    if (ftruncate(fd, end + (off_t) sizeof digest) != 0)
        return SW_FAIL(SW_IO, "%s: cannot set its length: %s", path, strerror(errno));
    if (slots->durable && fsync(fd) != 0)
        return SW_FAIL(SW_IO, "%s: cannot sync: %s", path, strerror(errno));
    return SW_OK;
}

enum sw_status sw_slots_save(struct sw_slots *slots, struct sw_digest id, int64_t step,
                             const void *from, size_t bytes) {
    char path[SLOT_PATH];
    int fd = -1;
    struct slot_header header = {.version = VERSION,
                                 .header_bytes = sizeof header,
                                 .id = id,
                                 .row = slots->row,
                                 .step = step,
                                 .serial = slots->serial + 1,
                                 .bytes = (int64_t) bytes};
    memcpy(header.magic, magic, sizeof magic);
    (void) name_slot(slots->folder, slots->row, slots->next, path);
    SW_TRY(open_for_writing(slots, path, &fd));
    enum sw_status status = write_slot(slots, fd, path, &header, from);
    if (close(fd) != 0 && status == SW_OK)
        status = SW_FAIL(SW_IO, "%s: cannot write: %s", path, strerror(errno));
    SW_TRY(status);
    if (slots->durable) SW_TRY(sync_folder(slots->folder));
    slots->serial = header.serial;
    slots->next = (slots->next + 1) % N_SLOTS;
    return SW_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct found {
    bool there;
    struct slot_header header;
};

/* Errors: SW_NOT_FOUND, SW_IO. */
static enum sw_status open_for_reading(const char *path, int *out, int64_t *size) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return SW_FAIL(errno == ENOENT ? SW_NOT_FOUND : SW_IO, "cannot open: %s", strerror(errno));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        (void) close(fd);
        return SW_FAIL(SW_IO, "not a regular file");
    }
    *out = fd;
    *size = (int64_t) info.st_size;
    return SW_OK;
}

static enum sw_status check_header(const struct sw_slots *slots, const struct slot_header *header,
                                   struct sw_digest id, size_t capacity, int64_t size) {
    if (memcmp(header->magic, magic, sizeof magic) != 0)
        return SW_FAIL(SW_DAMAGED, "it is no checkpoint");
    if (header->version != VERSION || header->header_bytes != (int64_t) sizeof *header)
        return SW_FAIL(SW_DAMAGED, "its format is %" PRId64 ", not %d", header->version, VERSION);
    if (header->row != slots->row || !sw_digest_equal(header->id, id))
        return SW_FAIL(SW_DAMAGED, "it is of another round, plan, program or processor");
    if (header->bytes < 0 || (uint64_t) header->bytes > capacity)
        return SW_FAIL(SW_DAMAGED, "%" PRId64 " bytes are too many for this round, %zu at most",
                       header->bytes, capacity);
    if (size != sw_slots_overhead() + header->bytes)
        return SW_FAIL(SW_DAMAGED, "it has %" PRId64 " bytes instead of %" PRId64, size,
                       sw_slots_overhead() + header->bytes);
    return SW_OK;
}

/* Does it look like one that can be used? */
static enum sw_status look(const struct sw_slots *slots, const char *path, struct sw_digest id,
                           size_t capacity, struct slot_header *out) {
    int fd = -1;
    int64_t size = 0;
    SW_TRY(open_for_reading(path, &fd, &size));
    enum sw_status status = size < sw_slots_overhead()
                                ? SW_FAIL(SW_DAMAGED, "it has %" PRId64 " bytes only", size)
                                : sw_file_pread(fd, out, sizeof *out, 0, path);
    if (status == SW_OK) status = check_header(slots, out, id, capacity, size);
    (void) close(fd);
    return status;
}

static enum sw_status read_payload(const char *path, const struct slot_header *header, char *out) {
    struct sw_digest stored = {{0}}, found;
    int fd = -1;
    int64_t size = 0;
    const size_t bytes = (size_t) header->bytes;
    SW_TRY(open_for_reading(path, &fd, &size));
    enum sw_status status = sw_file_pread(fd, out, bytes, sizeof *header, path);
    if (status == SW_OK)
        status = sw_file_pread(fd, &stored, sizeof stored, (off_t) (sizeof *header + bytes), path);
    (void) close(fd);
    SW_TRY(status);
    SW_TRY(seal(header, out, &found));
    return sw_digest_equal(stored, found) ? SW_OK
                                          : SW_FAIL(SW_DAMAGED, "its checksum does not match");
}

static enum sw_status read_slot(const char *path, const struct slot_header *header, char **out) {
    char *payload = NULL;
    SW_TRY(SW_ALLOC(&payload, (size_t) header->bytes, "a checkpoint"));
    enum sw_status status = read_payload(path, header, payload);
    if (status != SW_OK) {
        SW_FREE(&payload);
        return status;
    }
    *out = payload;
    return SW_OK;
}

static void tell_ignored(const struct sw_slots *slots, const char *path) {
    char text[SLOT_PATH + 256];
    if (slots->tell == NULL) return;
    (void) snprintf(text, sizeof text, "a checkpoint is ignored: %s (%s)", sw_status_text(), path);
    slots->tell(slots->context, text);
}

static bool is_newer(const struct found *a, const struct found *b) {
    if (a->there != b->there) return a->there;
    if (a->header.step != b->header.step) return a->header.step > b->header.step;
    return a->header.serial > b->header.serial;
}

enum sw_status sw_slots_load(struct sw_slots *slots, struct sw_digest id, size_t capacity,
                             char **out, size_t *bytes) {
    struct found found[N_SLOTS];
    char path[SLOT_PATH];
    memset(found, 0, sizeof found);
    for (int slot = 0; slot < N_SLOTS; slot++) {
        (void) name_slot(slots->folder, slots->row, slot, path);
        enum sw_status status = look(slots, path, id, capacity, &found[slot].header);
        found[slot].there = status == SW_OK;
        if (status != SW_OK && status != SW_NOT_FOUND) tell_ignored(slots, path);
    }
    int first = is_newer(&found[1], &found[0]) ? 1 : 0;
    for (int i = 0; i < N_SLOTS; i++) {
        int slot = (first + i) % N_SLOTS;
        if (!found[slot].there) continue;
        (void) name_slot(slots->folder, slots->row, slot, path);
        if (read_slot(path, &found[slot].header, out) == SW_OK) {
            slots->next = (slot + 1) % N_SLOTS;
            slots->serial = found[slot].header.serial;
            *bytes = (size_t) found[slot].header.bytes;
            return SW_OK;
        }
        tell_ignored(slots, path);
    }
    return SW_FAIL(SW_NOT_FOUND, "no checkpoint of row %" PRId64, slots->row);
}

/* ---- removing -------------------------------------------------------------------------------- */

void sw_slots_remove(const char *folder, int64_t row) {
    char path[SLOT_PATH];
    for (int slot = 0; slot < N_SLOTS; slot++)
        (void) unlink(name_slot(folder, row, slot, path));
}

/* The row of a slot's name; false for names of anything else. */
static bool read_name(const char *name, int64_t *row) {
    char number[24];
    const char *dot = strrchr(name, '.');
    if (dot == NULL || (strcmp(dot, ".0") != 0 && strcmp(dot, ".1") != 0)) return false;
    size_t length = (size_t) (dot - name);
    if (length == 0 || length > 18 || strspn(name, "0123456789") != length) return false;
    memcpy(number, name, length);
    number[length] = '\0';
    return sw_text_to_int(number, row);
}

void sw_slots_tidy(const char *folder, bool (*is_over)(void *context, int64_t row), void *context) {
    DIR *open_folder = opendir(folder);
    if (open_folder == NULL) return;
    const struct dirent *entry;
    /* cppcheck-suppress readdirCalled ; of a stream that no other thread has */
    while ((entry = readdir(open_folder)) != NULL) {
        int64_t row;
        if (read_name(entry->d_name, &row) && is_over(context, row))
            (void) unlinkat(dirfd(open_folder), entry->d_name, 0);
    }
    (void) closedir(open_folder);
    (void) rmdir(folder); /* refused while something is left in it */
}
