#include "sim_ranks.h"

#include <string.h>

#include "support.h"
#include "sweepstake/comm.h"
#include "sweepstake/text.h"

struct sim_rank sim_ranks[SIM_RANKS];
int sim_size;
void (*sim_on_assign)(int64_t row);

static void put(struct sim_queue *queue, const struct sw_message *message) {
    FUZZ_PROMISE(queue->count < SIM_QUEUE);
    queue->message[(queue->first + queue->count++) % SIM_QUEUE] = *message;
}

static bool take(struct sim_queue *queue, struct sw_message *out) {
    if (queue->count == 0) return false;
    *out = queue->message[queue->first];
    queue->first = (queue->first + 1) % SIM_QUEUE;
    queue->count--;
    return true;
}

void sim_reset(int size) {
    FUZZ_PROMISE(size >= 2 && size <= SIM_RANKS);
    sim_size = size;
    memset(sim_ranks, 0, sizeof sim_ranks);
    for (int rank = 0; rank < SIM_RANKS; rank++)
        sim_ranks[rank].row = -1;
}

/* ---- in place of src/comm ------------------------------------------------------------------- */

int sw_comm_size(void) {
    return sim_size;
}

/* The coordinator speaks. A pulse changes nothing and would fill the queues. */
enum sw_status sw_comm_send(int rank, const void *bytes) {
    struct sw_message message;
    memcpy(&message, bytes, sizeof message);
    FUZZ_PROMISE(rank >= 1 && rank < sim_size && !sw_message_is_for_coordinator(&message));
    struct sim_rank *to = &sim_ranks[rank];
    if (message.kind == SW_MESSAGE_ASSIGN && sim_on_assign != NULL) sim_on_assign(message.row);
    to->run = message.run;
    if (to->heard.count == SIM_QUEUE) sim_hear(rank);
    if (message.kind != SW_MESSAGE_PULSE && !to->dead && to->state != SIM_ENDED)
        put(&to->heard, &message);
    return SW_OK;
}

/* ---- workers -------------------------------------------------------------------------------- */

void sim_say(int rank, struct sw_message message) {
    if (sim_ranks[rank].run == 0) sim_ranks[rank].run = message.run;
    message.run = sim_ranks[rank].run;
    put(&sim_ranks[rank].sent, &message);
}

bool sim_take_sent(int rank, struct sw_message *out) {
    return take(&sim_ranks[rank].sent, out);
}

/* No message is ever lost on its way: a worker with a full queue does nothing. */
static bool can_act(const struct sim_rank *worker) {
    return !worker->dead && worker->state != SIM_ENDED && worker->sent.count < SIM_QUEUE;
}

static void say(int rank, enum sw_message_kind kind, int64_t row, enum sw_status status, int flag) {
    struct sw_message message = sw_message_make(kind, sim_ranks[rank].run);
    message.row = row;
    message.status = status;
    message.flag = flag;
    SW_TEXT_COPY(message.text, "simulated");
    sim_say(rank, message);
}

void sim_hear(int rank) {
    struct sim_rank *worker = &sim_ranks[rank];
    struct sw_message message;
    if (!can_act(worker) || !take(&worker->heard, &message)) return;
    if (message.kind == SW_MESSAGE_ASSIGN && worker->state == SIM_IDLE) {
        worker->state = SIM_BUSY;
        worker->row = message.row;
    }
    if (message.kind == SW_MESSAGE_RELEASE) {
        worker->state = SIM_RELEASED;
        worker->row = -1;
        say(rank, SW_MESSAGE_BYE, -1, SW_OK, 0);
    }
    if (message.kind == SW_MESSAGE_END) worker->state = SIM_ENDED;
}

void sim_finish(int rank, enum sw_status status, bool failed) {
    struct sim_rank *worker = &sim_ranks[rank];
    if (!can_act(worker) || worker->state != SIM_BUSY) return;
    say(rank, SW_MESSAGE_RESULT, worker->row, status, failed ? 1 : 0);
    worker->state = SIM_IDLE;
    worker->row = -1;
}

void sim_beat(int rank) {
    struct sim_rank *worker = &sim_ranks[rank];
    if (!can_act(worker)) return;
    struct sw_message message = sw_message_make(SW_MESSAGE_BEAT, worker->run);
    message.row = worker->row;
    message.activity = worker->state == SIM_BUSY ? SW_ACTIVITY_TRAINING : SW_ACTIVITY_IDLE;
    sim_say(rank, message);
}

void sim_notice(int rank) {
    if (can_act(&sim_ranks[rank]) && sim_ranks[rank].state == SIM_BUSY)
        say(rank, SW_MESSAGE_NOTICE, sim_ranks[rank].row, SW_OK, 0);
}

void sim_leave(int rank) {
    struct sim_rank *worker = &sim_ranks[rank];
    if (!can_act(worker) || worker->state > SIM_BUSY) return;
    say(rank, SW_MESSAGE_LEAVE, worker->row, SW_INTERNAL, 0);
    worker->state = SIM_LEAVING;
    worker->row = -1;
}
