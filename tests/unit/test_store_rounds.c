/* Rounds go in once, come back the same, and whatever is wrong with one is named. */
#include <fcntl.h>
#include <hdf5.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../support/store_fixture.h"
#include "sweepstake/comm.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

/* ---- commit and read ------------------------------------------------------------------------ */

static void expect_section(struct sw_store *store, const struct sw_small_round *round, int64_t row,
                           enum sw_section section) {
    const char *saved = round->payload.bytes[section];
    size_t expected = round->payload.length[section], length = 999, half = expected / 2;
    char *bytes;
    SW_TEST_OK(SW_ALLOC(&bytes, expected + 64, "a section"));
    SW_TEST_OK(sw_store_read(store, row, section, bytes, expected + 64, &length));
    CU_ASSERT_EQUAL_FATAL(length, expected);
    if (expected > 0) CU_ASSERT_EQUAL(memcmp(bytes, saved, expected), 0);
    SW_TEST_OK(sw_store_read_part(store, row, section, half, bytes, expected - half));
    if (expected > 0) CU_ASSERT_EQUAL(memcmp(bytes, saved + half, expected - half), 0);
    SW_TEST_FAILS(sw_store_read_part(store, row, section, half, bytes, expected + 1), SW_DAMAGED);
    SW_FREE(&bytes);
}

static void sections_read_back_the_same(void) {
    struct fixture fixture;
    set_up(&fixture);
    commit_all(&fixture);
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t row = 0; row < SW_SMALL_ROUNDS; row++) {
            struct sw_small_round round;
            sw_small_round_make(&fixture.sweep, row, SW_SMALL_OK, 0, &round);
            for (int s = 0; s < SW_SECTION_COUNT; s++)
                expect_section(fixture.store, &round, row, (enum sw_section) s);
            sw_small_round_fini(&round);
            expect_state(&fixture, row, SW_ROUND_COMMITTED);
        }
        sw_store_close(&fixture.store); /* and again through a reader */
        SW_TEST_OK(sw_store_open(fixture.path, SW_STORE_READ, &fixture.store));
    }
    tear_down(&fixture);
}

static void parts_are_checked_as_a_whole(void) {
    struct fixture fixture;
    char bytes[8];
    set_up(&fixture);
    commit_all(&fixture);
    flip(&fixture, slab_of(&fixture, 0, SW_SECTION_THETA_K));
    SW_TEST_FAILS(sw_store_read_part(fixture.store, 0, SW_SECTION_THETA_K, 8, bytes, 8),
                  SW_DAMAGED);
    tear_down(&fixture);
}

static void record_reads_back(void) {
    struct fixture fixture;
    struct sw_small_round round;
    struct sw_round_record record;
    set_up(&fixture);
    memset(&record, 7, sizeof record);
    SW_TEST_FAILS(sw_store_read_record(fixture.store, 1, &record), SW_NOT_FOUND);
    CU_ASSERT_EQUAL(record.result.row, 0x0707070707070707);
    commit_all(&fixture);
    sw_small_round_make(&fixture.sweep, 1, SW_SMALL_OK, 0, &round);
    SW_TEST_OK(sw_store_read_record(fixture.store, 1, &record));
    CU_ASSERT_EQUAL(memcmp(&record, &round.record, sizeof record), 0);
    sw_small_round_fini(&round);
    tear_down(&fixture);
}

static void hdf5_reads_what_was_committed(void) {
    struct fixture fixture;
    struct sw_round_record *rows;
    set_up(&fixture);
    commit_all(&fixture);
    sw_store_close(&fixture.store);
    SW_TEST_OK(SW_ALLOC(&rows, SW_SMALL_ROUNDS, "rows"));
    hid_t file = H5Fopen(fixture.path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t set = H5Dopen2(file, "/rounds", H5P_DEFAULT), type = H5Dget_type(set);
    CU_ASSERT_EQUAL_FATAL(H5Tget_size(type), sizeof *rows);
    CU_ASSERT_TRUE(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) >= 0);
    int member = H5Tget_member_index(type, "test_accuracy");
    CU_ASSERT_EQUAL(H5Tget_member_offset(type, (unsigned) member),
                    offsetof(struct sw_round_record, result.test_accuracy));
    for (int64_t row = 0; row < SW_SMALL_ROUNDS; row++) {
        CU_ASSERT_EQUAL(rows[row].result.row, row);
        CU_ASSERT_DOUBLE_EQUAL(rows[row].result.test_accuracy, 0.5 + 0.01 * (double) row, 1e-15);
    }
    H5Tclose(type);
    H5Dclose(set);
    H5Fclose(file);
    SW_FREE(&rows);
    tear_down(&fixture);
}

static void small_buffer_and_bad_row_are_refused(void) {
    struct fixture fixture;
    char bytes[8];
    size_t length = 5;
    struct sw_round_check check;
    set_up(&fixture);
    commit_all(&fixture);
    SW_TEST_FAILS(sw_store_read(fixture.store, 0, SW_SECTION_MASK, bytes, sizeof bytes, &length),
                  SW_INTERNAL);
    CU_ASSERT_EQUAL(length, 5);
    SW_TEST_FAILS(sw_store_check_round(fixture.store, -1, true, &check), SW_INTERNAL);
    SW_TEST_FAILS(sw_store_check_round(fixture.store, SW_SMALL_ROUNDS, true, &check), SW_INTERNAL);
    tear_down(&fixture);
}

static enum sw_status commit_changed(struct fixture *fixture, struct sw_small_round *round) {
    return sw_store_commit(fixture->store, 1, &round->payload, false);
}

static void payloads_that_do_not_fit_are_refused(void) {
    struct fixture fixture;
    struct sw_small_round good, round;
    set_up(&fixture);
    sw_small_round_make(&fixture.sweep, 1, SW_SMALL_OK, 0, &good);
    round = good;
    round.payload.length[SW_SECTION_MASK] += 1;
    SW_TEST_FAILS(commit_changed(&fixture, &round), SW_INTERNAL);
    round = good;
    round.payload.length[SW_SECTION_WEIGHTS] -= 1;
    SW_TEST_FAILS(commit_changed(&fixture, &round), SW_INTERNAL);
    round = good;
    round.payload.bytes[SW_SECTION_MASK] = NULL;
    SW_TEST_FAILS(commit_changed(&fixture, &round), SW_INTERNAL);
    round = good; /* theta0 belongs to row 0 */
    round.payload.bytes[SW_SECTION_THETA0] = round.theta0;
    round.payload.length[SW_SECTION_THETA0] = 4;
    SW_TEST_FAILS(commit_changed(&fixture, &round), SW_INTERNAL);
    round = good;
    round.payload.bytes[SW_SECTION_RECORD] = &round.record;
    round.record.result.row = 3;
    SW_TEST_FAILS(commit_changed(&fixture, &round), SW_INTERNAL);
    round.record.result.row = 1;
    SW_TEXT_COPY(round.record.result.status, "maybe");
    SW_TEST_FAILS(commit_changed(&fixture, &round), SW_INTERNAL);
    round.payload.length[SW_SECTION_RECORD] = 0;
    SW_TEST_FAILS(commit_changed(&fixture, &round), SW_INTERNAL);
    SW_TEST_FAILS(sw_store_commit(fixture.store, SW_SMALL_ROUNDS, &good.payload, false),
                  SW_INTERNAL);
    expect_state(&fixture, 1, SW_ROUND_MISSING);
    sw_store_close(&fixture.store);
    SW_TEST_OK(sw_store_open(fixture.path, SW_STORE_READ, &fixture.store));
    SW_TEST_FAILS(sw_store_commit(fixture.store, 1, &good.payload, false), SW_INTERNAL);
    sw_small_round_fini(&good);
    tear_down(&fixture);
}

static void late_writer_changes_nothing(void) {
    struct fixture fixture;
    struct sw_round_record record;
    set_up(&fixture);
    SW_TEST_OK(commit_kind(&fixture, 0, SW_SMALL_OK, 1));
    SW_TEST_OK(commit_kind(&fixture, 0, SW_SMALL_OK, 2));
    SW_TEST_OK(sw_store_read_record(fixture.store, 0, &record));
    CU_ASSERT_EQUAL(record.measured.rank, 1);
    expect_state(&fixture, 0, SW_ROUND_COMMITTED);
    tear_down(&fixture);
}

static void failed_round_can_succeed_later(void) {
    struct fixture fixture;
    set_up(&fixture);
    SW_TEST_OK(commit_kind(&fixture, 0, SW_SMALL_OK, 0));
    SW_TEST_OK(commit_kind(&fixture, 1, SW_SMALL_FAILED, 0));
    SW_TEST_OK(commit_kind(&fixture, 2, SW_SMALL_FAILED, 0)); /* a control without its mask */
    expect_state(&fixture, 1, SW_ROUND_COMMITTED);
    expect_state(&fixture, 2, SW_ROUND_COMMITTED);
    CU_ASSERT_TRUE(check_row(&fixture, 1, false).failed);
    SW_TEST_OK(commit_kind(&fixture, 1, SW_SMALL_OK, 0));
    expect_state(&fixture, 1, SW_ROUND_COMMITTED);
    CU_ASSERT_FALSE(check_row(&fixture, 1, false).failed);
    tear_down(&fixture);
}

static void rounds_that_are_withdrawn_are_missing(void) {
    struct fixture fixture;
    const int64_t rows[] = {6, 1}, wrong[] = {1, SW_SMALL_ROUNDS};
    set_up(&fixture);
    commit_all(&fixture);
    SW_TEST_FAILS(sw_store_withdraw(fixture.store, wrong, 2), SW_INTERNAL);
    SW_TEST_OK(sw_store_withdraw(fixture.store, rows, 0));
    for (int64_t row = 0; row < SW_SMALL_ROUNDS; row++)
        expect_state(&fixture, row, SW_ROUND_COMMITTED);
    SW_TEST_OK(sw_store_withdraw(fixture.store, rows, 2));
    for (int64_t row = 0; row < SW_SMALL_ROUNDS; row++)
        expect_state(&fixture, row, row == 1 || row == 6 ? SW_ROUND_MISSING : SW_ROUND_COMMITTED);
    SW_TEST_OK(commit_kind(&fixture, 1, SW_SMALL_OK, 0));
    expect_state(&fixture, 1, SW_ROUND_COMMITTED);
    sw_store_close(&fixture.store);
    SW_TEST_OK(sw_store_open(fixture.path, SW_STORE_READ, &fixture.store)); /* header as before */
    tear_down(&fixture);
}

/* As a full disk: no byte can be written where the slab is. */
static void refused_write_commits_nothing(void) {
    struct fixture fixture;
    struct rlimit old, low;
    set_up(&fixture);
    (void) signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = old;
    /* The slab that stands last in the file, so that the others can be written. */
    enum sw_section last = SW_SECTION_MASK;
    for (int s = 0; s < SW_SECTION_COUNT; s++)
        if (fixture.sweep.rounds[1].length[s] > 0 &&
            slab_of(&fixture, 1, (enum sw_section) s) > slab_of(&fixture, 1, last))
            last = (enum sw_section) s;
    low.rlim_cur = (rlim_t) slab_of(&fixture, 1, last) + 16;
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &low), 0);
    enum sw_status status = commit_kind(&fixture, 1, SW_SMALL_OK, 0);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &old), 0);
    CU_ASSERT_EQUAL(status, SW_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), sw_section_name(last)));
    expect_state(&fixture, 1, SW_ROUND_MISSING);
    SW_TEST_OK(commit_kind(&fixture, 0, SW_SMALL_OK, 0));
    SW_TEST_OK(commit_kind(&fixture, 1, SW_SMALL_OK, 0));
    expect_state(&fixture, 1, SW_ROUND_COMMITTED);
    tear_down(&fixture);
}

/* ---- damage --------------------------------------------------------------------------------- */

static void damage_in_any_section_is_named_and_repaired(void) {
    struct fixture fixture;
    char bytes[8192];
    size_t length;
    set_up(&fixture);
    commit_all(&fixture);
    for (int s = 0; s < SW_SECTION_COUNT; s++) {
        int64_t row = s == SW_SECTION_THETA0 ? 2 : s == SW_SECTION_THETA_K ? 0 : 3;
        if (fixture.sweep.rounds[row].length[s] == 0) continue; /* nothing is pruned in trainings */
        size_t used = s == SW_SECTION_ALERTS ? sizeof(struct sw_alert) : 8;
        flip(&fixture, slab_of(&fixture, row, (enum sw_section) s) + (off_t) used - 1);
        struct sw_round_check check = check_row(&fixture, row, true);
        CU_ASSERT_EQUAL(check.state, SW_ROUND_DAMAGED);
        CU_ASSERT_EQUAL(check.section, s);
        CU_ASSERT_PTR_NOT_NULL(strstr(check.detail, sw_section_name((enum sw_section) s)));
        CU_ASSERT_EQUAL(check_row(&fixture, row, false).state, SW_ROUND_COMMITTED);
        SW_TEST_FAILS(
            sw_store_read(fixture.store, row, (enum sw_section) s, bytes, sizeof bytes, &length),
            SW_DAMAGED);
        SW_TEST_OK(commit_kind(&fixture, row, SW_SMALL_OK, 0));
        expect_state(&fixture, row, SW_ROUND_COMMITTED);
    }
    tear_down(&fixture);
}

/* Space behind what was used belongs to nobody. */
static void unused_space_does_not_count(void) {
    struct fixture fixture;
    set_up(&fixture);
    commit_all(&fixture);
    flip(&fixture, slab_of(&fixture, 3, SW_SECTION_ALERTS) + (off_t) sizeof(struct sw_alert));
    expect_state(&fixture, 3, SW_ROUND_COMMITTED);
    tear_down(&fixture);
}

static void torn_commit_is_not_a_commit(void) {
    struct fixture fixture;
    struct sw_round_record record;
    struct sw_digest before, after;
    char half[128];
    set_up(&fixture);
    SW_TEST_OK(commit_kind(&fixture, 0, SW_SMALL_OK, 0));
    SW_TEST_OK(sw_store_digest(fixture.store, &before));
    off_t at = place_of(&fixture, "commits");
    int fd = open(fixture.path, O_RDWR);
    SW_TEST_OK(sw_file_pread(fd, half, sizeof half, at, fixture.path));
    SW_TEST_OK(sw_file_pwrite(fd, half, sizeof half, at + 280, fixture.path));
    close(fd);
    expect_state(&fixture, 1, SW_ROUND_TORN);
    CU_ASSERT_EQUAL(check_row(&fixture, 1, false).state, SW_ROUND_TORN);
    CU_ASSERT_TRUE(check_row(&fixture, 1, false).detail[0] != '\0');
    SW_TEST_FAILS(sw_store_read_record(fixture.store, 1, &record), SW_NOT_FOUND);
    SW_TEST_OK(sw_store_digest(fixture.store, &after));
    CU_ASSERT_TRUE(sw_digest_equal(before, after));
    for (int byte = 0; byte < 280; byte += 5) { /* every field of a good one counts */
        flip(&fixture, at + byte);
        CU_ASSERT_EQUAL(check_row(&fixture, 0, false).state, SW_ROUND_TORN);
        flip(&fixture, at + byte);
    }
    SW_TEST_OK(commit_kind(&fixture, 1, SW_SMALL_OK, 0));
    expect_state(&fixture, 1, SW_ROUND_COMMITTED);
    tear_down(&fixture);
}

static void record_of_another_row_is_torn(void) {
    struct fixture fixture;
    char commit[280];
    set_up(&fixture);
    SW_TEST_OK(commit_kind(&fixture, 0, SW_SMALL_OK, 0));
    off_t at = place_of(&fixture, "commits");
    int fd = open(fixture.path, O_RDWR);
    SW_TEST_OK(sw_file_pread(fd, commit, sizeof commit, at, fixture.path));
    SW_TEST_OK(sw_file_pwrite(fd, commit, sizeof commit, at + 5 * 280, fixture.path));
    close(fd);
    expect_state(&fixture, 5, SW_ROUND_TORN);
    tear_down(&fixture);
}

int main(void) {
    CU_TestInfo rounds[] = {
        {"sections_read_back_the_same", sections_read_back_the_same},
        {"parts_are_checked_as_a_whole", parts_are_checked_as_a_whole},
        {"record_reads_back", record_reads_back},
        {"hdf5_reads_what_was_committed", hdf5_reads_what_was_committed},
        {"small_buffer_and_bad_row_are_refused", small_buffer_and_bad_row_are_refused},
        {"payloads_that_do_not_fit_are_refused", payloads_that_do_not_fit_are_refused},
        {"late_writer_changes_nothing", late_writer_changes_nothing},
        {"failed_round_can_succeed_later", failed_round_can_succeed_later},
        {"rounds_that_are_withdrawn_are_missing", rounds_that_are_withdrawn_are_missing},
        {"refused_write_commits_nothing", refused_write_commits_nothing},
        CU_TEST_INFO_NULL};
    CU_TestInfo damage[] = {{"damage_in_any_section_is_named_and_repaired",
                             damage_in_any_section_is_named_and_repaired},
                            {"unused_space_does_not_count", unused_space_does_not_count},
                            {"torn_commit_is_not_a_commit", torn_commit_is_not_a_commit},
                            {"record_of_another_row_is_torn", record_of_another_row_is_torn},
                            CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"rounds", NULL, NULL, NULL, NULL, rounds},
                             {"damage", NULL, NULL, NULL, NULL, damage},
                             CU_SUITE_INFO_NULL};
    (void) sw_comm_prepare_environment();
    if (sw_comm_init() != SW_OK) return 1;
    int code = sw_test_main("test_store_rounds", suites);
    sw_comm_fini(true, code);
    return code;
}
