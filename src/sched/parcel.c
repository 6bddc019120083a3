#include "parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sweepstake/text.h"

#define MAGIC 0x31304b4c42575353u /* "SSWBLK01" */
#define ALIGNMENT ((size_t) 64)

static size_t align(size_t bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Sections follow the header. */
static void lay_out(const struct sw_round_plan *plan, struct sw_payload_layout *out) {
    size_t first = align(sizeof(struct sw_parcel_header));
    sw_payload_lay_out(plan, out);
    for (int section = 0; section < SW_SECTION_COUNT; section++)
        out->offset[section] += first;
    out->total = align(out->total + first);
}

static enum sw_status map_memory(int fd, size_t total, struct sw_parcel *out) {
    void *memory = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return SW_FAIL(SW_NOMEM, "cannot map %zu bytes shared with a trainer: %s", total,
                       strerror(errno));
    out->fd = fd;
    out->total = total;
    out->header = memory;
    return SW_OK;
}

enum sw_status sw_parcel_create(const struct sw_parcel_need *need, struct sw_parcel *out) {
    struct sw_parcel parcel;
    struct sw_parcel_need placed = *need;
    lay_out(&need->task->plan, &parcel.layout);
    size_t total = parcel.layout.total;
    for (int64_t i = 0; i < need->n_inputs; i++) {
        placed.input[i].offset = (int64_t) total;
        total += align((size_t) need->input[i].bytes);
    }
    int fd = memfd_create("sweepstake-round", MFD_CLOEXEC);
    if (fd < 0)
        return SW_FAIL(SW_INTERNAL, "cannot make memory to share with a trainer: %s",
                       strerror(errno));
    enum sw_status status = SW_OK;
    int failure = posix_fallocate(fd, 0, (off_t) total);
    if (failure != 0)
        status = SW_FAIL(SW_NOMEM, "cannot have %zu bytes to share with a trainer: %s", total,
                         strerror(failure));
    if (status == SW_OK) status = map_memory(fd, total, &parcel);
    if (status != SW_OK) {
        (void) close(fd);
        return status;
    }
    parcel.header->magic = MAGIC;
    parcel.header->total = (int64_t) total;
    parcel.header->task = *need->task;
    parcel.header->n_inputs = need->n_inputs;
    memcpy(parcel.header->input, placed.input, sizeof placed.input);
    *out = parcel;
    return SW_OK;
}

static enum sw_status check_header(const struct sw_parcel *parcel) {
    const struct sw_parcel_header *header = parcel->header;
    bool fits = header->magic == MAGIC && header->total == (int64_t) parcel->total &&
                parcel->layout.total <= parcel->total && header->n_inputs >= 0 &&
                header->n_inputs <= SW_PARCEL_INPUTS;
    for (int64_t i = 0; fits && i < header->n_inputs; i++)
        fits = header->input[i].offset >= 0 && header->input[i].bytes >= 0 &&
               header->input[i].offset <= header->total - header->input[i].bytes;
    if (fits) return SW_OK;
    return SW_FAIL(SW_INTERNAL, "the memory of a round, %zu bytes, is malformed", parcel->total);
}

enum sw_status sw_parcel_map(int fd, struct sw_parcel *out) {
    struct stat info;
    struct sw_parcel parcel = {.fd = -1};
    enum sw_status status = SW_OK;
    if (fstat(fd, &info) != 0 || info.st_size < (off_t) sizeof(struct sw_parcel_header))
        status = SW_FAIL(SW_INTERNAL, "the memory of a round is too small");
    if (status == SW_OK) status = map_memory(fd, (size_t) info.st_size, &parcel);
    if (status == SW_OK) {
        lay_out(&parcel.header->task.plan, &parcel.layout);
        status = check_header(&parcel);
        if (status != SW_OK) (void) munmap(parcel.header, parcel.total);
    }
    if (status != SW_OK) {
        (void) close(fd);
        return status;
    }
    *out = parcel;
    return SW_OK;
}

void sw_parcel_close(struct sw_parcel *parcel) {
    if (parcel->header != NULL) (void) munmap(parcel->header, parcel->total);
    if (parcel->fd >= 0) (void) close(parcel->fd);
    *parcel = (struct sw_parcel){.fd = -1};
}

void *sw_parcel_input_bytes(const struct sw_parcel *parcel, int64_t index) {
    return (char *) parcel->header + parcel->header->input[index].offset;
}

void *sw_parcel_section(const struct sw_parcel *parcel, enum sw_section section) {
    return (char *) parcel->header + parcel->layout.offset[section];
}

enum sw_status sw_parcel_result(const struct sw_parcel *parcel, int64_t row,
                                const void *bytes[SW_SECTION_COUNT],
                                size_t length[SW_SECTION_COUNT]) {
    for (int section = 0; section < SW_SECTION_COUNT; section++) {
        int64_t used = parcel->header->length[section];
        if (used < 0 || (size_t) used > parcel->layout.bytes[section])
            return SW_FAIL(SW_INTERNAL,
                           "the trainer handed over %lld bytes of %s where %zu have room",
                           (long long) used, sw_section_name((enum sw_section) section),
                           parcel->layout.bytes[section]);
        length[section] = (size_t) used;
        bytes[section] = used > 0 ? sw_parcel_section(parcel, (enum sw_section) section) : NULL;
    }
    const struct sw_round_record *record = sw_parcel_section(parcel, SW_SECTION_RECORD);
    if (length[SW_SECTION_RECORD] != sizeof *record || record->result.row != row)
        return SW_FAIL(SW_INTERNAL, "the trainer handed over no record of row %lld",
                       (long long) row);
    return SW_OK;
}

/* ---- notes ----------------------------------------------------------------------------------- */

void sw_parcel_add_note(struct sw_parcel *parcel, const char *text) {
    struct sw_parcel_header *header = parcel->header;
    int64_t n = atomic_load_explicit(&header->n_notes, memory_order_relaxed);
    if (n < 0 || n >= SW_PARCEL_NOTES) return;
    SW_TEXT_COPY(header->note[n], text);
    atomic_store_explicit(&header->n_notes, n + 1, memory_order_release);
}

bool sw_parcel_note(const struct sw_parcel *parcel, int64_t index, char *out, size_t size) {
    const struct sw_parcel_header *header = parcel->header;
    int64_t n = atomic_load_explicit(&header->n_notes, memory_order_acquire);
    if (index >= n || index >= SW_PARCEL_NOTES) return false;
    size_t length = strnlen(header->note[index], sizeof header->note[index]);
    (void) snprintf(out, size, "%.*s", (int) length, header->note[index]);
    return true;
}
