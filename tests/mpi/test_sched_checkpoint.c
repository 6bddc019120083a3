/* Rounds that are interrupted while they train, on 1, 2 and 4 ranks: they go on where they stood. */
#include "../support/sched_rig.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sweepstake/comm.h"

#define PERIOD 0.05 /* seconds between two checkpoints */
#define STEPS 200000

static char expected[SW_DIGEST_TEXT]; /* digest of the long sweep */

static void open_long(void) {
    sw_rig_reset();
    sw_rig_open(sw_rig_long);
    sw_rig.options.checkpoint_seconds = PERIOD;
    if (expected[0] == '\0') sw_rig_expected_digest(expected);
}

static bool has_slots(void) {
    char path[512];
    struct stat info;
    (void) snprintf(path, sizeof path, "%s.checkpoints/0.0", sw_rig.store);
    return stat(path, &info) == 0 && info.st_size > 0;
}

static bool has_folder(void) {
    char path[512];
    struct stat info;
    (void) snprintf(path, sizeof path, "%s.checkpoints", sw_rig.store);
    return stat(path, &info) == 0;
}

/* The digest is that of an undisturbed run, and nothing is left beside the store. */
static void check_end(void) {
    char digest[SW_DIGEST_TEXT];
    sw_rig_digest(digest);
    CU_ASSERT_STRING_EQUAL(digest, expected);
    if (sw_comm_rank() == 0) CU_ASSERT_FALSE(has_folder());
}

/* Step at which the round went on, as rank 0 was told; 0 when it was not. */
static int64_t resumed_step(void) {
    static const char words[] = "resumes at step ";
    const char *found = strstr(sw_text_get(&sw_rig.notices), words);
    return found != NULL ? strtoll(found + strlen(words), NULL, 10) : 0;
}

static void check_resumed(void) {
    if (sw_comm_rank() != 0) return;
    if (resumed_step() == 0) fprintf(stderr, "  not resumed: %s\n", sw_text_get(&sw_rig.notices));
    CU_ASSERT_TRUE(resumed_step() > 0 && resumed_step() <= STEPS);
}

/* ---- trainers and ranks ---------------------------------------------------------------------- */

static void kill_trainers(struct sw_rig *rig) {
    if (rig->stage == 0 && has_slots()) rig->stage = sw_rig_signal_trainers(SIGKILL) > 0;
}

static void a_killed_trainer_goes_on(void) {
    open_long();
    sw_rig.on_tick = kill_trainers;
    SW_TEST_OK(sw_rig_run());
    check_resumed();
    check_end();
}

/* The worker that has the round is suspended until it is missed; another goes on with the round. The
 * first one's trainer runs on all the while, so that the slots have two writers. */
static pid_t suspended;

static void stop_worker(struct sw_rig *rig) {
    if (rig->stage != 0 || !has_slots()) return;
    suspended = sw_rig_find_worker();
    rig->stage = suspended > 0 && kill(suspended, SIGSTOP) == 0;
}
static void wake_worker(struct sw_rig *rig, const char *text) {
    (void) rig;
    if (strstr(text, "was not heard") != NULL) (void) kill(suspended, SIGCONT);
}

static void another_worker_goes_on(void) {
    if (sw_comm_size() < 3) return;
    open_long();
    sw_rig.options.lost_seconds = 0.4;
    sw_rig.on_tick = stop_worker;
    sw_rig.on_notice = wake_worker;
    enum sw_status status = sw_rig_run();
    if (sw_comm_rank() == 0 && suspended > 0) (void) kill(suspended, SIGCONT);
    CU_ASSERT_EQUAL(status, SW_OK);
    check_resumed();
    check_end();
}

/* ---- stops ----------------------------------------------------------------------------------- */

static int stop_signal;

static void stop_when_saved(struct sw_rig *rig) {
    if (rig->stage != 0 || !has_slots()) return;
    rig->stage = 1;
    rig->since = sw_clock_monotonic();
    (void) raise(stop_signal);
}

static void stop_and_go_on(int number, double grace) {
    struct sw_round_record record;
    open_long();
    stop_signal = number;
    sw_rig.options.grace_seconds = grace;
    sw_rig.on_tick = stop_when_saved;
    SW_TEST_FAILS(sw_rig_run(), SW_STOPPED);
    CU_ASSERT_TRUE(sw_rig.clean);
    if (sw_comm_rank() == 0) CU_ASSERT_TRUE(sw_clock_monotonic() - sw_rig.since < 4);
    CU_ASSERT_EQUAL(sw_rig_state(0, &record), SW_ROUND_MISSING);
    if (sw_comm_rank() == 0) CU_ASSERT_TRUE(has_slots());
    SW_TEST_OK(sw_comm_node_barrier());
    sw_rig_reset();
    sw_rig.options.checkpoint_seconds = PERIOD;
    SW_TEST_OK(sw_rig_run());
    check_resumed();
    check_end();
    CU_ASSERT_EQUAL(sw_rig_state(0, &record), SW_ROUND_COMMITTED);
    CU_ASSERT_EQUAL(record.measured.attempt, 1);
}

static void usr1_loses_nothing(void) {
    stop_and_go_on(SIGUSR1, 60);
}
static void term_loses_nothing(void) {
    stop_and_go_on(SIGTERM, 0);
}

/* A trainer that cannot reach its next step is not waited for. */
static void stop_stuck(struct sw_rig *rig) {
    if (rig->stage != 0 || !has_slots() || sw_rig_signal_trainers(SIGSTOP) == 0) return;
    rig->stage = 1;
    rig->since = sw_clock_monotonic();
    (void) raise(SIGTERM);
}

static void a_stuck_trainer_is_killed_after_seconds(void) {
    open_long();
    sw_rig.on_tick = stop_stuck;
    SW_TEST_FAILS(sw_rig_run(), SW_STOPPED);
    if (sw_comm_rank() == 0) {
        double took = sw_clock_monotonic() - sw_rig.since;
        CU_ASSERT_TRUE(took > 3 && took < 12);
    }
    sw_rig_reset();
    sw_rig.options.checkpoint_seconds = PERIOD;
    SW_TEST_OK(sw_rig_run());
    check_resumed();
    check_end();
}

/* ---- without --------------------------------------------------------------------------------- */

static void without_checkpoints_there_are_no_files(void) {
    open_long();
    sw_rig.options.checkpoint_seconds = 0;
    SW_TEST_OK(sw_rig_run());
    check_end();
    open_long();
    sw_rig.options.checkpoint_seconds = -1;
    SW_TEST_FAILS(sw_rig_run(), SW_USAGE);
}

int main(int argc, char **argv) {
    static CU_TestInfo kills[] = {{"a_killed_trainer_goes_on", a_killed_trainer_goes_on},
                                  {"another_worker_goes_on", another_worker_goes_on},
                                  CU_TEST_INFO_NULL};
    static CU_TestInfo stops[] = {
        {"usr1_loses_nothing", usr1_loses_nothing},
        {"term_loses_nothing", term_loses_nothing},
        {"a_stuck_trainer_is_killed_after_seconds", a_stuck_trainer_is_killed_after_seconds},
        {"without_checkpoints_there_are_no_files", without_checkpoints_there_are_no_files},
        CU_TEST_INFO_NULL};
    static CU_SuiteInfo suites[] = {{"kills", NULL, NULL, NULL, NULL, kills},
                                    {"stops", NULL, NULL, NULL, NULL, stops},
                                    CU_SUITE_INFO_NULL};
    return sw_rig_main(argc, argv, "test_sched_checkpoint", suites);
}
