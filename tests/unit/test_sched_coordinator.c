/* The coordinator against workers that are slow, lost and back again: messages and clocks are made here. */
#include <string.h>

#include "../../src/sched/coordinator.h"
#include "../support/small_sweep.h"
#include "../support/test_main.h"

#define RUN 1
#define RANKS 4
#define LOST_SECONDS 30.0

static struct sw_sweep sweep;
static const struct sw_sched_options options = {.threads = 1, .attempts = 1};
static const struct sw_site site = {
    .sweep = &sweep, .options = &options, .lost_seconds = LOST_SECONDS, .run = RUN};
static struct sw_coordinator coordinator;
static struct sw_times times;
static int64_t assigned[RANKS]; /* the last row that each rank was given, -1: none */

/* In place of src/comm. */
int sw_comm_size(void) {
    return RANKS;
}

enum sw_status sw_comm_send(int rank, const void *bytes) {
    struct sw_message message;
    memcpy(&message, bytes, sizeof message);
    if (message.kind == SW_MESSAGE_ASSIGN) assigned[rank] = message.row;
    return SW_OK;
}

static void begin(void) {
    sw_small_sweep(&sweep, 1, 0.8);
    times = (struct sw_times){1, 1};
    for (int rank = 0; rank < RANKS; rank++)
        assigned[rank] = -1;
    SW_TEST_OK(sw_coordinator_open(&site, NULL, NULL, &times, &coordinator));
    SW_TEST_OK(sw_ledger_start(&coordinator.ledger));
}

static void finish(void) {
    sw_coordinator_close(&coordinator);
    sw_sweep_fini(&sweep);
}

static void say(int rank, enum sw_message_kind kind, int64_t row) {
    struct sw_message message = sw_message_make(kind, RUN);
    message.row = row;
    if (kind == SW_MESSAGE_BEAT && row >= 0) message.activity = SW_ACTIVITY_TRAINING;
    if (kind == SW_MESSAGE_LEAVE) message.status = SW_UNSUPPORTED;
    CU_ASSERT_TRUE(sw_message_check(&message, RUN, sweep.n_rounds));
    SW_TEST_OK(sw_coordinator_take(&coordinator, rank, &message, &times));
}

static void step(double seconds) {
    bool busy = false;
    times.now += seconds;
    times.patient += seconds;
    SW_TEST_OK(sw_coordinator_step(&coordinator, &times, &busy));
}

/* Rank 1 has row 0 and is silent; it goes to rank 2, and rank 1, back with empty hands, is given row 6
 * before it hears of row 0. */
static void give_two_rounds(void) {
    begin();
    say(1, SW_MESSAGE_READY, -1);
    step(0);
    CU_ASSERT_EQUAL(assigned[1], 0);
    times.now += 25;
    times.patient += 25;
    say(3, SW_MESSAGE_READY, -1);
    step(0);
    CU_ASSERT_EQUAL(assigned[3], 5);
    step(10);
    CU_ASSERT_TRUE(coordinator.seats[1].lost);
    say(2, SW_MESSAGE_READY, -1);
    step(0);
    CU_ASSERT_EQUAL(assigned[2], 0);
    say(1, SW_MESSAGE_BEAT, -1);
    say(3, SW_MESSAGE_RESULT, 5);
    step(0);
    CU_ASSERT_FALSE(coordinator.seats[1].lost);
    CU_ASSERT_EQUAL(assigned[1], 6);
}

static void a_second_round_is_not_forgotten_with_the_first(void) {
    give_two_rounds();
    say(1, SW_MESSAGE_RESULT, 0);
    CU_ASSERT_EQUAL(coordinator.ledger.phase[0], SW_PHASE_DONE);
    CU_ASSERT_EQUAL(coordinator.ledger.phase[6], SW_PHASE_READY);
    assigned[1] = -1;
    step(0);
    CU_ASSERT_TRUE(assigned[1] >= 0); /* rows 1 and 6 are ready now */
    say(2, SW_MESSAGE_RESULT, 0);
    step(0);
    CU_ASSERT_NOT_EQUAL(assigned[1], assigned[2]);
    finish();
}

static void a_beat_gives_the_second_round_back(void) {
    give_two_rounds();
    say(1, SW_MESSAGE_BEAT, 0);
    CU_ASSERT_EQUAL(coordinator.ledger.phase[6], SW_PHASE_READY);
    CU_ASSERT_EQUAL(coordinator.seats[1].row, 0);
    finish();
}

/* A child of row 0 has the longer chain, but a child of row 5 is at hand. */
static void a_worker_goes_on_with_its_trial(void) {
    begin();
    say(1, SW_MESSAGE_READY, -1);
    step(0);
    say(3, SW_MESSAGE_READY, -1);
    step(0);
    CU_ASSERT_EQUAL(assigned[1], 0);
    CU_ASSERT_EQUAL(assigned[3], 5);
    say(1, SW_MESSAGE_RESULT, 0);
    say(1, SW_MESSAGE_LEAVE, -1);
    say(3, SW_MESSAGE_RESULT, 5);
    CU_ASSERT_EQUAL(coordinator.ledger.phase[1], SW_PHASE_READY);
    CU_ASSERT_TRUE(coordinator.ledger.chain[1] > coordinator.ledger.chain[6]);
    step(0);
    CU_ASSERT_EQUAL(assigned[3], 6);
    finish();
}

static CU_TestInfo goes_on[] = {
    {"a worker goes on with its trial", a_worker_goes_on_with_its_trial}, CU_TEST_INFO_NULL};
static CU_TestInfo two_rounds[] = {
    {"a second round is not forgotten with the first",
     a_second_round_is_not_forgotten_with_the_first},
    {"a beat gives the second round back", a_beat_gives_the_second_round_back},
    CU_TEST_INFO_NULL};

static CU_SuiteInfo suites[] = {{"a worker with two rounds", NULL, NULL, NULL, NULL, two_rounds},
                                {"work", NULL, NULL, NULL, NULL, goes_on},
                                CU_SUITE_INFO_NULL};

int main(void) {
    return sw_test_main("test_sched_coordinator", suites);
}
