/* What faults do to a running sweep, on 1, 2 and 4 ranks. Nothing in the program knows of these
 * tests: they stop and kill processes from outside. */
#include "../support/sched_rig.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sweepstake/comm.h"
#include "sweepstake/memory.h"
#include "sweepstake/system.h"

#define LATE_SECONDS 4.0 /* of a rank at the start */

static char expected[SW_DIGEST_TEXT]; /* digest of the small sweep */

static void open_small(void) {
    sw_rig_reset();
    sw_rig_open(sw_rig_small);
    if (expected[0] == '\0') sw_rig_expected_digest(expected);
}

static void check_digest(void) {
    char digest[SW_DIGEST_TEXT];
    sw_rig_digest(digest);
    CU_ASSERT_STRING_EQUAL(digest, expected);
}

/* On rank 0, the only one that is told. */
static void check_notice(const char *part) {
    if (sw_comm_rank() != 0) return;
    bool found = strstr(sw_text_get(&sw_rig.notices), part) != NULL;
    if (!found) fprintf(stderr, "  no '%s' in: %s\n", part, sw_text_get(&sw_rig.notices));
    CU_ASSERT_TRUE(found);
}

/* ---- trainers -------------------------------------------------------------------------------- */

/* A trainer that is stopped gets stuck in its round, or in the next one. */
static void stop_trainers(struct sw_rig *rig) {
    if (rig->stage != 0) return;
    rig->stage = sw_rig_signal_trainers(SIGSTOP) > 0;
    rig->since = sw_clock_monotonic();
}

static void kill_stopped(struct sw_rig *rig) {
    if (rig->stage != 1 || sw_clock_monotonic() - rig->since < 0.1) return;
    (void) sw_rig_signal_trainers(SIGKILL);
    rig->stage = 2;
}

static void a_crash_is_tried_again(void) {
    struct sw_round_record record;
    int64_t attempts = 0;
    open_small();
    sw_rig.on_round = stop_trainers;
    sw_rig.on_tick = kill_stopped;
    SW_TEST_OK(sw_rig_run());
    check_notice("the trainer was killed by signal 9 (Killed) (attempt 1 of 2)");
    check_digest();
    for (int64_t row = 0; row < sw_rig.sweep.n_rounds; row++) {
        CU_ASSERT_EQUAL(sw_rig_state(row, &record), SW_ROUND_COMMITTED);
        if (record.measured.attempt > attempts) attempts = record.measured.attempt;
    }
    CU_ASSERT_EQUAL(attempts, 2);
}

static void kill_all(struct sw_rig *rig) {
    if (rig->view.running > 0) (void) sw_rig_signal_trainers(SIGKILL);
}

/* Others may begin with the weights that the failed round owns. */
static void check_theta0(void) {
    const struct sw_arch *arch = &sw_rig.sweep.archs[0];
    size_t bytes = (size_t) arch->parameters * sizeof(float), length = 0;
    float *theta0 = NULL;
    struct sw_store *store = NULL;
    double sum = 0;
    SW_TEST_OK(SW_ALLOC(&theta0, (size_t) arch->parameters, "theta0"));
    SW_TEST_OK(sw_store_open(sw_rig.store, SW_STORE_READ, &store));
    SW_TEST_OK(sw_store_read(store, 0, SW_SECTION_THETA0, theta0, bytes, &length));
    CU_ASSERT_EQUAL(length, bytes);
    for (int64_t i = 0; i < arch->parameters; i++)
        sum += fabs((double) theta0[i]);
    CU_ASSERT_TRUE(sum > 1);
    sw_store_close(&store);
    SW_FREE(&theta0);
}

static void a_round_that_always_crashes_has_failed(void) {
    struct sw_round_record record;
    sw_rig_reset();
    sw_rig_open(sw_rig_endless);
    sw_rig.on_tick = kill_all;
    SW_TEST_FAILS(sw_rig_run(), SW_PARTIAL);
    CU_ASSERT_STRING_EQUAL(sw_status_text(), "1 of 1 trials failed");
    CU_ASSERT_EQUAL(sw_rig_state(0, &record), SW_ROUND_COMMITTED);
    CU_ASSERT_STRING_EQUAL(record.result.status, "failed");
    CU_ASSERT_STRING_EQUAL(record.result.reason,
                           "the trainer was killed by signal 9 (Killed), 2 times");
    CU_ASSERT_EQUAL(record.measured.attempt, 2);
    check_theta0();
    /* The next round needs it: never run, and never will be. */
    CU_ASSERT_EQUAL(sw_rig_state(1, &record), SW_ROUND_MISSING);
    sw_rig.on_tick = NULL;
    SW_TEST_FAILS(sw_rig_run(), SW_PARTIAL);
    if (sw_comm_rank() == 0) CU_ASSERT_EQUAL(sw_rig.rounds_done, 0);
}

static void a_hanging_trainer_is_killed(void) {
    open_small();
    sw_rig.options.hang_seconds = 0.3;
    sw_rig.on_round = stop_trainers;
    SW_TEST_OK(sw_rig_run());
    check_notice("the trainer made no progress for 0.3 s (attempt 1 of 2)");
    check_digest();
}

static void kill_server(struct sw_rig *rig) {
    pid_t server = rig->stage == 0 ? sw_rig_find_server() : 0;
    if (server != 0 && rig->view.running > 0) rig->stage = kill(server, SIGKILL) == 0;
}

/* Rank 0 is told only when it is the worker, too: it can find its own server alone. */
static void without_its_server_a_rank_leaves(void) {
    if (sw_comm_size() > 1) return;
    sw_rig_reset();
    sw_rig_open(sw_rig_endless);
    sw_rig.on_tick = kill_server;
    SW_TEST_FAILS(sw_rig_run(), SW_INTERNAL);
    check_notice("rank 0 cannot train any more: the helper process");
    CU_ASSERT_TRUE(sw_rig.clean);
    sw_proc_stop_server(&sw_rig.server);
    SW_TEST_OK(sw_rig_start_server());
}

/* ---- start ------------------------------------------------------------------------------------ */

/* Beats of the lock of rank 0, which waits for this rank. */
static int count_beats(void) {
    struct sw_store_lock_info info = {0};
    double end = sw_clock_monotonic() + LATE_SECONDS, last = NAN;
    int beats = 0;
    while (sw_clock_monotonic() < end) {
        bool alive;
        if (sw_store_lock_peek(sw_rig.store, &info, &alive) == SW_OK && info.heartbeat != last) {
            last = info.heartbeat;
            beats++;
        }
        sw_clock_sleep(0.05);
    }
    return beats;
}

/* One that decodes a large data set, for one. */
static void the_lock_beats_while_a_rank_is_late(void) {
    if (sw_comm_size() == 1) return;
    open_small();
    int beats = sw_comm_rank() == sw_comm_size() - 1 ? count_beats() : 3;
    SW_TEST_OK(sw_rig_run());
    CU_ASSERT_TRUE(beats >= 3);
    check_digest();
}

/* ---- store ----------------------------------------------------------------------------------- */

/* Writes beyond a limit fail with EFBIG, much as on a full disk. */
static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    (void) getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_stops_the_sweep(void) {
    struct stat info;
    struct sw_round_record record;
    int64_t committed = 0;
    open_small();
    CU_ASSERT_EQUAL_FATAL(stat(sw_rig.store, &info), 0);
    (void) signal(SIGXFSZ, SIG_IGN);
    limit_files((rlim_t) info.st_size / 2); /* the tables of rounds lie behind it */
    SW_TEST_FAILS(sw_rig_run(), SW_IO);
    limit_files(RLIM_INFINITY);
    CU_ASSERT_TRUE(sw_rig.clean);
    for (int64_t row = 0; row < sw_rig.sweep.n_rounds; row++)
        committed += sw_rig_state(row, &record) != SW_ROUND_MISSING;
    CU_ASSERT_TRUE(committed < sw_rig.sweep.n_rounds);
    SW_TEST_OK(sw_rig_run());
    check_digest();
}

/* ---- ranks ----------------------------------------------------------------------------------- */

/* The process of the last rank is suspended: to the others it looks dead. */
static void stop_last_rank(struct sw_rig *rig) {
    if (rig->stage == 0) rig->stage = kill((pid_t) rig->last_rank_pid, SIGSTOP) == 0;
}
static void wake_last_rank(struct sw_rig *rig, const char *text) {
    if (strstr(text, "was not heard") != NULL) (void) kill((pid_t) rig->last_rank_pid, SIGCONT);
}

static void a_worker_may_come_back(void) {
    if (sw_comm_size() < 3) return;
    open_small();
    sw_rig.options.lost_seconds = 0.4;
    sw_rig.on_round = stop_last_rank;
    sw_rig.on_notice = wake_last_rank;
    enum sw_status status = sw_rig_run();
    CU_ASSERT_EQUAL(status, SW_OK);
    check_digest();
    check_notice("was not heard for");
}

static void a_lost_worker_costs_one_round(void) {
    if (sw_comm_size() < 3) return;
    open_small();
    sw_rig.options.lost_seconds = 0.4;
    sw_rig.on_round = stop_last_rank;
    enum sw_status status = sw_rig_run();
    if (sw_comm_rank() == 0) (void) kill((pid_t) sw_rig.last_rank_pid, SIGCONT);
    CU_ASSERT_FALSE(sw_rig.clean);
    CU_ASSERT_EQUAL(status, SW_OK);
    check_notice("was not heard for");
    check_digest();
}

/* A coordinator that vanishes: this test has rank 0 leave the others alone. */
static void suspend_first_rank(struct sw_rig *rig) {
    if (rig->stage != 0) return;
    rig->stage = 1;
    sw_clock_sleep(1.5); /* longer than the others are patient */
}

static void without_rank_0_the_workers_end(void) {
    if (sw_comm_size() == 1) return;
    open_small();
    sw_rig.options.silent_seconds = 0.8;
    sw_rig.options.lost_seconds = 0.4;
    sw_rig.on_round = suspend_first_rank;
    SW_TEST_FAILS(sw_rig_run(), SW_INTERNAL);
    CU_ASSERT_FALSE(sw_rig.clean);
    if (sw_comm_rank() != 0)
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "rank 0 has been silent for 0.8 s"));
    sw_rig_reset();
    SW_TEST_OK(sw_rig_run());
    check_digest();
}

static void stop_last_rank_early(struct sw_rig *rig) {
    if (rig->view.running > 0) stop_last_rank(rig);
}

static void without_workers_the_sweep_ends(void) {
    if (sw_comm_size() != 2) return;
    sw_rig_reset();
    sw_rig_open(sw_rig_endless);
    sw_rig.options.lost_seconds = 0.4;
    sw_rig.options.silent_seconds = 1;
    sw_rig.on_tick = stop_last_rank_early;
    SW_TEST_FAILS(sw_rig_run(), SW_INTERNAL);
    if (sw_comm_rank() == 0) {
        (void) kill((pid_t) sw_rig.last_rank_pid, SIGCONT);
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "all workers are lost"));
    }
    CU_ASSERT_FALSE(sw_rig.clean);
    open_small();
    SW_TEST_OK(sw_rig_run());
    check_digest();
}

int main(int argc, char **argv) {
    static CU_TestInfo trainers[] = {
        {"a_crash_is_tried_again", a_crash_is_tried_again},
        {"a_round_that_always_crashes_has_failed", a_round_that_always_crashes_has_failed},
        {"a_hanging_trainer_is_killed", a_hanging_trainer_is_killed},
        {"without_its_server_a_rank_leaves", without_its_server_a_rank_leaves},
        CU_TEST_INFO_NULL};
    static CU_TestInfo start[] = {
        {"the_lock_beats_while_a_rank_is_late", the_lock_beats_while_a_rank_is_late},
        CU_TEST_INFO_NULL};
    static CU_TestInfo store[] = {{"a_full_disk_stops_the_sweep", a_full_disk_stops_the_sweep},
                                  CU_TEST_INFO_NULL};
    static CU_TestInfo ranks[] = {
        {"a_worker_may_come_back", a_worker_may_come_back},
        {"a_lost_worker_costs_one_round", a_lost_worker_costs_one_round},
        {"without_rank_0_the_workers_end", without_rank_0_the_workers_end},
        {"without_workers_the_sweep_ends", without_workers_the_sweep_ends},
        CU_TEST_INFO_NULL};
    static CU_SuiteInfo suites[] = {{"trainers", NULL, NULL, NULL, NULL, trainers},
                                    {"start", NULL, NULL, NULL, NULL, start},
                                    {"store", NULL, NULL, NULL, NULL, store},
                                    {"ranks", NULL, NULL, NULL, NULL, ranks},
                                    CU_SUITE_INFO_NULL};
    return sw_rig_main(argc, argv, "test_sched_faults", suites);
}
