/* A sweep from beginning to end, on 1, 2 and 4 ranks. */
#include "../support/sched_rig.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "../../src/sched/share.h"
#include "sweepstake/comm.h"
#include "sweepstake/memory.h"

static char expected[SW_DIGEST_TEXT]; /* digest of the small sweep */

static void check_digest(void) {
    char digest[SW_DIGEST_TEXT];
    sw_rig_digest(digest);
    CU_ASSERT_STRING_EQUAL(digest, expected);
}

static void open_small(void) {
    sw_rig_reset();
    sw_rig_open(sw_rig_small);
    CU_ASSERT_EQUAL_FATAL(sw_rig.sweep.n_rounds, 9);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void every_round_is_done_once(void) {
    open_small();
    sw_rig_expected_digest(expected);
    SW_TEST_OK(sw_rig_run());
    CU_ASSERT_TRUE(sw_rig.clean);
    check_digest();
    if (sw_comm_rank() != 0) return;
    CU_ASSERT_EQUAL(sw_rig.rounds_done, 9);
    CU_ASSERT_EQUAL(sw_rig.view.done, 9);
    CU_ASSERT_EQUAL(sw_rig.view.total, 9);
    CU_ASSERT_EQUAL(sw_rig.view.failed, 0);
    CU_ASSERT_EQUAL(sw_rig.view.eta, 0);
    CU_ASSERT_STRING_EQUAL(sw_text_get(&sw_rig.notices), "");
}

static void records_tell_time_and_place(void) {
    struct sw_round_record record;
    for (int64_t row = 0; row < sw_rig.sweep.n_rounds; row++) {
        CU_ASSERT_EQUAL(sw_rig_state(row, &record), SW_ROUND_COMMITTED);
        int first_worker = sw_comm_size() > 1 ? 1 : 0;
        CU_ASSERT_TRUE(record.measured.rank >= first_worker &&
                       record.measured.rank < sw_comm_size());
        CU_ASSERT_EQUAL(record.measured.attempt, 1);
        CU_ASSERT_TRUE(record.measured.total_seconds >= record.measured.train_seconds);
        CU_ASSERT_TRUE(record.measured.total_seconds < 60);
        CU_ASSERT_STRING_EQUAL(record.measured.backend, "cpu");
    }
}

static void a_finished_sweep_is_left_alone(void) {
    SW_TEST_OK(sw_rig_run());
    CU_ASSERT_EQUAL(sw_rig.rounds_done, 0);
    check_digest();
}

static void messages_that_are_none_are_dropped(void) {
    unsigned char message[SW_MESSAGE_BYTES];
    open_small();
    for (int rank = 0; rank < sw_comm_size(); rank++)
        for (int byte = 0; byte < 256; byte += 5) {
            memset(message, byte, sizeof message);
            SW_TEST_OK(sw_comm_send(rank, message));
        }
    SW_TEST_OK(sw_rig_run());
    check_digest();
}

static void threads_do_not_change_results(void) {
    open_small();
    sw_rig.options.threads = 2;
    sw_rig.options.durable = true;
    SW_TEST_OK(sw_rig_run());
    check_digest();
}

/* ---- part of it ------------------------------------------------------------------------------ */

static void what_is_there_is_not_done_again(void) {
    for (int64_t n = 1; n < 9; n += 3) {
        open_small();
        sw_rig_commit_first(n);
        SW_TEST_OK(sw_rig_run());
        check_digest();
        if (sw_comm_rank() == 0) CU_ASSERT_EQUAL(sw_rig.rounds_done, 9 - n);
    }
}

static void stop_softly(struct sw_rig *rig) {
    if (rig->rounds_done == 2) (void) raise(SIGUSR1);
}
static void stop_hard(struct sw_rig *rig) {
    if (rig->rounds_done == 3) (void) raise(SIGTERM);
}

static void stop_and_go_on(void (*stop)(struct sw_rig *rig), const char *name) {
    open_small();
    sw_rig.on_round = stop;
    SW_TEST_FAILS(sw_rig_run(), SW_STOPPED);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), name));
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "--resume"));
    CU_ASSERT_TRUE(sw_rig.clean);
    int64_t before = sw_rig.rounds_done;
    if (sw_comm_rank() == 0) CU_ASSERT_TRUE(before >= 2 && before < 9);
    sw_rig_reset();
    SW_TEST_OK(sw_rig_run());
    check_digest();
    if (sw_comm_rank() == 0) CU_ASSERT_EQUAL(before + sw_rig.rounds_done, 9);
}

static void usr1_stops_after_the_running_rounds(void) {
    stop_and_go_on(stop_softly, "SIGUSR1");
}
static void term_stops_at_once(void) {
    stop_and_go_on(stop_hard, "SIGTERM");
}

static void interrupt_running(struct sw_rig *rig) {
    if (rig->view.running > 0 && sw_rig_signal_trainers(0) > 0) (void) raise(SIGUSR2);
}

/* The round never ends, so the time that running rounds have runs out. */
static void grace_is_bounded(void) {
    struct sw_round_record record;
    sw_rig_reset();
    sw_rig_open(sw_rig_endless);
    sw_rig.options.grace_seconds = 0.2;
    sw_rig.on_tick = interrupt_running;
    SW_TEST_FAILS(sw_rig_run(), SW_STOPPED);
    CU_ASSERT_TRUE(sw_rig.clean);
    if (sw_comm_rank() == 0) CU_ASSERT_TRUE(sw_rig.view.elapsed >= 0.2);
    CU_ASSERT_EQUAL(sw_rig_state(0, &record), SW_ROUND_MISSING);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void wrong_options_are_refused_everywhere(void) {
    open_small();
    sw_rig.options.attempts = 0;
    SW_TEST_FAILS(sw_rig_run(), SW_USAGE);
    sw_rig_reset();
    sw_rig.options.threads = sw_comm_rank() == sw_comm_size() - 1 ? 0 : 1; /* on one rank only */
    SW_TEST_FAILS(sw_rig_run(), SW_USAGE);
    sw_rig_reset();
    sw_rig.options.backend = "abacus";
    SW_TEST_FAILS(sw_rig_run(), SW_UNSUPPORTED);
    CU_ASSERT_TRUE(sw_rig.clean);
}

static void too_little_memory_is_refused(void) {
    open_small();
    SW_TEST_OK(sw_sched_check_memory(&sw_rig.sweep, NULL));
    sw_rig.sweep.rounds[4].rank_bytes = (int64_t) 1 << 60;
    SW_TEST_FAILS(sw_sched_check_memory(&sw_rig.sweep, NULL), SW_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "free memory"));
}

/* The memory of a data set, as a number; the same for all who have it open. */
static int64_t inode_of(int fd) {
    struct stat info;
    return fstat(fd, &info) == 0 ? (int64_t) info.st_ino : -1;
}

/* Its snapshots take 2.5 MB; every round gets the one that it begins with. */
static const char rewound[] =
    "sweep: rig\n"
    "data: {name: synthetic, shape: [1, 20, 20], classes: 4, train: 48, test: 16, validation: 16}\n"
    "model: {name: mlp-400-350}\n"
    "train: {steps: 6, batch: 16, evaluate: {every: 3}}\n"
    "prune: {rate: 0.5, rounds: 2}\n"
    "control: [random]\n"
    "grid: {rewind.to: [4, 2]}\n"
    "store: unused.h5\n";

static void rewound_rounds_come_to_the_same(void) {
    char here[SW_DIGEST_TEXT], digest[SW_DIGEST_TEXT];
    sw_rig_reset();
    sw_rig_open(rewound);
    CU_ASSERT_EQUAL(sw_rig.sweep.rounds[0].snapshots, 2);
    sw_rig_expected_digest(here);
    SW_TEST_OK(sw_rig_run());
    sw_rig_digest(digest);
    CU_ASSERT_STRING_EQUAL(digest, here);
}

static void data_sets_are_decoded_once(void) {
    struct sw_data_blocks held = {0}, blocks = {0};
    int64_t inode = INT64_MAX, least;
    struct sw_data_info info;
    open_small();
    if (sw_comm_rank() == 0) {
        SW_TEST_OK(SW_ALLOC(&held.fds, 1, "data sets"));
        held.n = 1;
        SW_TEST_OK(sw_data_probe_shared(&sw_rig.sweep.trials[0], &info, &held.fds[0]));
        inode = inode_of(held.fds[0]);
    }
    SW_TEST_OK(sw_comm_minimum(inode, &inode));
    SW_TEST_OK(sw_share_open(&sw_rig.sweep, &held, &blocks));
    CU_ASSERT_EQUAL(held.n, 0);
    CU_ASSERT_EQUAL_FATAL(blocks.n, 1);
    CU_ASSERT_EQUAL(inode_of(blocks.fds[0]), inode); /* on every rank of this one node */
    SW_TEST_OK(sw_comm_minimum(0, &least));          /* all have looked */
    sw_rig.options.blocks = &blocks;
    SW_TEST_OK(sw_rig_run());
    CU_ASSERT_EQUAL(blocks.n, 0);
    check_digest();
}

static void memory_that_is_held_counts_as_free(void) {
    struct sw_data_blocks held = {0};
    open_small();
    int64_t *planned = &sw_rig.sweep.datas[0].block_bytes, real = *planned;
    *planned = (int64_t) 1 << 60; /* more than any node has */
    SW_TEST_FAILS(sw_sched_check_memory(&sw_rig.sweep, NULL), SW_UNSUPPORTED);
    if (sw_comm_rank() == 0) {
        SW_TEST_OK(SW_ALLOC(&held.fds, 1, "data sets"));
        held.n = 1;
        held.fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    SW_TEST_OK(sw_sched_check_memory(&sw_rig.sweep, &held));
    *planned = real;
    sw_data_blocks_close(&held);
}

static void other_data_than_planned_is_refused(void) {
    open_small();
    sw_rig.sweep.datas[0].checksum.bytes[3] ^= 1;
    SW_TEST_FAILS(sw_rig_run(), SW_CONFIG);
    sw_rig_open(sw_rig_small);
    SW_TEST_OK(sw_rig_run());
    check_digest();
}

int main(int argc, char **argv) {
    static CU_TestInfo whole[] = {
        {"every_round_is_done_once", every_round_is_done_once},
        {"records_tell_time_and_place", records_tell_time_and_place},
        {"a_finished_sweep_is_left_alone", a_finished_sweep_is_left_alone},
        {"messages_that_are_none_are_dropped", messages_that_are_none_are_dropped},
        {"threads_do_not_change_results", threads_do_not_change_results},
        {"rewound_rounds_come_to_the_same", rewound_rounds_come_to_the_same},
        {"data_sets_are_decoded_once", data_sets_are_decoded_once},
        CU_TEST_INFO_NULL};
    static CU_TestInfo part[] = {
        {"what_is_there_is_not_done_again", what_is_there_is_not_done_again},
        {"usr1_stops_after_the_running_rounds", usr1_stops_after_the_running_rounds},
        {"term_stops_at_once", term_stops_at_once},
        {"grace_is_bounded", grace_is_bounded},
        CU_TEST_INFO_NULL};
    static CU_TestInfo refusals[] = {
        {"wrong_options_are_refused_everywhere", wrong_options_are_refused_everywhere},
        {"too_little_memory_is_refused", too_little_memory_is_refused},
        {"memory_that_is_held_counts_as_free", memory_that_is_held_counts_as_free},
        {"other_data_than_planned_is_refused", other_data_than_planned_is_refused},
        CU_TEST_INFO_NULL};
    static CU_SuiteInfo suites[] = {{"whole", NULL, NULL, NULL, NULL, whole},
                                    {"part", NULL, NULL, NULL, NULL, part},
                                    {"refusals", NULL, NULL, NULL, NULL, refusals},
                                    CU_SUITE_INFO_NULL};
    return sw_rig_main(argc, argv, "test_sched", suites);
}
