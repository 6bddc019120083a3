/* A small finished store with damage. The input is a list of edits rather than the file, so that seeds stay
 * small and every byte of an input counts:
 *     flags (one byte, below), then edits: where (u8), offset (u16), how (u8), bytes
 * Without SEAL_* flags every damage has to be noticed, and blamed on the right round. With them the
 * checksums are made to fit again, and the readers behind them have to stand what they find. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_image.h"
#include "support.h"
#include "sweepstake/memory.h"

#define SEAL_BLOCK 0x01
#define SEAL_COMMITS 0x02
#define SEAL_SECTIONS 0x04
#define EXPORT 0x08    /* also export a ticket: slow */
#define LOCK 0x10      /* the rest is no edits but the store's lock file */
#define FIRST_ROW 0x20 /* the bits from here on: which ticket */

#define WHERE_BLOCK SW_SET_COUNT        /* below: a dataset */
#define WHERE_FILE (SW_SET_COUNT + 1)   /* any byte */
#define WHERE_LENGTH (SW_SET_COUNT + 2) /* cut, or made longer */
#define WHERE_COUNT (SW_SET_COUNT + 3)
#define HOW_NUMBER 0x80 /* an aligned 8-byte number; else up to 15 bytes */

#define SPARE 256 /* bytes that a file may grow by */

static struct image image;
static uint8_t *damaged; /* [image.length + SPARE] */
static size_t damaged_length;
static char path[320], out_path[320], lock_path[320];
static struct sw_digest whole_digest;
static struct sw_store *whole; /* opened while it was undamaged */
static bool with_structure;    /* HDF5's own metadata may be damaged behind a fitting checksum */

/* The linker puts these in the place of the functions that they are named after (Makefile). */
void __wrap_sw_clock_sleep(double seconds);
double __wrap_sw_clock_monotonic(void);
enum sw_status __wrap_sw_store_find_places(struct sw_store *store);
enum sw_status __real_sw_store_find_places(struct sw_store *store);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void) argc, (void) argv;
    snprintf(path, sizeof path, "%s/store.h5", fuzz_folder());
    snprintf(out_path, sizeof out_path, "%s/ticket.h5", fuzz_folder());
    snprintf(lock_path, sizeof lock_path, "%s/store.h5.lock", fuzz_folder());
    image_make(path, &image);
    FUZZ_PROMISE(SW_ALLOC(&damaged, image.length + SPARE, "the damaged file") == SW_OK);
    FUZZ_PROMISE(sw_store_open(path, SW_STORE_READ, &whole) == SW_OK);
    FUZZ_PROMISE(sw_store_digest(whole, &whole_digest) == SW_OK);
    with_structure = getenv("FUZZ_HDF5") != NULL;
    return 0;
}

/* ---- what stands in for slower things ------------------------------------------------------- */

/* A clock that goes on only while somebody sleeps: watching whether a strange heartbeat changes takes two
 * seconds of it, and none of ours. */
static double slept;

void __wrap_sw_clock_sleep(double seconds) {
    if (seconds > 0) slept += seconds;
}
double __wrap_sw_clock_monotonic(void) {
    return slept;
}

/* HDF5 is asked where the datasets stand only when it would see other bytes than it saw in the undamaged
 * file: its own metadata, or the user block (the two checksums at the block's end apart, which are ours).
 * Equal bytes give equal answers, and HDF5 takes more time than everything else together. */
static bool does_hdf5_see_damage(void) {
    if (damaged_length != image.length ||
        memcmp(damaged, image.bytes, offsetof(struct sw_block, outside)) != 0)
        return true;
    for (const struct image_run *run = image.run; run < image.run + image.n_runs; run++)
        if (run->part == IMAGE_STRUCTURE &&
            memcmp(damaged + run->offset, image.bytes + run->offset, run->bytes) != 0)
            return true;
    return false;
}

enum sw_status __wrap_sw_store_find_places(struct sw_store *store) {
    if (whole == NULL || does_hdf5_see_damage()) return __real_sw_store_find_places(store);
    memcpy(store->place, whole->place, sizeof store->place);
    memcpy(store->sweep, whole->sweep, sizeof store->sweep);
    memcpy(store->plan_digest, whole->plan_digest, sizeof store->plan_digest);
    store->sizes = whole->sizes;
    store->identity = whole->identity;
    return SW_OK;
}

/* ---- damage --------------------------------------------------------------------------------- */

static void edit_length(uint64_t offset) {
    damaged_length = (offset & 1) != 0 ? image.length + offset % SPARE
                                       : offset * 2 % (image.length + 1);
}

static void edit(struct fuzz_input *input) {
    int where = fuzz_take_u8(input) % WHERE_COUNT;
    size_t offset = fuzz_take_number(input, 2), start = 0, room = image.length, got;
    uint8_t how = fuzz_take_u8(input);
    if (where == WHERE_LENGTH) {
        edit_length(offset);
        return;
    }
    if (where == WHERE_BLOCK) room = SW_BLOCK_BYTES;
    if (where < SW_SET_COUNT) {
        start = (size_t) image.place[where].offset;
        room = image.place[where].bytes;
    }
    if (room < 8) return;
    offset = start + ((how & HOW_NUMBER) != 0 ? offset * 8 : offset) % (room - 7);
    const uint8_t *bytes = fuzz_take_bytes(input, (how & HOW_NUMBER) != 0 ? 8 : how & 15, &got);
    if (got > start + room - offset) got = start + room - offset;
    if (got > 0) memcpy(damaged + offset, bytes, got);
}

/* HDF5 1.10 is known to crash on some damaged metadata; nobody shows it any without the checksum. */
static void restore_structure(void) {
    for (const struct image_run *run = image.run; run < image.run + image.n_runs; run++)
        if (run->part == IMAGE_STRUCTURE)
            memcpy(damaged + run->offset, image.bytes + run->offset, run->bytes);
}

static void make_damage(struct fuzz_input *input, uint8_t flags) {
    memcpy(damaged, image.bytes, image.length);
    memset(damaged + image.length, 0, SPARE);
    damaged_length = image.length;
    while (input->left > 0)
        edit(input);
    image_seal_rounds(&image, damaged, (flags & SEAL_SECTIONS) != 0, (flags & SEAL_COMMITS) != 0);
    if ((flags & SEAL_BLOCK) == 0) return;
    if (!with_structure) restore_structure();
    image_seal_block(damaged, damaged_length);
}

static bool is_fixed_part_changed(void) {
    if (damaged_length != image.length) return true;
    for (const struct image_run *run = image.run; run < image.run + image.n_runs; run++)
        if (run->part != IMAGE_SLAB &&
            memcmp(damaged + run->offset, image.bytes + run->offset, run->bytes) != 0)
            return true;
    return false;
}

/* Is any byte changed that the row's commit record accounts for? */
static bool is_round_changed(int64_t row) {
    struct sw_commit commit;
    size_t offset = image_commit(&image, row), bytes;
    memcpy(&commit, image.bytes + offset, sizeof commit);
    if (memcmp(&commit, damaged + offset, sizeof commit) != 0) return true;
    for (int s = 0; s < SW_SECTION_COUNT; s++)
        if (image_section(&image, row, (enum sw_section) s, commit.length[s], &offset, &bytes) &&
            memcmp(image.bytes + offset, damaged + offset, bytes) != 0)
            return true;
    return false;
}

/* ---- reading everything --------------------------------------------------------------------- */

static void read_sections(struct sw_store *store, int64_t row) {
    const struct sw_round_plan *round = sw_store_round(store, row);
    for (int s = 0; s < SW_SECTION_COUNT; s++) {
        size_t capacity = (size_t) round->length[s] * sw_section_element_bytes((enum sw_section) s);
        size_t length = 0;
        uint8_t *bytes;
        FUZZ_PROMISE(capacity <= damaged_length);
        FUZZ_PROMISE(SW_ALLOC(&bytes, capacity, "a section") == SW_OK);
        enum sw_status status = sw_store_read(store, row, (enum sw_section) s, bytes, capacity,
                                              &length);
        if (status == SW_OK)
            FUZZ_PROMISE(length <= capacity);
        else
            fuzz_promise_failure(status, 1U << SW_NOT_FOUND | 1U << SW_DAMAGED);
        SW_FREE(&bytes);
    }
}

static enum sw_round_state check_round(struct sw_store *store, int64_t row) {
    struct sw_round_check shallow, deep;
    struct sw_round_record record;
    FUZZ_PROMISE(sw_store_check_round(store, row, false, &shallow) == SW_OK);
    FUZZ_PROMISE(sw_store_check_round(store, row, true, &deep) == SW_OK);
    FUZZ_PROMISE(shallow.state == deep.state || deep.state == SW_ROUND_DAMAGED);
    FUZZ_PROMISE((deep.detail[0] != '\0') ==
                 (deep.state == SW_ROUND_TORN || deep.state == SW_ROUND_DAMAGED));
    FUZZ_PROMISE(memchr(deep.detail, '\0', sizeof deep.detail) != NULL);
    read_sections(store, row);
    enum sw_status status = sw_store_read_record(store, row, &record);
    if (deep.state == SW_ROUND_COMMITTED) FUZZ_PROMISE(status == SW_OK && record.result.row == row);
    return deep.state;
}

static void look_up_rows(const struct sw_store *store) {
    int64_t n_rounds = sw_store_n_rounds(store);
    for (int64_t trial = -1; trial <= sw_store_n_trials(store); trial++)
        for (int64_t round = -1; round < 8; round++)
            for (int control = 0; control < SW_CONTROL_COUNT; control++) {
                int64_t row = sw_store_row(store, trial, round, (enum sw_control) control);
                FUZZ_PROMISE(row >= -1 && row < n_rounds);
            }
    FUZZ_PROMISE(sw_store_round(store, -1) == NULL && sw_store_round(store, n_rounds) == NULL);
    FUZZ_PROMISE(strlen(sw_store_canonical(store)) + strlen(sw_store_text(store)) < damaged_length);
    FUZZ_PROMISE(strnlen(sw_store_identity(store)->isa, 16) < 16);
}

static void export_ticket(struct sw_store *store, int64_t row) {
    enum sw_status status = sw_store_export(store, row, out_path);
    if (status != SW_OK)
        fuzz_promise_failure(status, 1U << SW_NOT_FOUND | 1U << SW_DAMAGED | 1U << SW_IO);
    FUZZ_PROMISE((unlink(out_path) == 0) == (status == SW_OK));
}

/* `honest`: no checksum was made to fit, so that every damage has to show. */
static void read_store(struct sw_store *store, uint8_t flags) {
    bool honest = (flags & (SEAL_SECTIONS | SEAL_COMMITS | SEAL_BLOCK)) == 0;
    int64_t changed = 0;
    struct sw_digest digest;
    look_up_rows(store);
    for (int64_t row = 0; row < sw_store_n_rounds(store); row++) {
        enum sw_round_state state = check_round(store, row);
        if (!honest) continue;
        bool is_changed = is_round_changed(row);
        changed += is_changed;
        bool bad = state == SW_ROUND_TORN || state == SW_ROUND_DAMAGED;
        FUZZ_PROMISE(bad == is_changed);
        FUZZ_PROMISE(bad || (state == SW_ROUND_MISSING) == (row == IMAGE_MISSING_ROW));
    }
    FUZZ_PROMISE(sw_store_digest(store, &digest) == SW_OK);
    if (honest && changed == 0) FUZZ_PROMISE(sw_digest_equal(digest, whole_digest));
    if ((flags & EXPORT) != 0 && sw_store_n_rounds(store) > 0)
        export_ticket(store, flags / FIRST_ROW % sw_store_n_rounds(store));
}

/* Who may be alive is not replaced, who is gone is. */
static void take_lock(bool alive) {
    struct sw_store_lock *lock = NULL;
    struct sw_store_lock_info info;
    bool ours;
    enum sw_status status = sw_store_lock_take(path, &lock);
    FUZZ_PROMISE(status == (alive ? SW_IO : SW_OK));
    if (status != SW_OK) return;
    FUZZ_PROMISE(sw_store_lock_peek(path, &info, &ours) == SW_OK && ours && info.pid == getpid());
    sw_store_lock_release(&lock);
    FUZZ_PROMISE(access(lock_path, F_OK) != 0);
}

static void look_at_lock(const struct fuzz_input *input) {
    struct sw_store_lock_info info;
    bool alive;
    fuzz_write(lock_path, input->bytes, input->left);
    FUZZ_PROMISE(sw_store_lock_peek(path, &info, &alive) == SW_OK);
    FUZZ_PROMISE(strnlen(info.host, sizeof info.host) < sizeof info.host &&
                 strnlen(info.job, sizeof info.job) < sizeof info.job);
    take_lock(alive);
    (void) unlink(lock_path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = {data, size};
    uint8_t flags = fuzz_take_u8(&input);
    struct sw_store *store = NULL;
    if ((flags & LOCK) != 0) {
        look_at_lock(&input);
        return 0;
    }
    make_damage(&input, flags);
    fuzz_write(path, damaged, damaged_length);
    enum sw_status status = sw_store_open(path, SW_STORE_READ, &store);
    if ((flags & SEAL_BLOCK) == 0)
        FUZZ_PROMISE(status == (is_fixed_part_changed() ? SW_DAMAGED : SW_OK));
    if (status == SW_OK) {
        read_store(store, flags);
    } else {
        fuzz_promise_failure(status, 1U << SW_DAMAGED);
        FUZZ_PROMISE(store == NULL && strstr(sw_status_text(), path) != NULL);
    }
    sw_store_close(&store);
    return 0;
}
