/* Checkpoint files: what was written in turn, torn, damaged, of something else, or no file at all. */
#include "../../src/sched/slots.h"
#include "../support/test_main.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../src/sched/parcel.h"
#include "sweepstake/memory.h"
#include "sweepstake/text.h"

#define ROW 7
#define CAPACITY 200

/* ---- a store's folder ---------------------------------------------------------------------- */

static char folder[SW_SLOTS_PATH];
static struct sw_slots slots;
static struct sw_text told;
static const struct sw_digest id = {{1, 2, 3}}, other_id = {{1, 2, 4}};

static void take_note(void *context, const char *text) {
    (void) context;
    SW_TEST_OK(sw_text_add(&told, "%s\n", text));
}

/* Another process: it knows nothing of what was written before. */
static void begin(void) {
    memset(&slots, 0, sizeof slots);
    SW_TEXT_COPY(slots.folder, folder);
    slots.row = ROW;
    slots.tell = take_note;
    sw_text_fini(&told);
}

static void open_folder(void) {
    char store[128];
    (void) snprintf(store, sizeof store, "%s/a.h5", sw_test_folder());
    SW_TEST_OK(sw_slots_folder(store, folder));
    begin();
}

static const char *path_of(const char *name) {
    static char path[SW_SLOTS_PATH + 32];
    (void) snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool exists(const char *name) {
    struct stat info;
    return lstat(path_of(name), &info) == 0;
}

/* `bytes` bytes that tell their step. */
static void save(int64_t step, size_t bytes) {
    char payload[1024];
    memset(payload, (int) step, bytes);
    SW_TEST_OK(sw_slots_save(&slots, id, step, payload, bytes));
}

/* The step whose bytes are loaded, 0 for none; -1 for wrong ones. */
static int64_t load(void) {
    char *payload = NULL;
    size_t bytes = 0;
    begin();
    enum sw_status status = sw_slots_load(&slots, id, CAPACITY, &payload, &bytes);
    if (status != SW_OK) {
        CU_ASSERT_EQUAL(status, SW_NOT_FOUND);
        return 0;
    }
    int64_t step = payload[0];
    for (size_t i = 0; i < bytes; i++)
        if (payload[i] != payload[0]) step = -1;
    SW_FREE(&payload);
    return step;
}

static int64_t count_told(void) {
    int64_t n = 0;
    for (const char *at = sw_text_get(&told); (at = strchr(at, '\n')) != NULL; at++)
        n++;
    return n;
}

static size_t read_file(const char *name, char *out, size_t size) {
    FILE *file = fopen(path_of(name), "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t n = fread(out, 1, size, file);
    (void) fclose(file);
    return n;
}
static void write_file(const char *name, const char *bytes, size_t n) {
    FILE *file = fopen(path_of(name), "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, n, file), n);
    (void) fclose(file);
}

/* ---- whole ones ---------------------------------------------------------------------------- */

static void the_newest_wins(void) {
    open_folder();
    CU_ASSERT_EQUAL(load(), 0);
    CU_ASSERT_EQUAL(count_told(), 0);
    for (int64_t step = 1; step <= 9; step++) {
        save(step, 50 + (size_t) (step % 3) * 40); /* longer and shorter than the one before */
        CU_ASSERT_EQUAL(exists("7.1"), step > 1);
        if (step % 3 != 0) continue;
        CU_ASSERT_EQUAL(load(), step); /* and go on as another process */
        CU_ASSERT_EQUAL(count_told(), 0);
    }
}

/* Another process must not write over the newest one. */
static void a_successor_writes_over_the_older(void) {
    char newest[512], now[512];
    open_folder();
    save(1, 50);
    save(2, 50);
    save(3, 50); /* in 7.0 */
    CU_ASSERT_EQUAL(load(), 3);
    size_t n = read_file("7.0", newest, sizeof newest);
    save(4, 50);
    CU_ASSERT_EQUAL(read_file("7.0", now, sizeof now), n);
    CU_ASSERT_EQUAL(memcmp(now, newest, n), 0);
    CU_ASSERT_EQUAL(load(), 4);
}

static void it_can_be_synced_and_be_empty(void) {
    char *payload = NULL;
    size_t bytes = 1;
    open_folder();
    slots.durable = true;
    SW_TEST_OK(sw_slots_save(&slots, id, 1, "", 0));
    SW_TEST_OK(sw_slots_load(&slots, id, 0, &payload, &bytes));
    CU_ASSERT_EQUAL(bytes, 0);
    SW_FREE(&payload);
    struct stat info;
    CU_ASSERT_EQUAL(stat(path_of("7.0"), &info), 0);
    CU_ASSERT_EQUAL(info.st_size, sw_slots_overhead());
}

static void an_identity_counts_everything(void) {
    struct sw_round_plan plan = {.id = "0123"}, other_plan = {.id = "0124"};
    struct sw_store_identity here = {"avx2", "OpenBLAS 1", "p", "t"}, isa = here, blas = here,
                             table = here;
    isa.isa[0] = 'b';
    blas.openblas[9] = '2';
    table.kernel_table[0] = 'u';
    struct sw_digest same = sw_slots_identify(&plan, &here, "cpu");
    CU_ASSERT_TRUE(sw_digest_equal(same, sw_slots_identify(&plan, &here, "cpu")));
    CU_ASSERT_FALSE(sw_digest_equal(same, sw_slots_identify(&other_plan, &here, "cpu")));
    CU_ASSERT_FALSE(sw_digest_equal(same, sw_slots_identify(&plan, &here, "guard")));
    CU_ASSERT_FALSE(sw_digest_equal(same, sw_slots_identify(&plan, &isa, "cpu")));
    CU_ASSERT_FALSE(sw_digest_equal(same, sw_slots_identify(&plan, &blas, "cpu")));
    CU_ASSERT_FALSE(sw_digest_equal(same, sw_slots_identify(&plan, &table, "cpu")));
    CU_ASSERT_FALSE(sw_digest_equal(sw_slots_join(same, id), sw_slots_join(same, other_id)));
}

/* ---- broken ones --------------------------------------------------------------------------- */

/* Two slots: step 1 in 7.0, step 2 in 7.1. */
static size_t make_two(char *older, char *newer, size_t size) {
    open_folder();
    save(1, 60);
    save(2, 60);
    CU_ASSERT_EQUAL(read_file("7.0", older, size), read_file("7.1", newer, size));
    return (size_t) sw_slots_overhead() + 60;
}

static void a_kill_at_any_byte_leaves_the_other(void) {
    char older[512], newer[512], torn[512];
    size_t n = make_two(older, newer, sizeof older);
    save(3, 60); /* over 7.0 */
    CU_ASSERT_EQUAL(read_file("7.0", newer, sizeof newer), n);
    for (size_t written = 0; written < n; written++) {
        memcpy(torn, older, n); /* the new one over the old one, not finished */
        memcpy(torn, newer, written);
        write_file("7.0", torn, n);
        CU_ASSERT_EQUAL(load(), 2);
        write_file("7.0", newer, written); /* a new file, not finished */
        CU_ASSERT_EQUAL(load(), 2);
        CU_ASSERT_EQUAL(count_told(), 1);
    }
    write_file("7.0", newer, n);
    CU_ASSERT_EQUAL(load(), 3);
}

static void any_flipped_bit_is_found(void) {
    char older[512], newer[512];
    size_t n = make_two(older, newer, sizeof older);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        newer[bit / 8] ^= (char) (1 << bit % 8);
        write_file("7.1", newer, n);
        CU_ASSERT_EQUAL(load(), 1);
        CU_ASSERT_TRUE(count_told() <= 1); /* with fewer steps than the other it is not looked at */
        newer[bit / 8] ^= (char) (1 << bit % 8);
    }
    write_file("7.1", newer, n);
    older[n / 2] ^= 1;
    write_file("7.0", older, n);
    CU_ASSERT_EQUAL(load(), 2);
    newer[n / 2] ^= 1;
    write_file("7.1", newer, n);
    CU_ASSERT_EQUAL(load(), 0); /* both */
    CU_ASSERT_EQUAL(count_told(), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_text_get(&told), "a checkpoint is ignored: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_text_get(&told), "7.1"));
    save(5, 60); /* they are written over */
    CU_ASSERT_EQUAL(load(), 5);
}

/* Whole and with a checksum that matches, but of another round, or of other bits. */
static void what_is_foreign_is_not_taken(void) {
    char *payload = NULL, bytes[512];
    size_t length = 0;
    open_folder();
    save(1, 60);
    SW_TEST_FAILS(sw_slots_load(&slots, other_id, CAPACITY, &payload, &length), SW_NOT_FOUND);
    CU_ASSERT_PTR_NULL(payload);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_text_get(&told), "of another round"));
    size_t n = read_file("7.0", bytes, sizeof bytes);
    write_file("8.1", bytes, n);
    begin();
    slots.row = 8;
    SW_TEST_FAILS(sw_slots_load(&slots, id, CAPACITY, &payload, &length), SW_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_text_get(&told), "of another round"));
}

/* Lengths that would reach far beyond the file or the round, checksum and all. */
static void lengths_are_bounded_by_the_round(void) {
    const int64_t wild[] = {-1, INT64_MIN, INT64_MAX,      (int64_t) 1 << 62,
                            61, 59,        INT64_MAX - 87, (int64_t) 1 << 32};
    char bytes[512];
    open_folder();
    save(1, CAPACITY); /* as much as the round allows */
    CU_ASSERT_EQUAL(load(), 1);
    begin();
    save(2, CAPACITY + 1);
    CU_ASSERT_EQUAL(load(), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_text_get(&told), "201 bytes are too many"));
    begin();
    save(3, 60);
    size_t n = read_file("7.0", bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
        memcpy(bytes + 64, &wild[i], sizeof wild[i]); /* the last field of the header */
        struct sw_digest digest = sw_digest_of(bytes, n - sizeof digest);
        memcpy(bytes + n - sizeof digest, &digest, sizeof digest);
        write_file("7.0", bytes, n);
        CU_ASSERT_EQUAL(load(), 0);
        CU_ASSERT_EQUAL(count_told(), 1);
    }
}

static void what_is_no_file_is_left_alone(void) {
    char target[SW_SLOTS_PATH + 16];
    open_folder();
    CU_ASSERT_EQUAL_FATAL(mkdir(folder, 0755), 0);
    (void) snprintf(target, sizeof target, "%s.precious", folder);
    CU_ASSERT_EQUAL_FATAL(symlink(target, path_of("7.0")), 0);
    CU_ASSERT_EQUAL_FATAL(mkfifo(path_of("7.1"), 0644), 0);
    CU_ASSERT_EQUAL(load(), 0);
    CU_ASSERT_EQUAL(count_told(), 2);
    SW_TEST_FAILS(sw_slots_save(&slots, id, 1, "x", 1), SW_IO);
    slots.next = 1;
    SW_TEST_FAILS(sw_slots_save(&slots, id, 1, "x", 1), SW_IO);
    CU_ASSERT_NOT_EQUAL(access(target, F_OK), 0);
    (void) unlink(path_of("7.0"));
    (void) unlink(path_of("7.1"));
    CU_ASSERT_EQUAL(rmdir(folder), 0);
    FILE *file = fopen(folder, "w"); /* a file where the folder should be */
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    (void) fclose(file);
    CU_ASSERT_EQUAL(load(), 0);
    SW_TEST_FAILS(sw_slots_save(&slots, id, 1, "x", 1), SW_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "a.h5.checkpoints"));
}

/* ---- removal ------------------------------------------------------------------------------- */

static bool is_even(void *context, int64_t row) {
    (void) context;
    return row % 2 == 0;
}
static bool is_any(void *context, int64_t row) {
    (void) context, (void) row;
    return true;
}

static void only_slots_of_finished_rounds_are_removed(void) {
    const char *const names[] = {"0.0",  "0.1", "1.0",  "12.1", "13.1", "12.2",
                                 "x.0",  "12",  "1x.0", ".0",   "-2.0", "99999999999999999999.0",
                                 "4.0.0"};
    const char *const gone[] = {"0.0", "0.1", "12.1"};
    const size_t n = sizeof names / sizeof *names;
    open_folder();
    sw_slots_tidy(folder, is_even, NULL); /* there is none */
    CU_ASSERT_EQUAL_FATAL(mkdir(folder, 0755), 0);
    for (size_t i = 0; i < n; i++)
        write_file(names[i], "x", 1);
    sw_slots_tidy(folder, is_even, NULL);
    for (size_t i = 0; i < n; i++) {
        bool expected = true;
        for (size_t g = 0; g < sizeof gone / sizeof *gone; g++)
            expected &= strcmp(names[i], gone[g]) != 0;
        CU_ASSERT_EQUAL(exists(names[i]), expected);
    }
    sw_slots_tidy(folder, is_any, NULL);
    CU_ASSERT_FALSE(exists("1.0") || exists("13.1"));
    CU_ASSERT_TRUE(exists("x.0") && exists("12"));
}

static void an_empty_folder_is_removed(void) {
    struct stat info;
    open_folder();
    save(1, 10);
    save(2, 10);
    sw_slots_remove(folder, 6);
    CU_ASSERT_TRUE(exists("7.0") && exists("7.1"));
    sw_slots_remove(folder, ROW);
    CU_ASSERT_FALSE(exists("7.0") || exists("7.1"));
    sw_slots_tidy(folder, is_any, NULL);
    CU_ASSERT_NOT_EQUAL(stat(folder, &info), 0);
    CU_ASSERT_EQUAL(load(), 0);
}

static void a_path_that_is_too_long_is_refused(void) {
    char store[2 * SW_SLOTS_PATH], out[SW_SLOTS_PATH];
    memset(store, 'a', sizeof store);
    store[SW_SLOTS_PATH - 13] = '\0'; /* with ".checkpoints" one byte too many */
    SW_TEST_OK(sw_slots_folder(store + 1, out));
    store[SW_SLOTS_PATH - 13] = 'a';
    store[SW_SLOTS_PATH - 12] = '\0';
    SW_TEST_FAILS(sw_slots_folder(store, out), SW_IO);
}

/* ---- notes --------------------------------------------------------------------------------- */

/* From a trainer that may have gone wild. */
static void notes_are_bounded(void) {
    static struct sw_parcel_header header;
    struct sw_parcel parcel = {.header = &header};
    char text[400];
    for (int i = 0; i < SW_PARCEL_NOTES + 3; i++) {
        (void) snprintf(text, sizeof text, "note %d", i);
        sw_parcel_add_note(&parcel, text);
    }
    CU_ASSERT_TRUE(sw_parcel_note(&parcel, SW_PARCEL_NOTES - 1, text, sizeof text));
    CU_ASSERT_STRING_EQUAL(text, "note 7");
    CU_ASSERT_FALSE(sw_parcel_note(&parcel, SW_PARCEL_NOTES, text, sizeof text));
    header.n_notes = INT64_MAX;
    CU_ASSERT_FALSE(sw_parcel_note(&parcel, SW_PARCEL_NOTES, text, sizeof text));
    memset(header.note[3], 'x', sizeof header.note[3]);
    CU_ASSERT_TRUE(sw_parcel_note(&parcel, 3, text, sizeof text));
    CU_ASSERT_EQUAL(strlen(text), sizeof header.note[3]);
    header.n_notes = -5;
    sw_parcel_add_note(&parcel, "no room");
    CU_ASSERT_FALSE(sw_parcel_note(&parcel, 0, text, sizeof text));
}

static int tear_down(void) {
    sw_text_fini(&told);
    return 0;
}

int main(void) {
    static CU_TestInfo whole[] = {
        {"the_newest_wins", the_newest_wins},
        {"a_successor_writes_over_the_older", a_successor_writes_over_the_older},
        {"it_can_be_synced_and_be_empty", it_can_be_synced_and_be_empty},
        {"an_identity_counts_everything", an_identity_counts_everything},
        CU_TEST_INFO_NULL};
    static CU_TestInfo broken[] = {
        {"a_kill_at_any_byte_leaves_the_other", a_kill_at_any_byte_leaves_the_other},
        {"any_flipped_bit_is_found", any_flipped_bit_is_found},
        {"what_is_foreign_is_not_taken", what_is_foreign_is_not_taken},
        {"lengths_are_bounded_by_the_round", lengths_are_bounded_by_the_round},
        {"what_is_no_file_is_left_alone", what_is_no_file_is_left_alone},
        CU_TEST_INFO_NULL};
    static CU_TestInfo removal[] = {
        {"only_slots_of_finished_rounds_are_removed", only_slots_of_finished_rounds_are_removed},
        {"an_empty_folder_is_removed", an_empty_folder_is_removed},
        {"a_path_that_is_too_long_is_refused", a_path_that_is_too_long_is_refused},
        CU_TEST_INFO_NULL};
    static CU_TestInfo notes[] = {{"notes_are_bounded", notes_are_bounded}, CU_TEST_INFO_NULL};
    static CU_SuiteInfo suites[] = {{"whole", NULL, tear_down, NULL, NULL, whole},
                                    {"broken", NULL, tear_down, NULL, NULL, broken},
                                    {"removal", NULL, tear_down, NULL, NULL, removal},
                                    {"notes", NULL, NULL, NULL, NULL, notes},
                                    CU_SUITE_INFO_NULL};
    return sw_test_main("test_slots", suites);
}
