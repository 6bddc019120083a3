/* Several ranks write one store, each through its own handle; nothing is lost or torn. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "../support/small_sweep.h"
#include "../support/test_main.h"
#include "sweepstake/comm.h"
#include "sweepstake/system.h"
#include "sweepstake/memory.h"

struct fixture {
    char path[256];
    struct sw_sweep sweep;
    struct sw_store *store;
};

/* Rank 0 creates it, every rank opens it. */
static void set_up(struct fixture *fixture, int64_t scale) {
    struct sw_store_identity identity = sw_small_identity();
    memset(fixture, 0, sizeof *fixture);
    sw_small_sweep(&fixture->sweep, scale, 0.8);
    if (sw_comm_rank() == 0) {
        snprintf(fixture->path, sizeof fixture->path, "%s/store.h5", sw_test_folder());
        SW_TEST_OK(sw_store_create(fixture->path, &fixture->sweep, &identity));
    }
    SW_TEST_OK(sw_comm_broadcast(fixture->path, sizeof fixture->path));
    SW_TEST_OK(sw_store_open(fixture->path, SW_STORE_WRITE, &fixture->store));
}

static void tear_down(struct fixture *fixture) {
    sw_store_close(&fixture->store);
    sw_sweep_fini(&fixture->sweep);
    SW_TEST_OK(sw_comm_node_barrier());
}

static void commit_row(struct fixture *fixture, int64_t row, int place) {
    struct sw_small_round round;
    sw_small_round_make(&fixture->sweep, row, SW_SMALL_OK, place, &round);
    SW_TEST_OK(sw_store_commit(fixture->store, row, &round.payload, row % 2 == 0));
    sw_small_round_fini(&round);
}

static void expect_all_committed(struct sw_store *store) {
    for (int64_t row = 0; row < SW_SMALL_ROUNDS; row++) {
        struct sw_round_check check;
        SW_TEST_OK(sw_store_check_round(store, row, true, &check));
        if (check.state != SW_ROUND_COMMITTED)
            fprintf(stderr, "  row %lld: %s\n", (long long) row, check.detail);
        CU_ASSERT_EQUAL(check.state, SW_ROUND_COMMITTED);
    }
}

static void ranks_fill_one_store(void) {
    struct fixture fixture;
    set_up(&fixture, 30);
    for (int64_t row = 0; row < SW_SMALL_ROUNDS; row++)
        if (row % sw_comm_size() == sw_comm_rank()) commit_row(&fixture, row, sw_comm_rank());
    SW_TEST_OK(sw_comm_node_barrier());
    expect_all_committed(fixture.store); /* through handles that were open all the time */
    sw_store_close(&fixture.store);
    SW_TEST_OK(sw_comm_node_barrier());
    /* The structure is as it was created: the checksums of the open say so. */
    SW_TEST_OK(sw_store_open(fixture.path, SW_STORE_READ, &fixture.store));
    expect_all_committed(fixture.store);
    tear_down(&fixture);
}

static void digest_does_not_depend_on_ranks(void) {
    struct fixture shared, alone;
    struct sw_digest a, b;
    set_up(&shared, 5);
    for (int64_t row = 0; row < SW_SMALL_ROUNDS; row++)
        if (row % sw_comm_size() == sw_comm_rank()) commit_row(&shared, row, sw_comm_rank());
    SW_TEST_OK(sw_comm_node_barrier());
    SW_TEST_OK(sw_store_digest(shared.store, &a));
    tear_down(&shared);
    set_up(&alone, 5);
    if (sw_comm_rank() == 0)
        for (int64_t row = SW_SMALL_ROUNDS - 1; row >= 0; row--)
            commit_row(&alone, row, 9);
    SW_TEST_OK(sw_comm_node_barrier());
    SW_TEST_OK(sw_store_digest(alone.store, &b));
    CU_ASSERT_TRUE(sw_digest_equal(a, b));
    tear_down(&alone);
}

/* A round that was given away because its rank seemed dead comes in from every rank. */
static void late_writers_do_no_harm(void) {
    struct fixture fixture;
    struct sw_round_record record;
    set_up(&fixture, 5);
    if (sw_comm_rank() == 0) commit_row(&fixture, 3, 100);
    SW_TEST_OK(sw_comm_node_barrier());
    commit_row(&fixture, 3, sw_comm_rank());
    SW_TEST_OK(sw_comm_node_barrier());
    SW_TEST_OK(sw_store_read_record(fixture.store, 3, &record));
    CU_ASSERT_EQUAL(record.measured.rank, 100);
    tear_down(&fixture);
}

/* All ranks begin within microseconds of each other. */
static void start_together(void) {
    double begin = sw_clock_monotonic() + 0.005;
    SW_TEST_OK(sw_comm_broadcast(&begin, sizeof begin));
    while (sw_clock_monotonic() < begin)
        continue;
}

/* The same round from every rank at once: whichever times stay, its records fit each other. */
static void writers_at_the_same_time_do_no_harm(void) {
    struct fixture fixture;
    const int64_t row = 3;
    set_up(&fixture, 5);
    for (int i = 0; i < 100; i++) {
        if (sw_comm_rank() == 0) SW_TEST_OK(sw_store_withdraw(fixture.store, &row, 1));
        SW_TEST_OK(sw_comm_node_barrier());
        start_together();
        commit_row(&fixture, row, sw_comm_rank());
        SW_TEST_OK(sw_comm_node_barrier());
        struct sw_round_check check;
        SW_TEST_OK(sw_store_check_round(fixture.store, row, true, &check));
        CU_ASSERT_EQUAL(check.state, SW_ROUND_COMMITTED);
        SW_TEST_OK(sw_comm_node_barrier());
    }
    tear_down(&fixture);
}

/* Write calls of this process so far; -1 when the system does not tell. */
static int64_t count_writes(void) {
    FILE *file = fopen("/proc/self/io", "r");
    char line[128];
    int64_t count = -1;
    if (file == NULL) return -1;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "syscw: ", 7) == 0) count = strtoll(line + 7, NULL, 10);
    fclose(file);
    return count;
}

/* No data sieving, no chunking, no second copy. Other threads of MPI may write too: the least count
 * of several commits is ours. */
static void every_slab_is_one_write(void) {
    struct fixture fixture;
    int64_t least = INT64_MAX;
    set_up(&fixture, 200); /* fc1 of 1200 x 1800: slabs of megabytes */
    for (int64_t row = 0; row < 5; row++) {
        struct sw_small_round round;
        if (sw_comm_rank() != 0) continue;
        sw_small_round_make(&fixture.sweep, row, SW_SMALL_OK, 0, &round);
        int64_t slabs = 1; /* the commit record */
        for (int s = 0; s < SW_SECTION_COUNT; s++)
            slabs += round.payload.length[s] > 0;
        int64_t before = count_writes();
        SW_TEST_OK(sw_store_commit(fixture.store, row, &round.payload, false));
        int64_t writes = count_writes() - before;
        if (before >= 0) {
            CU_ASSERT_TRUE(writes >= slabs);
            if (writes - slabs < least) least = writes - slabs;
        }
        sw_small_round_fini(&round);
    }
    if (least != INT64_MAX) CU_ASSERT_EQUAL(least, 0);
    tear_down(&fixture);
}

/* How many names appeared since the watch began. */
static int count_new_names(int watch) {
    char events[4096];
    int names = 0;
    ssize_t got;
    while ((got = read(watch, events, sizeof events)) > 0)
        for (ssize_t at = 0; at < got; names++)
            at += (ssize_t) (sizeof(struct inotify_event) +
                             ((struct inotify_event *) (void *) (events + at))->len);
    return names;
}

/* Not even for a moment: folders of thousands of stores are watched and copied. */
static void opening_makes_no_other_file(void) {
    struct fixture fixture;
    struct sw_store *again = NULL;
    set_up(&fixture, 1);
    char *slash = strrchr(fixture.path, '/');
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    SW_TEST_OK(sw_comm_node_barrier());
    *slash = '\0';
    int added = inotify_add_watch(watch, fixture.path, IN_CREATE | IN_MOVED_TO);
    *slash = '/';
    SW_TEST_OK(sw_comm_node_barrier());
    SW_TEST_OK(sw_store_open(fixture.path, SW_STORE_WRITE, &again));
    sw_store_close(&again);
    SW_TEST_OK(sw_comm_node_barrier());
    if (added >= 0) CU_ASSERT_EQUAL(count_new_names(watch), 0);
    (void) close(watch);
    tear_down(&fixture);
}

static void nothing_is_left_beside_the_store(void) {
    struct fixture fixture;
    set_up(&fixture, 1);
    commit_row(&fixture, sw_comm_rank() % SW_SMALL_ROUNDS, 0);
    sw_store_close(&fixture.store);
    SW_TEST_OK(sw_comm_node_barrier());
    char *slash = strrchr(fixture.path, '/');
    *slash = '\0';
    DIR *folder = opendir(fixture.path);
    int entries = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) entries++;
    closedir(folder);
    CU_ASSERT_EQUAL(entries, 1);
    tear_down(&fixture);
}

int main(void) {
    CU_TestInfo ranks[] = {
        {"ranks_fill_one_store", ranks_fill_one_store},
        {"digest_does_not_depend_on_ranks", digest_does_not_depend_on_ranks},
        {"late_writers_do_no_harm", late_writers_do_no_harm},
        {"writers_at_the_same_time_do_no_harm", writers_at_the_same_time_do_no_harm},
        {"every_slab_is_one_write", every_slab_is_one_write},
        {"opening_makes_no_other_file", opening_makes_no_other_file},
        {"nothing_is_left_beside_the_store", nothing_is_left_beside_the_store},
        CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"ranks", NULL, NULL, NULL, NULL, ranks}, CU_SUITE_INFO_NULL};
    (void) sw_comm_prepare_environment();
    if (sw_comm_init() != SW_OK) return 1;
    int code = sw_test_main_mpi("test_store_mpi", suites);
    sw_comm_fini(true, code);
    return code;
}
