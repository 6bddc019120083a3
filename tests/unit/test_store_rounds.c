/* Rounds go in once, come back the same, and whatever is wrong with one is named. */
#include <fcntl.h>
#include <hdf5.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../support/small_sweep.h"
#include "../support/test_main.h"
#include "../support/store_fixture.h"
#include "sweepstake/comm.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
/* ---- commit and read ------------------------------------------------------------------------ */

static void expect_section(struct sw_store *store, const struct sw_small_round *round, int64_t row,
                           enum sw_section section) {
    size_t expected = round->payload.length[section], length = 999;
    char *bytes;
    SW_TEST_OK(SW_ALLOC(&bytes, expected + 64, "a section"));
    SW_TEST_OK(sw_store_read(store, row, section, bytes, expected + 64, &length));
    CU_ASSERT_EQUAL_FATAL(length, expected);
    if (expected > 0) CU_ASSERT_EQUAL(memcmp(bytes, round->payload.bytes[section], expected), 0);
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

static void parts_read_back_the_same(void) {
    struct fixture fixture;
    struct sw_small_round round;
    float bytes[64];
    set_up(&fixture);
    SW_TEST_FAILS(sw_store_read_part(fixture.store, 0, SW_SECTION_THETA_K, 0, bytes, 4),
                  SW_NOT_FOUND);
    commit_all(&fixture);
    sw_small_round_make(&fixture.sweep, 0, SW_SMALL_OK, 0, &round);
    const size_t total = round.payload.length[SW_SECTION_THETA_K];
    const char *whole = round.payload.bytes[SW_SECTION_THETA_K];
    CU_ASSERT_TRUE_FATAL(total > sizeof bytes);
    const size_t from[] = {0, 4, total / 2, total - 8, total};
    for (int i = 0; i < 5; i++) {
        size_t length = total - from[i] < sizeof bytes ? total - from[i] : sizeof bytes;
        memset(bytes, 7, sizeof bytes);
        SW_TEST_OK(
            sw_store_read_part(fixture.store, 0, SW_SECTION_THETA_K, from[i], bytes, length));
        CU_ASSERT_EQUAL(memcmp(bytes, whole + from[i], length), 0);
        SW_TEST_FAILS(sw_store_read_part(fixture.store, 0, SW_SECTION_THETA_K, from[i], bytes,
                                         total - from[i] + 1),
                      SW_DAMAGED);
    }
    SW_TEST_FAILS(sw_store_read_part(fixture.store, 0, SW_SECTION_THETA_K, SIZE_MAX - 3, bytes, 4),
                  SW_DAMAGED);
    /* A byte that is not asked for is checked, too. */
    flip(&fixture, slab_of(&fixture, 0, SW_SECTION_THETA_K));
    SW_TEST_FAILS(sw_store_read_part(fixture.store, 0, SW_SECTION_THETA_K, total / 2, bytes, 4),
                  SW_DAMAGED);
    sw_small_round_fini(&round);
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
    SW_TEST_OK(sw_file_pwrite(fd, half, sizeof half, at + 256, fixture.path));
    close(fd);
    expect_state(&fixture, 1, SW_ROUND_TORN);
    CU_ASSERT_EQUAL(check_row(&fixture, 1, false).state, SW_ROUND_TORN);
    CU_ASSERT_TRUE(check_row(&fixture, 1, false).detail[0] != '\0');
    SW_TEST_FAILS(sw_store_read_record(fixture.store, 1, &record), SW_NOT_FOUND);
    SW_TEST_OK(sw_store_digest(fixture.store, &after));
    CU_ASSERT_TRUE(sw_digest_equal(before, after));
    for (int byte = 0; byte < 256; byte += 5) { /* every field of a good one counts */
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
    char commit[256];
    set_up(&fixture);
    SW_TEST_OK(commit_kind(&fixture, 0, SW_SMALL_OK, 0));
    off_t at = place_of(&fixture, "commits");
    int fd = open(fixture.path, O_RDWR);
    SW_TEST_OK(sw_file_pread(fd, commit, sizeof commit, at, fixture.path));
    SW_TEST_OK(sw_file_pwrite(fd, commit, sizeof commit, at + 5 * 256, fixture.path));
    close(fd);
    expect_state(&fixture, 5, SW_ROUND_TORN);
    tear_down(&fixture);
}

/* ---- invariants: checksums fit, content does not -------------------------------------------- */

/* Commit a changed copy of row 3 and expect the fault to be named. */
static void expect_fault(struct fixture *fixture, struct sw_small_round *round,
                         enum sw_section section, const char *word) {
    SW_TEST_OK(sw_store_commit(fixture->store, 3, &round->payload, false));
    struct sw_round_check check = check_row(fixture, 3, true);
    if (check.state != SW_ROUND_DAMAGED || check.section != section ||
        strstr(check.detail, word) == NULL)
        fprintf(stderr, "  state %d, section %d: %s\n", (int) check.state, (int) check.section,
                check.detail);
    CU_ASSERT_EQUAL(check.state, SW_ROUND_DAMAGED);
    CU_ASSERT_EQUAL(check.section, section);
    CU_ASSERT_PTR_NOT_NULL(strstr(check.detail, word));
    sw_small_round_fini(round);
    sw_small_round_make(&fixture->sweep, 3, SW_SMALL_OK, 0, round);
}

static void set_up_with_parents(struct fixture *fixture, struct sw_small_round *round) {
    set_up(fixture);
    SW_TEST_OK(commit_kind(fixture, 0, SW_SMALL_OK, 0));
    SW_TEST_OK(commit_kind(fixture, 1, SW_SMALL_OK, 0));
    sw_small_round_make(&fixture->sweep, 3, SW_SMALL_OK, 0, round);
}

static void mask_that_breaks_a_rule_is_named(void) {
    struct fixture fixture;
    struct sw_small_round round, parent;
    set_up_with_parents(&fixture, &round);
    const struct sw_param *fc1 = &fixture.sweep.archs[0].params[0];
    int64_t kept = 0, revived = 0;
    sw_small_round_make(&fixture.sweep, 1, SW_SMALL_OK, 0, &parent);
    while (!sw_mask_get(round.mask, kept))
        kept++;
    while (sw_mask_get(parent.mask, revived))
        revived++;
    CU_ASSERT_TRUE_FATAL(revived < fc1->count);

    sw_mask_clear_bit(round.mask, kept);
    expect_fault(&fixture, &round, SW_SECTION_MASK, "kept");

    sw_mask_clear_bit(round.mask, kept);
    round.mask[revived / 8] |= (uint8_t) (1U << (revived % 8));
    expect_fault(&fixture, &round, SW_SECTION_MASK, "row 1 had removed");

    /* fc2.weight has 48 weights and no spare bits; a longer mask with some is made of conv's. */
    sw_small_round_fini(&parent);
    sw_small_round_fini(&round);
    sw_small_round_make(&fixture.sweep, 5, SW_SMALL_OK, 0, &round);
    const struct sw_param *conv = &fixture.sweep.archs[1].params[0];
    CU_ASSERT_NOT_EQUAL_FATAL(conv->count % 8, 0);
    round.mask[sw_mask_bytes(conv->count) - 1] |= 0x80;
    SW_TEST_OK(sw_store_commit(fixture.store, 5, &round.payload, false));
    struct sw_round_check check = check_row(&fixture, 5, true);
    CU_ASSERT_EQUAL(check.state, SW_ROUND_DAMAGED);
    CU_ASSERT_EQUAL(check.section, SW_SECTION_MASK);
    CU_ASSERT_PTR_NOT_NULL(strstr(check.detail, "unused bits of conv1.weight"));
    sw_small_round_fini(&round);
    tear_down(&fixture);
}

static void parent_that_is_gone_is_not_asked(void) {
    struct fixture fixture;
    set_up(&fixture);
    SW_TEST_OK(commit_kind(&fixture, 3, SW_SMALL_OK, 0));
    SW_TEST_OK(commit_kind(&fixture, 4, SW_SMALL_OK, 0));
    expect_state(&fixture, 3, SW_ROUND_COMMITTED);
    expect_state(&fixture, 4, SW_ROUND_COMMITTED);
    flip(&fixture, slab_of(&fixture, 3, SW_SECTION_MASK));
    expect_state(&fixture, 4, SW_ROUND_COMMITTED);
    tear_down(&fixture);
}

static void sections_that_do_not_fit_together_are_named(void) {
    struct fixture fixture;
    struct sw_small_round round;
    set_up_with_parents(&fixture, &round);
    round.payload.length[SW_SECTION_WEIGHTS] -= sizeof(float);
    expect_fault(&fixture, &round, SW_SECTION_WEIGHTS, "survivors");
    round.payload.length[SW_SECTION_MASK] = 0;
    expect_fault(&fixture, &round, SW_SECTION_MASK, "instead of");
    round.payload.length[SW_SECTION_LAYERS] = 0;
    expect_fault(&fixture, &round, SW_SECTION_LAYERS, "instead of");
    round.layers[1].nnz += 1;
    expect_fault(&fixture, &round, SW_SECTION_LAYERS, "fc2.weight");
    SW_TEXT_COPY(round.layers[0].name, "fc9.weight");
    expect_fault(&fixture, &round, SW_SECTION_LAYERS, "fc1.weight");
    round.payload.length[SW_SECTION_CURVES] -= sizeof(struct sw_curve_point);
    expect_fault(&fixture, &round, SW_SECTION_CURVES, "3 rows");
    round.payload.length[SW_SECTION_ALERTS] = 0;
    expect_fault(&fixture, &round, SW_SECTION_ALERTS, "0 rows");
    sw_small_round_fini(&round);
    tear_down(&fixture);
}

static void record_that_is_wrong_is_named(void) {
    struct fixture fixture;
    struct sw_small_round round;
    set_up_with_parents(&fixture, &round);
    round.record.result.test_accuracy = NAN;
    expect_fault(&fixture, &round, SW_SECTION_RECORD, "no number");
    round.record.result.validation_loss = INFINITY;
    expect_fault(&fixture, &round, SW_SECTION_RECORD, "no number");
    round.record.result.train_accuracy = 1.5;
    expect_fault(&fixture, &round, SW_SECTION_RECORD, "no number");
    round.record.result.sparsity += 0.01;
    expect_fault(&fixture, &round, SW_SECTION_RECORD, "sparsity");
    round.record.result.trial = 1;
    expect_fault(&fixture, &round, SW_SECTION_RECORD, "planned");
    SW_TEXT_COPY(round.record.result.control, "reinit");
    expect_fault(&fixture, &round, SW_SECTION_RECORD, "control");
    round.record.result.prunable -= 1;
    expect_fault(&fixture, &round, SW_SECTION_RECORD, "network");
    sw_small_round_fini(&round);
    tear_down(&fixture);
}

/* ---- digest --------------------------------------------------------------------------------- */

static struct sw_digest digest_of(struct fixture *fixture) {
    struct sw_digest digest;
    SW_TEST_OK(sw_store_digest(fixture->store, &digest));
    return digest;
}

static void digest_is_of_results_only(void) {
    struct fixture a, b;
    set_up(&a);
    set_up(&b);
    struct sw_digest empty = digest_of(&a);
    commit_all(&a);
    for (int64_t row = SW_SMALL_ROUNDS - 1; row >= 0; row--) {
        CU_ASSERT_FALSE(sw_digest_equal(digest_of(&a), digest_of(&b)));
        SW_TEST_OK(commit_kind(&b, row, SW_SMALL_OK, 3 + (int) row));
    }
    CU_ASSERT_TRUE(sw_digest_equal(digest_of(&a), digest_of(&b)));
    CU_ASSERT_FALSE(sw_digest_equal(digest_of(&a), empty));
    struct sw_small_round round;
    sw_small_round_make(&b.sweep, 6, SW_SMALL_OK, 0, &round);
    round.weights[1] = nextafterf(round.weights[1], 1);
    SW_TEST_OK(sw_store_commit(b.store, 6, &round.payload, false));
    CU_ASSERT_FALSE(sw_digest_equal(digest_of(&a), digest_of(&b)));
    sw_small_round_fini(&round);
    tear_down(&a);
    tear_down(&b);
}

/* The formula of the schema, from the rounds themselves. */
static void digest_is_the_documented_one(void) {
    struct fixture fixture;
    struct sw_digest_stream *stream;
    set_up(&fixture);
    SW_TEST_OK(commit_kind(&fixture, 0, SW_SMALL_OK, 0));
    SW_TEST_OK(commit_kind(&fixture, 1, SW_SMALL_FAILED, 0));
    SW_TEST_OK(sw_digest_begin(&stream));
    for (int64_t row = 0; row < SW_SMALL_ROUNDS; row++) {
        int64_t status = row < 2 ? row : -1;
        struct sw_small_round round;
        sw_digest_update(stream, &status, sizeof status);
        if (row >= 2) continue;
        sw_small_round_make(&fixture.sweep, row, row == 0 ? SW_SMALL_OK : SW_SMALL_FAILED, 9,
                            &round);
        for (int s = 0; s < SW_SECTION_RECORD; s++) {
            struct sw_digest sum = sw_digest_of(round.payload.bytes[s], round.payload.length[s]);
            sw_digest_update(stream, &sum, sizeof sum);
        }
        struct sw_digest sum = sw_digest_of(&round.record.result, sizeof round.record.result);
        sw_digest_update(stream, &sum, sizeof sum);
        sw_small_round_fini(&round);
    }
    CU_ASSERT_TRUE(sw_digest_equal(sw_digest_end(&stream), digest_of(&fixture)));
    tear_down(&fixture);
}

int main(void) {
    CU_TestInfo rounds[] = {
        {"sections_read_back_the_same", sections_read_back_the_same},
        {"parts_read_back_the_same", parts_read_back_the_same},
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
    CU_TestInfo invariants[] = {
        {"mask_that_breaks_a_rule_is_named", mask_that_breaks_a_rule_is_named},
        {"parent_that_is_gone_is_not_asked", parent_that_is_gone_is_not_asked},
        {"sections_that_do_not_fit_together_are_named",
         sections_that_do_not_fit_together_are_named},
        {"record_that_is_wrong_is_named", record_that_is_wrong_is_named},
        CU_TEST_INFO_NULL};
    CU_TestInfo digest[] = {{"digest_is_of_results_only", digest_is_of_results_only},
                            {"digest_is_the_documented_one", digest_is_the_documented_one},
                            CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"rounds", NULL, NULL, NULL, NULL, rounds},
                             {"damage", NULL, NULL, NULL, NULL, damage},
                             {"invariants", NULL, NULL, NULL, NULL, invariants},
                             {"digest", NULL, NULL, NULL, NULL, digest},
                             CU_SUITE_INFO_NULL};
    (void) sw_comm_prepare_environment();
    if (sw_comm_init() != SW_OK) return 1;
    int code = sw_test_main("test_store_rounds", suites);
    sw_comm_fini(true, code);
    return code;
}
