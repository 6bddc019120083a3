/* What ranks tell each other while a sweep runs. Every message is one struct sw_message.
 *
 *     worker                          coordinator
 *       READY  (I have no round)  -->
 *              <--  ASSIGN row, attempt            <-- PULSE every few seconds (rank 0 lives)
 *       BEAT every second         -->
 *       NOTICE (a trainer crashed)-->
 *       RESULT row (and READY)    -->
 *              <--  SAVE (checkpoint, end)
 *       RESULT row, STOPPED       -->
 *              <--  RELEASE (drop what you do)
 *       BYE (I write no more)     -->
 *              <--  END outcome
 *
 * A worker that cannot go on says LEAVE and answers RELEASE all the same. */
#pragma once

#include "sweepstake/comm.h"
#include "sweepstake/sweep.h"

enum sw_message_kind {
    SW_MESSAGE_READY = 1, /* first of the messages to the coordinator */
    SW_MESSAGE_BEAT,
    SW_MESSAGE_NOTICE,
    SW_MESSAGE_RESULT,
    SW_MESSAGE_LEAVE,
    SW_MESSAGE_BYE,
    SW_MESSAGE_ASSIGN, /* first of the messages to a worker */
    SW_MESSAGE_PULSE,
    SW_MESSAGE_SAVE,
    SW_MESSAGE_RELEASE,
    SW_MESSAGE_END,
    SW_MESSAGE_KINDS
};

enum sw_activity {
    SW_ACTIVITY_IDLE,
    SW_ACTIVITY_TRAINING,
    SW_ACTIVITY_STORE, /* reading or writing the store: may be silent for long */
    SW_ACTIVITY_COUNT
};

struct sw_message {
    uint32_t magic;
    uint32_t kind;
    int64_t run;         /* which call of sw_sched_run; a late message of the last one is dropped */
    int64_t row;         /* BEAT (-1 when idle), NOTICE, RESULT, ASSIGN */
    int64_t attempt;     /* ASSIGN: from 1, lost workers counted */
    int64_t activity;    /* BEAT: enum sw_activity */
    int64_t step, steps; /* BEAT: how far the training is */
    int64_t status; /* RESULT: SW_OK when committed, SW_STOPPED when given back as SAVE asked, else
                       why the sweep has to stop; LEAVE, END */
    int64_t flag;   /* RESULT: 1 when committed as failed; END: 1 when every rank is there */
    double seconds; /* RESULT: from assignment to the last write */
    char text[424]; /* NOTICE, RESULT, LEAVE, END: for a person */
    double
        waited; /* RESULT: from the result before it to the assignment of this round; 0: unknown */
};
_Static_assert(sizeof(struct sw_message) == SW_MESSAGE_BYTES, "messages have one size");

/* An empty message. */
struct sw_message sw_message_make(enum sw_message_kind kind, int64_t run);

/* True for a whole, sensible message of this run; everything else is dropped by the receiver. */
bool sw_message_check(const struct sw_message *message, int64_t run, int64_t n_rounds);

/* True when the message is for the coordinator. */
bool sw_message_is_for_coordinator(const struct sw_message *message);
