/* What ranks and trainers tell each other. The first byte of the input chooses:
 *     0  any bytes as a message, and then as one that the coordinator takes
 *     1  a simulated sweep: workers that are slow, lost, killed or back again, and messages that are late, as
 *        the input says; what is left must end, with every round done that can be
 *     2  any bytes as what a trainer left in the memory that it shares with its rank */
#include <math.h>
#include <string.h>

#include "../../src/sched/coordinator.h"
#include "../../src/sched/parcel.h"
#include "../support/small_sweep.h"
#include "sim_ranks.h"
#include "support.h"
#include "sweepstake/memory.h"

#define RUN 7
#define LOST_SECONDS 30.0
#define PATIENCE 3000 /* half seconds within which a sweep has to end by itself */

static struct sw_sweep sweep;
static const struct sw_sched_options options = {.threads = 1, .attempts = 2};

/* An assignment makes sense: its parent is there, nobody did it before. */
static const struct sw_ledger *current;
static void check_assignment(int64_t row) {
    const struct sw_ledger *ledger = current;
    int64_t parent = sweep.rounds[row].parent;
    FUZZ_PROMISE(ledger->phase[row] == SW_PHASE_RUNNING && ledger->attempts[row] >= 1);
    FUZZ_PROMISE(parent < 0 || ledger->phase[parent] == SW_PHASE_DONE);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void) argc, (void) argv;
    sw_small_sweep(&sweep, 1, 0.8);
    sim_on_assign = check_assignment;
    return 0;
}

/* ---- the coordinator ------------------------------------------------------------------------ */

static void take_notice(void *context, const char *text) {
    (void) context;
    FUZZ_PROMISE(text[0] != '\0');
}

static void take_tick(void *context, const struct sw_sched_view *view) {
    (void) context;
    FUZZ_PROMISE(view->done >= 0 && view->done <= view->total && view->total == sweep.n_rounds);
    FUZZ_PROMISE(view->running >= 0 && view->workers >= 0 && !(view->eta < 0));
}

static const struct sw_sched_observer observer = {.tick = take_tick, .notice = take_notice};
static const struct sw_site site = {
    .sweep = &sweep, .options = &options, .lost_seconds = LOST_SECONDS, .run = RUN};

/* `found`: a bit per round that the store is said to hold already. */
static void open_coordinator(struct sw_coordinator *coordinator, const struct sw_times *times,
                             unsigned found, unsigned failed) {
    FUZZ_PROMISE(sw_coordinator_open(&site, &observer, NULL, times, coordinator) == SW_OK);
    current = &coordinator->ledger;
    for (int64_t row = 0; row < sweep.n_rounds; row++)
        if ((found >> row & 1) != 0)
            sw_ledger_found(&coordinator->ledger, row, (failed >> row & 1) != 0);
    FUZZ_PROMISE(sw_ledger_start(&coordinator->ledger) == SW_OK);
}

static bool is_held(const struct sw_coordinator *coordinator, int64_t row) {
    for (int rank = coordinator->first; rank < coordinator->n_ranks; rank++)
        if (coordinator->seats[rank].row == row && !coordinator->seats[rank].lost) return true;
    return false;
}

/* `honest`: workers say only what they do. A running round that nobody holds would then be waited for for
 * ever. */
static void check_books(const struct sw_coordinator *coordinator, bool honest) {
    const struct sw_ledger *ledger = &coordinator->ledger;
    int64_t count[SW_PHASE_BLOCKED + 1] = {0};
    for (int rank = coordinator->first; rank < coordinator->n_ranks; rank++)
        FUZZ_PROMISE(coordinator->seats[rank].row >= -1 &&
                     coordinator->seats[rank].row < sweep.n_rounds);
    for (int64_t row = 0; row < sweep.n_rounds; row++) {
        FUZZ_PROMISE(ledger->phase[row] <= SW_PHASE_BLOCKED);
        count[ledger->phase[row]]++;
        if (honest && ledger->phase[row] == SW_PHASE_RUNNING)
            FUZZ_PROMISE(is_held(coordinator, row));
    }
    FUZZ_PROMISE(memcmp(count, ledger->n_phase, sizeof count) == 0);
}

static void check_end(const struct sw_coordinator *coordinator) {
    const struct sw_message *end = &coordinator->end;
    FUZZ_PROMISE(sw_message_check(end, RUN, sweep.n_rounds) && end->kind == SW_MESSAGE_END);
    FUZZ_PROMISE(end->status == SW_OK || end->text[0] != '\0');
    if (end->status == SW_OK || end->status == SW_PARTIAL)
        FUZZ_PROMISE(sw_ledger_is_complete(&coordinator->ledger));
    FUZZ_PROMISE((end->status == SW_PARTIAL) <= (coordinator->ledger.failed_trials > 0));
}

static void step(struct sw_coordinator *coordinator, const struct sw_times *times) {
    bool busy = false;
    FUZZ_PROMISE(sw_coordinator_step(coordinator, times, &busy) == SW_OK);
    check_books(coordinator, true);
}

static void deliver(struct sw_coordinator *coordinator, int rank, const struct sw_times *times) {
    struct sw_message message;
    if (!sim_take_sent(rank, &message)) return;
    FUZZ_PROMISE(sw_message_check(&message, RUN, sweep.n_rounds));
    FUZZ_PROMISE(sw_message_is_for_coordinator(&message));
    FUZZ_PROMISE(sw_coordinator_take(coordinator, rank, &message, times) == SW_OK);
    check_books(coordinator, true);
}

/* ---- 0: any message ------------------------------------------------------------------------- */

static void take_any_messages(struct fuzz_input *input) {
    struct sw_times times = {1, 1};
    struct sw_coordinator coordinator;
    sim_reset(1 + 2);
    open_coordinator(&coordinator, &times, 0, 0);
    while (input->left > 0) {
        struct sw_message message = sw_message_make(fuzz_take_u8(input) % 16, RUN);
        size_t at = fuzz_take_number(input, 2) % sizeof message, length;
        const uint8_t *bytes = fuzz_take_bytes(input, fuzz_take_u8(input), &length);
        bool busy = false;
        if (length > sizeof message - at) length = sizeof message - at;
        message.row = (int64_t) (at % 8) - 1;
        if (length > 0) memcpy((char *) &message + at, bytes, length);
        int rank = (int) (at % 4);
        times.now += 0.5;
        if (!sw_message_check(&message, RUN, sweep.n_rounds)) continue;
        FUZZ_PROMISE(message.row >= -1 || message.kind != SW_MESSAGE_BEAT);
        FUZZ_PROMISE(strnlen(message.text, sizeof message.text) < sizeof message.text);
        if (!sw_message_is_for_coordinator(&message)) continue;
        FUZZ_PROMISE(sw_coordinator_take(&coordinator, rank, &message, &times) == SW_OK);
        FUZZ_PROMISE(sw_coordinator_step(&coordinator, &times, &busy) == SW_OK);
        check_books(&coordinator, false);
    }
    sw_coordinator_close(&coordinator);
}

/* ---- 1: a sweep ----------------------------------------------------------------------------- */

enum event {
    EVENT_HEAR,  /* a worker takes its next message */
    EVENT_SPEAK, /* the coordinator takes a worker's next message */
    EVENT_DONE,  /* a worker commits its round */
    EVENT_FAIL,  /* ... as failed */
    EVENT_BEAT,
    EVENT_NOTICE,
    EVENT_STEP,
    EVENT_TIME,
    EVENT_KILL,
    EVENT_LEAVE,
    EVENT_FULL, /* a worker cannot write: the sweep stops */
    EVENT_STOP, /* a signal */
    EVENT_COUNT
};

static void act(struct sw_coordinator *coordinator, struct fuzz_input *input,
                struct sw_times *times) {
    uint8_t event = fuzz_take_u8(input) % EVENT_COUNT, value = fuzz_take_u8(input);
    int rank = 1 + value % (sim_size - 1);
    switch ((enum event) event) {
    case EVENT_HEAR:
        sim_hear(rank);
        break;
    case EVENT_SPEAK:
        deliver(coordinator, rank, times);
        break;
    case EVENT_DONE:
    case EVENT_FAIL:
        sim_finish(rank, SW_OK, event == EVENT_FAIL);
        break;
    case EVENT_BEAT:
        sim_beat(rank);
        break;
    case EVENT_NOTICE:
        sim_notice(rank);
        break;
    case EVENT_STEP:
        step(coordinator, times);
        break;
    case EVENT_TIME:
        times->now += 0.25 * value;
        times->patient += 0.25 * value;
        break;
    case EVENT_KILL:
        sim_ranks[rank].dead = true;
        break;
    case EVENT_LEAVE:
        sim_leave(rank);
        break;
    case EVENT_FULL:
        sim_finish(rank, SW_IO, false);
        break;
    case EVENT_STOP:
        sw_coordinator_stop(coordinator, SW_STOPPED, "SIGUSR1", 0.5 * value, times);
        break;
    case EVENT_COUNT:
        break;
    }
}

/* From here on nothing goes wrong any more: everybody who lives does what is to be done. */
static void go_on(struct sw_coordinator *coordinator, struct sw_times *times) {
    for (int rank = 1; rank < sim_size; rank++) {
        for (int i = 0; i < SIM_QUEUE; i++)
            sim_hear(rank);
        sim_finish(rank, SW_OK, false);
        sim_beat(rank);
        for (int i = 0; i < SIM_QUEUE; i++)
            deliver(coordinator, rank, times);
    }
    step(coordinator, times);
    times->now += 0.5;
    times->patient += 0.5;
}

static void run_sweep(struct fuzz_input *input) {
    struct sw_times times = {1, 1};
    struct sw_coordinator coordinator;
    uint8_t setting = fuzz_take_u8(input);
    unsigned found = fuzz_take_u8(input), failed = fuzz_take_u8(input);
    sim_reset(2 + setting % 4);
    for (int rank = 1; rank < sim_size; rank++)
        sim_say(rank, sw_message_make(SW_MESSAGE_READY, RUN));
    open_coordinator(&coordinator, &times, found, failed & found);
    while (input->left > 0)
        act(&coordinator, input, &times);
    for (int i = 0; i < PATIENCE && coordinator.state != SW_COORDINATOR_ENDED; i++)
        go_on(&coordinator, &times);
    FUZZ_PROMISE(coordinator.state == SW_COORDINATOR_ENDED);
    check_end(&coordinator);
    if (coordinator.stop == SW_OK) FUZZ_PROMISE(sw_ledger_is_complete(&coordinator.ledger));
    sw_coordinator_close(&coordinator);
}

/* ---- 2: a trainer's memory ------------------------------------------------------------------ */

static void read_parcel(struct fuzz_input *input) {
    static struct sw_round_task task;
    struct sw_parcel parcel;
    int64_t row = fuzz_take_u8(input) % SW_SMALL_ROUNDS;
    const void *bytes[SW_SECTION_COUNT];
    size_t length[SW_SECTION_COUNT];
    task.plan = sweep.rounds[row];
    struct sw_parcel_need need = {.task = &task};
    FUZZ_PROMISE(sw_parcel_create(&need, &parcel) == SW_OK);
    struct sw_round_record *record = sw_parcel_section(&parcel, SW_SECTION_RECORD);
    record->result.row = row;
    for (int s = 0; s < SW_SECTION_COUNT; s++)
        parcel.header->length[s] = (int64_t) fuzz_take_number(input, 8);
    if ((fuzz_take_u8(input) & 1) != 0)
        parcel.header->length[SW_SECTION_RECORD] = (int64_t) sizeof *record;
    enum sw_status status = sw_parcel_result(&parcel, row, bytes, length);
    for (int s = 0; status == SW_OK && s < SW_SECTION_COUNT; s++) {
        FUZZ_PROMISE(length[s] <= parcel.layout.bytes[s]);
        FUZZ_PROMISE(length[s] == 0 || bytes[s] != NULL);
        if (length[s] > 0) (void) sw_digest_of(bytes[s], length[s]);
    }
    if (status != SW_OK) fuzz_promise_failure(status, 1U << SW_INTERNAL);
    sw_parcel_close(&parcel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = {data, size};
    switch (fuzz_take_u8(&input) % 3) {
    case 0:
        take_any_messages(&input);
        break;
    case 1:
        run_sweep(&input);
        break;
    default:
        read_parcel(&input);
        break;
    }
    return 0;
}
