/* The parts of the scheduler that need no other process. */
#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../src/sched/clock.h"
#include "../../src/sched/ledger.h"
#include "../../src/sched/parcel.h"
#include "../../src/sched/protocol.h"

/* ---- order of rounds ------------------------------------------------------------------------- */

/* Three trials. Row 0: round 0, shared by trials 0 and 1. Rows 1, 2: rounds 1, 2 of trial 0. Row 3:
 * round 1 of trial 1. Row 4: a control of row 1. Row 5: round 0 of trial 2, alone and long. */
static struct sw_round_plan rounds[] = {
    {.row = 0, .trial = 0, .parent = -1, .flops = 10},
    {.row = 1, .trial = 0, .round = 1, .parent = 0, .flops = 8},
    {.row = 2, .trial = 0, .round = 2, .parent = 1, .flops = 6},
    {.row = 3, .trial = 1, .round = 1, .parent = 0, .flops = 9},
    {.row = 4, .trial = 0, .round = 1, .parent = 1, .control = SW_CONTROL_REINIT, .flops = 100},
    {.row = 5, .trial = 2, .parent = -1, .flops = 20},
};
#define N_ROWS ((int64_t) (sizeof rounds / sizeof *rounds))
static int64_t trial_rounds[3][3][SW_CONTROL_COUNT];
static const struct sw_sweep sweep = {.n_trials = 3,
                                      .n_rounds = N_ROWS,
                                      .rounds = rounds,
                                      .rounds_wide = 3,
                                      .trial_rounds = &trial_rounds[0][0][0]};
static struct sw_ledger ledger;

static void open_ledger(void) {
    for (int i = 0; i < 3 * 3 * SW_CONTROL_COUNT; i++)
        (&trial_rounds[0][0][0])[i] = -1;
    for (int64_t row = 0; row < N_ROWS; row++)
        trial_rounds[rounds[row].trial][rounds[row].round][rounds[row].control] = row;
    trial_rounds[1][0][SW_CONTROL_TICKET] = 0; /* shared with trial 0 */
    SW_TEST_OK(sw_ledger_init(&sweep, &ledger));
    SW_TEST_OK(sw_ledger_start(&ledger));
}

/* The next row to run, -1 when there is none. */
static int64_t next(void) {
    int64_t row = -1;
    return sw_ledger_next(&ledger, &row) ? row : -1;
}
static bool finish(int64_t row, bool failed) {
    bool news = false;
    SW_TEST_OK(sw_ledger_finish(&ledger, row, failed, &news));
    return news;
}

static void the_longest_chain_comes_first(void) {
    open_ledger();
    CU_ASSERT_EQUAL(ledger.chain[0], 24); /* 10 + 8 + 6; the control is nobody's parent */
    CU_ASSERT_EQUAL(next(), 0);
    CU_ASSERT_EQUAL(next(), 5);
    CU_ASSERT_EQUAL(next(), -1); /* the others wait for row 0 */
    CU_ASSERT_TRUE(finish(0, false));
    CU_ASSERT_EQUAL(next(), 1);
    CU_ASSERT_TRUE(finish(1, false));
    CU_ASSERT_EQUAL(next(), 3); /* 9 before 6, and both before the control */
    CU_ASSERT_EQUAL(next(), 2);
    CU_ASSERT_EQUAL(next(), 4);
    CU_ASSERT_FALSE(sw_ledger_is_complete(&ledger));
    for (int64_t row = 2; row < N_ROWS; row++)
        CU_ASSERT_TRUE(finish(row, false));
    CU_ASSERT_TRUE(sw_ledger_is_complete(&ledger));
    CU_ASSERT_EQUAL(sw_ledger_committed(&ledger), N_ROWS);
    CU_ASSERT_EQUAL(ledger.failed_trials, 0);
    CU_ASSERT_DOUBLE_EQUAL(ledger.flops_left, 0, 1e-9);
    sw_ledger_fini(&ledger);
}

static void equal_chains_keep_the_order_of_the_plan(void) {
    enum { N = 500 };
    static struct sw_round_plan equal[N];
    const struct sw_sweep flat = {.n_rounds = N, .rounds = equal};
    for (int64_t row = 0; row < N; row++)
        equal[row] = (struct sw_round_plan){.row = row, .parent = -1, .flops = 1};
    SW_TEST_OK(sw_ledger_init(&flat, &ledger));
    SW_TEST_OK(sw_ledger_start(&ledger));
    for (int64_t row = 0; row < N; row++)
        CU_ASSERT_EQUAL(next(), row);
    CU_ASSERT_EQUAL(next(), -1);
    sw_ledger_fini(&ledger);
}

/* ---- who goes on with what ------------------------------------------------------------------- */

/* Sweeps of equal trials, whose rounds lose a fifth of their work each, with or without a control per
 * ticket; run by workers whose time is work and a constant. */
struct scene {
    int64_t trials, depth;
    bool controls;
    int workers;
    double constant;
};

struct outcome {
    double end;
    int64_t warm; /* rounds that followed their parent on one worker */
};

static void plan_scene(const struct scene *scene, struct sw_round_plan *plans, int64_t *n) {
    *n = 0;
    for (int64_t trial = 0; trial < scene->trials; trial++) {
        int64_t parent = -1;
        for (int64_t round = 0; round < scene->depth; round++) {
            int64_t ticket = (*n)++;
            double flops = 1000 * pow(0.8, (double) round);
            plans[ticket] = (struct sw_round_plan){
                .row = ticket, .trial = trial, .round = round, .parent = parent, .flops = flops};
            if (scene->controls && round > 0) {
                plans[*n] = plans[ticket];
                plans[*n].row = *n;
                plans[*n].parent = ticket;
                plans[*n].control = SW_CONTROL_REINIT;
                (*n)++;
            }
            parent = ticket;
        }
    }
}

static struct outcome simulate(const struct scene *scene, bool near) {
    enum { ROWS = 600, WORKERS = 8 };
    static struct sw_round_plan plans[ROWS];
    struct sw_sweep flat = {.rounds = plans};
    struct outcome outcome = {0, 0};
    int64_t row[WORKERS], last[WORKERS];
    double free_at[WORKERS];
    plan_scene(scene, plans, &flat.n_rounds);
    SW_TEST_OK(sw_ledger_init(&flat, &ledger));
    SW_TEST_OK(sw_ledger_start(&ledger));
    for (int w = 0; w < scene->workers; w++)
        row[w] = last[w] = -1;
    while (!sw_ledger_is_complete(&ledger)) {
        int first = -1;
        for (int w = 0; w < scene->workers; w++) {
            if (row[w] < 0 && (near ? sw_ledger_next_near(&ledger, last[w], scene->workers, &row[w])
                                    : sw_ledger_next(&ledger, &row[w]))) {
                free_at[w] = outcome.end + plans[row[w]].flops + scene->constant;
                outcome.warm += last[w] >= 0 && plans[row[w]].parent == last[w];
            }
            if (row[w] >= 0 && (first < 0 || free_at[w] < free_at[first])) first = w;
        }
        CU_ASSERT_TRUE_FATAL(first >= 0);
        outcome.end = free_at[first];
        CU_ASSERT_TRUE(finish(row[first], false));
        last[first] = row[first];
        row[first] = -1;
    }
    CU_ASSERT_DOUBLE_EQUAL(ledger.flops_open, 0, 1e-6);
    sw_ledger_fini(&ledger);
    return outcome;
}

static void warm_rounds_do_not_delay_the_end(void) {
    static const struct scene scenes[] = {
        {3, 7, true, 2, 0},    {3, 7, false, 2, 0},    {3, 7, false, 2, 100},
        {1, 20, true, 2, 100}, {12, 20, true, 8, 0},   {12, 20, true, 8, 300},
        {9, 13, false, 8, 50}, {5, 13, false, 4, 200}, {17, 7, true, 4, 100},
        {2, 20, true, 8, 100},
    };
    int64_t plain_warm = 0, near_warm = 0;
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        struct outcome plain = simulate(&scenes[i], false), near = simulate(&scenes[i], true);
        CU_ASSERT_TRUE(near.end <= 1.01 * plain.end);
        CU_ASSERT_TRUE(near.warm >= plain.warm);
        plain_warm += plain.warm;
        near_warm += near.warm;
    }
    CU_ASSERT_TRUE(near_warm > 3 * plain_warm);
}

static int64_t next_near(int64_t last, int workers) {
    int64_t row = -1;
    return sw_ledger_next_near(&ledger, last, workers, &row) ? row : -1;
}

static void a_worker_goes_on_unless_a_longer_chain_is_urgent(void) {
    open_ledger();
    CU_ASSERT_EQUAL(next_near(-1, 2), 0);
    CU_ASSERT_TRUE(finish(0, false));
    CU_ASSERT_EQUAL(ledger.flops_open, 8 + 6 + 9 + 100 + 20);
    /* Rows 1 and 3 are its children; row 5 is longer, and urgent only when many could share the rest. */
    CU_ASSERT_EQUAL(next_near(0, 6), 5);
    SW_TEST_OK(sw_ledger_give_back(&ledger, 5));
    CU_ASSERT_EQUAL(next_near(0, 5), 1);
    CU_ASSERT_TRUE(finish(1, false));
    CU_ASSERT_EQUAL(next_near(1, 2), 2);
    CU_ASSERT_EQUAL(next_near(1, 2), 5); /* tickets do not wait for row 4, a control of row 1 */
    CU_ASSERT_EQUAL(next_near(1, 2), 3);
    CU_ASSERT_EQUAL(next_near(5, 2), 4);
    CU_ASSERT_EQUAL(next_near(5, 2), -1);
    /* One that was taken out of the middle of the queue comes back when it is lost. */
    SW_TEST_OK(sw_ledger_give_back(&ledger, 2));
    CU_ASSERT_EQUAL(next(), 2);
    CU_ASSERT_EQUAL(ledger.attempts[2], 2);
    CU_ASSERT_EQUAL(next(), -1);
    sw_ledger_fini(&ledger);
}

static void a_failure_blocks_what_needs_it(void) {
    open_ledger();
    CU_ASSERT_EQUAL(next(), 0);
    CU_ASSERT_TRUE(finish(0, false));
    CU_ASSERT_TRUE(finish(1, true));
    CU_ASSERT_EQUAL(ledger.phase[2], SW_PHASE_BLOCKED);
    CU_ASSERT_EQUAL(ledger.phase[4], SW_PHASE_BLOCKED);
    CU_ASSERT_EQUAL(ledger.phase[3], SW_PHASE_READY);
    CU_ASSERT_EQUAL(ledger.failed_trials, 1);
    CU_ASSERT_EQUAL(next(), 5);
    CU_ASSERT_EQUAL(next(), 3);
    CU_ASSERT_EQUAL(next(), -1);
    CU_ASSERT_TRUE(finish(5, false));
    CU_ASSERT_TRUE(finish(3, false));
    CU_ASSERT_TRUE(sw_ledger_is_complete(&ledger));
    CU_ASSERT_EQUAL(sw_ledger_committed(&ledger), 4);
    sw_ledger_fini(&ledger);
}

static void a_shared_failure_fails_every_user(void) {
    open_ledger();
    CU_ASSERT_TRUE(finish(0, true));
    CU_ASSERT_EQUAL(ledger.failed_trials, 2);
    CU_ASSERT_EQUAL(ledger.n_phase[SW_PHASE_BLOCKED], 4);
    sw_ledger_fini(&ledger);
}

static void a_store_is_taken_up_where_it_stands(void) {
    SW_TEST_OK(sw_ledger_init(&sweep, &ledger));
    /* Row 1 was damaged and runs again, though its child, row 2, is there. Row 3 failed. */
    sw_ledger_found(&ledger, 0, false);
    sw_ledger_found(&ledger, 2, false);
    sw_ledger_found(&ledger, 3, true);
    SW_TEST_OK(sw_ledger_start(&ledger));
    CU_ASSERT_EQUAL(ledger.failed_trials, 1);
    CU_ASSERT_EQUAL(next(), 5);
    CU_ASSERT_EQUAL(next(), 1);
    CU_ASSERT_EQUAL(next(), -1);
    CU_ASSERT_TRUE(finish(1, false));
    CU_ASSERT_EQUAL(next(), 4);
    sw_ledger_fini(&ledger);
}

static void a_lost_round_is_handed_out_again(void) {
    open_ledger();
    CU_ASSERT_EQUAL(next(), 0);
    SW_TEST_OK(sw_ledger_give_back(&ledger, 0));
    CU_ASSERT_EQUAL(next(), 0);
    CU_ASSERT_EQUAL(ledger.attempts[0], 2);
    /* Both finish it: the second is no news. */
    CU_ASSERT_TRUE(finish(0, false));
    CU_ASSERT_FALSE(finish(0, false));
    SW_TEST_OK(sw_ledger_give_back(&ledger, 0));
    CU_ASSERT_EQUAL(next(), 5);
    /* Given back, and finished by the one that was thought lost: not handed out any more. */
    SW_TEST_OK(sw_ledger_give_back(&ledger, 5));
    CU_ASSERT_TRUE(finish(5, false));
    CU_ASSERT_EQUAL(next(), 1);
    /* Given back, and still running there: not handed out either. */
    SW_TEST_OK(sw_ledger_give_back(&ledger, 1));
    sw_ledger_resume(&ledger, 1);
    CU_ASSERT_EQUAL(next(), 3);
    CU_ASSERT_EQUAL(next(), -1);
    CU_ASSERT_EQUAL(ledger.n_phase[SW_PHASE_RUNNING], 2);
    sw_ledger_fini(&ledger);
}

/* ---- messages -------------------------------------------------------------------------------- */

static struct sw_message make(enum sw_message_kind kind) {
    struct sw_message message = sw_message_make(kind, 7);
    message.row = 3;
    message.attempt = 1;
    message.status = kind == SW_MESSAGE_LEAVE ? SW_INTERNAL : SW_OK;
    message.activity = SW_ACTIVITY_TRAINING;
    strcpy(message.text, "why");
    return message;
}
static bool check(const struct sw_message *message) {
    return sw_message_check(message, 7, 10);
}

static void every_kind_of_message_passes(void) {
    for (int kind = SW_MESSAGE_READY; kind < SW_MESSAGE_KINDS; kind++) {
        struct sw_message message = make((enum sw_message_kind) kind);
        CU_ASSERT_TRUE(check(&message));
        CU_ASSERT_EQUAL(sw_message_is_for_coordinator(&message), kind < SW_MESSAGE_ASSIGN);
        CU_ASSERT_FALSE(sw_message_check(&message, 8, 10)); /* of another run */
        message.magic ^= 1;
        CU_ASSERT_FALSE(check(&message));
    }
}

static void rows_outside_the_sweep_are_refused(void) {
    static const enum sw_message_kind kinds[] = {SW_MESSAGE_BEAT, SW_MESSAGE_NOTICE,
                                                 SW_MESSAGE_RESULT, SW_MESSAGE_ASSIGN};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct sw_message message = make(kinds[i]);
        message.row = 10;
        CU_ASSERT_FALSE(check(&message));
        message.row = -1;
        CU_ASSERT_FALSE(check(&message));
        message.row = INT64_MIN;
        CU_ASSERT_FALSE(check(&message));
    }
}

static void garbled_messages_are_refused(void) {
    struct sw_message message = make(SW_MESSAGE_RESULT);
    message.seconds = NAN;
    CU_ASSERT_FALSE(check(&message));
    message.seconds = -1;
    CU_ASSERT_FALSE(check(&message));
    message = make(SW_MESSAGE_RESULT);
    message.waited = INFINITY;
    CU_ASSERT_FALSE(check(&message));
    message.waited = -1;
    CU_ASSERT_FALSE(check(&message));
    message = make(SW_MESSAGE_RESULT);
    message.status = 99;
    CU_ASSERT_FALSE(check(&message));
    message = make(SW_MESSAGE_RESULT);
    message.flag = 2;
    CU_ASSERT_FALSE(check(&message));
    message = make(SW_MESSAGE_LEAVE);
    memset(message.text, 'x', sizeof message.text); /* no end */
    CU_ASSERT_FALSE(check(&message));
    message = make(SW_MESSAGE_LEAVE);
    message.status = SW_OK;
    CU_ASSERT_FALSE(check(&message));
    message = make(SW_MESSAGE_BEAT);
    message.step = 5;
    message.steps = 4;
    CU_ASSERT_FALSE(check(&message));
    message.step = -1;
    CU_ASSERT_FALSE(check(&message));
    message = make(SW_MESSAGE_BEAT);
    message.activity = SW_ACTIVITY_COUNT;
    CU_ASSERT_FALSE(check(&message));
    message = make(SW_MESSAGE_ASSIGN);
    message.attempt = 0;
    CU_ASSERT_FALSE(check(&message));
    message = make(SW_MESSAGE_END);
    message.kind = SW_MESSAGE_KINDS;
    CU_ASSERT_FALSE(check(&message));
    message.kind = 0;
    CU_ASSERT_FALSE(check(&message));
}

/* ---- shared memory --------------------------------------------------------------------------- */

static struct sw_round_task task;

static void open_parcel(struct sw_parcel *parcel) {
    memset(&task, 0, sizeof task);
    task.plan = (struct sw_round_plan){.row = 6, .parent = 2};
    task.plan.length[SW_SECTION_MASK] = 10;
    task.plan.length[SW_SECTION_WEIGHTS] = 33;
    task.plan.length[SW_SECTION_RECORD] = 1;
    struct sw_parcel_need need = {
        .task = &task,
        .n_inputs = 2,
        .input = {{.row = 2, .section = SW_SECTION_MASK, .bytes = 10},
                  {.row = 2, .section = SW_SECTION_WEIGHTS, .bytes = 200}}};
    SW_TEST_OK(sw_parcel_create(&need, parcel));
}

/* Put a whole result into the parcel, as a trainer does. */
static void fill_result(struct sw_parcel *parcel) {
    struct sw_round_record *record = sw_parcel_section(parcel, SW_SECTION_RECORD);
    record->result.row = 6;
    parcel->header->length[SW_SECTION_MASK] = 10;
    parcel->header->length[SW_SECTION_WEIGHTS] = 33 * 4;
    parcel->header->length[SW_SECTION_RECORD] = sizeof *record;
}

static void both_sides_see_the_same_parcel(void) {
    struct sw_parcel here, there;
    open_parcel(&here);
    memset(sw_parcel_input_bytes(&here, 0), 1, 10);
    memset(sw_parcel_input_bytes(&here, 1), 2, 200);
    SW_TEST_OK(sw_parcel_map(dup(here.fd), &there));
    CU_ASSERT_EQUAL(there.header->task.plan.row, 6);
    CU_ASSERT_EQUAL(((char *) sw_parcel_input_bytes(&there, 0))[9], 1);
    CU_ASSERT_EQUAL(((char *) sw_parcel_input_bytes(&there, 1))[199], 2);
    for (int s = 0; s < SW_SECTION_COUNT; s++) {
        char *section = sw_parcel_section(&there, (enum sw_section) s);
        CU_ASSERT_EQUAL((uintptr_t) section % 64, 0);
        memset(section, 3, there.layout.bytes[s]);
    }
    CU_ASSERT_EQUAL(((char *) sw_parcel_input_bytes(&here, 0))[0], 1); /* nothing overlaps */
    CU_ASSERT_EQUAL(((char *) sw_parcel_section(&here, SW_SECTION_WEIGHTS))[33 * 4 - 1], 3);
    sw_parcel_close(&there);
    sw_parcel_close(&here);
    sw_parcel_close(&here);
    CU_ASSERT_EQUAL(here.fd, -1);
}

static void a_result_is_believed_only_when_it_fits(void) {
    struct sw_parcel parcel;
    const void *bytes[SW_SECTION_COUNT];
    size_t length[SW_SECTION_COUNT];
    open_parcel(&parcel);
    SW_TEST_FAILS(sw_parcel_result(&parcel, 6, bytes, length), SW_INTERNAL); /* nothing there */
    fill_result(&parcel);
    SW_TEST_OK(sw_parcel_result(&parcel, 6, bytes, length));
    CU_ASSERT_EQUAL(length[SW_SECTION_WEIGHTS], 132);
    CU_ASSERT_PTR_EQUAL(bytes[SW_SECTION_WEIGHTS], sw_parcel_section(&parcel, SW_SECTION_WEIGHTS));
    CU_ASSERT_PTR_NULL(bytes[SW_SECTION_CURVES]);
    SW_TEST_FAILS(sw_parcel_result(&parcel, 5, bytes, length), SW_INTERNAL); /* another row */
    parcel.header->length[SW_SECTION_WEIGHTS] = 33 * 4 + 1;
    SW_TEST_FAILS(sw_parcel_result(&parcel, 6, bytes, length), SW_INTERNAL);
    parcel.header->length[SW_SECTION_WEIGHTS] = -1;
    SW_TEST_FAILS(sw_parcel_result(&parcel, 6, bytes, length), SW_INTERNAL);
    sw_parcel_close(&parcel);
}

static void a_malformed_parcel_is_refused(void) {
    struct sw_parcel parcel, other;
    int file = dup(STDERR_FILENO);
    SW_TEST_FAILS(sw_parcel_map(file, &other), SW_INTERNAL);
    open_parcel(&parcel);
    parcel.header->input[1].offset = parcel.header->total - 199;
    SW_TEST_FAILS(sw_parcel_map(dup(parcel.fd), &other), SW_INTERNAL);
    parcel.header->input[1].offset = INT64_MAX;
    SW_TEST_FAILS(sw_parcel_map(dup(parcel.fd), &other), SW_INTERNAL);
    parcel.header->n_inputs = SW_PARCEL_INPUTS + 1;
    SW_TEST_FAILS(sw_parcel_map(dup(parcel.fd), &other), SW_INTERNAL);
    parcel.header->n_inputs = 0;
    parcel.header->task.plan.length[SW_SECTION_MASK] = 1 << 20; /* more than there is */
    SW_TEST_FAILS(sw_parcel_map(dup(parcel.fd), &other), SW_INTERNAL);
    sw_parcel_close(&parcel);
}

/* ---- clock ----------------------------------------------------------------------------------- */

static void time_that_was_slept_through_does_not_count(void) {
    struct sw_times times = {0, 0};
    sw_times_advance(&times);
    CU_ASSERT_TRUE(times.now > 0);
    times.patient = 0;
    times.now -= 100; /* as if this process had been stopped for that long */
    sw_times_advance(&times);
    CU_ASSERT_EQUAL(times.patient, SW_PATIENT_STEP);
    double before = times.now;
    sw_times_advance(&times);
    CU_ASSERT_TRUE(times.now >= before);
    CU_ASSERT_DOUBLE_EQUAL(times.patient, SW_PATIENT_STEP + (times.now - before), 1e-9);
}

int main(void) {
    static CU_TestInfo order[] = {
        {"the_longest_chain_comes_first", the_longest_chain_comes_first},
        {"equal_chains_keep_the_order_of_the_plan", equal_chains_keep_the_order_of_the_plan},
        {"warm_rounds_do_not_delay_the_end", warm_rounds_do_not_delay_the_end},
        {"a_worker_goes_on_unless_a_longer_chain_is_urgent",
         a_worker_goes_on_unless_a_longer_chain_is_urgent},
        {"a_failure_blocks_what_needs_it", a_failure_blocks_what_needs_it},
        {"a_shared_failure_fails_every_user", a_shared_failure_fails_every_user},
        {"a_store_is_taken_up_where_it_stands", a_store_is_taken_up_where_it_stands},
        {"a_lost_round_is_handed_out_again", a_lost_round_is_handed_out_again},
        CU_TEST_INFO_NULL};
    static CU_TestInfo messages[] = {
        {"every_kind_of_message_passes", every_kind_of_message_passes},
        {"rows_outside_the_sweep_are_refused", rows_outside_the_sweep_are_refused},
        {"garbled_messages_are_refused", garbled_messages_are_refused},
        CU_TEST_INFO_NULL};
    static CU_TestInfo memory[] = {
        {"both_sides_see_the_same_parcel", both_sides_see_the_same_parcel},
        {"a_result_is_believed_only_when_it_fits", a_result_is_believed_only_when_it_fits},
        {"a_malformed_parcel_is_refused", a_malformed_parcel_is_refused},
        CU_TEST_INFO_NULL};
    static CU_TestInfo clocks[] = {
        {"time_that_was_slept_through_does_not_count", time_that_was_slept_through_does_not_count},
        CU_TEST_INFO_NULL};
    static CU_SuiteInfo suites[] = {{"order", NULL, NULL, NULL, NULL, order},
                                    {"messages", NULL, NULL, NULL, NULL, messages},
                                    {"memory", NULL, NULL, NULL, NULL, memory},
                                    {"clocks", NULL, NULL, NULL, NULL, clocks},
                                    CU_SUITE_INFO_NULL};
    return sw_test_main("test_sched_parts", suites);
}
