/* Signs of life during the collective start. Nobody is told that a rank has died, and one that reads a large
 * data set is silent in collective calls for minutes: so whoever waits or works says every second that it
 * lives, the others to rank 0 and rank 0 to all. Rank 0 judges the others and tells everybody; they judge
 * rank 0. */
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "comm_impl.h"
#include "sweepstake/comm.h"
#include "sweepstake/memory.h"
#include "sweepstake/system.h"
#include "sweepstake/text.h"

#define BEAT_TAG 2
#define BEAT_SECONDS 1.0
#define PATIENCE_SECONDS 60.0
#define LOOK_SECONDS 0.005 /* between two looks while the work goes on */
#define TELL_SECONDS 1.0   /* for the verdict to leave */

/* What a rank says: that it lives, or, with a text, why the start has failed. */
struct beat {
    int64_t status; /* enum sw_status */
    char text[SW_MESSAGE_BYTES - sizeof(int64_t)];
};
_Static_assert(sizeof(struct beat) == SW_MESSAGE_BYTES, "one message");

static struct {
    double patience;
    enum sw_status (*meanwhile)(void *context);
    void *context;
    struct sw_inbox *inbox;
    double *heard; /* [size] patient seconds of the last sign */
    double now, patient, said_at;
    int speaker;
} beats = {.patience = PATIENCE_SECONDS};

/* ---- start and end --------------------------------------------------------------------------- */

enum sw_status sw_comm_beats_open(void) {
    SW_TRY(SW_ALLOC(&beats.heard, (size_t) sw_comm_size(), "ranks"));
    beats.now = sw_clock_monotonic();
    return sw_comm_open_tagged(-1, BEAT_TAG, &beats.inbox);
}

void sw_comm_beats_close(void) {
    sw_inbox_close(&beats.inbox);
    SW_FREE(&beats.heard);
}

void sw_comm_set_patience(double seconds) {
    beats.patience = seconds;
}

void sw_comm_set_meanwhile(enum sw_status (*meanwhile)(void *context), void *context) {
    beats.meanwhile = meanwhile;
    beats.context = context;
}

int sw_comm_speaker(void) {
    return beats.speaker;
}

/* ---- saying ---------------------------------------------------------------------------------- */

/* A message that cannot be sent is missed by its receiver, who judges that himself. */
static void say(const struct beat *beat) {
    int end = sw_comm_rank() == 0 ? sw_comm_size() : 1;
    enum sw_status status = SW_OK;
    for (int rank = sw_comm_rank() == 0 ? 1 : 0; rank < end && status != SW_NOMEM; rank++)
        status = sw_comm_send_tagged(rank, BEAT_TAG, beat);
}

static enum sw_status give_up(enum sw_status status) {
    struct beat beat = {.status = (int64_t) status};
    SW_TEXT_COPY(beat.text, sw_status_text());
    sw_comm_break(status);
    if (sw_comm_rank() != 0) return status;
    say(&beat);
    (void) sw_comm_flush(TELL_SECONDS);
    return sw_comm_check_whole();
}

static enum sw_status say_that_we_live(void) {
    struct beat beat = {.status = SW_OK};
    if (beats.now - beats.said_at < fmin(BEAT_SECONDS, beats.patience / 4)) return SW_OK;
    beats.said_at = beats.now;
    say(&beat);
    return beats.meanwhile != NULL ? beats.meanwhile(beats.context) : SW_OK;
}

/* ---- hearing --------------------------------------------------------------------------------- */

static enum sw_status listen(void) {
    bool got = true;
    while (got) {
        struct beat beat;
        int source;
        SW_TRY(sw_inbox_poll(beats.inbox, &got, &source, &beat));
        if (!got) break;
        beats.heard[source] = beats.patient;
        beat.text[sizeof beat.text - 1] = '\0';
        if (beat.status != SW_OK) return SW_FAIL((enum sw_status) beat.status, "%s", beat.text);
    }
    return SW_OK;
}

static enum sw_status judge(void) {
    int end = sw_comm_rank() == 0 ? sw_comm_size() : 1;
    for (int rank = sw_comm_rank() == 0 ? 1 : 0; rank < end; rank++) {
        double silence = beats.patient - beats.heard[rank];
        if (silence <= beats.patience) continue;
        if (rank == 0) beats.speaker = 1;
        return SW_FAIL(SW_INTERNAL,
                       "rank %d was not heard for %.3g s while the sweep started: it has died, or "
                       "its machine hangs; run again with --resume",
                       rank, silence);
    }
    return SW_OK;
}

/* The patient clock stands still while this process is stopped: see there. */
static void advance(void) {
    double now = sw_clock_monotonic();
    beats.patient += fmin(now - beats.now, BEAT_SECONDS);
    beats.now = now;
}

enum sw_status sw_comm_pulse(void) {
    SW_TRY(sw_comm_check_whole());
    advance();
    enum sw_status status = say_that_we_live();
    if (status == SW_OK) status = listen();
    if (status == SW_OK) status = judge();
    return status == SW_OK ? SW_OK : give_up(status);
}

/* ---- working --------------------------------------------------------------------------------- */

struct work {
    enum sw_status (*run)(void *context);
    void *context;
    enum sw_status status;
    char text[4096];
    atomic_bool done;
};

/* The text of a failure is kept per thread. */
static void *work_alone(void *argument) {
    struct work *work = argument;
    work->status = work->run(work->context);
    SW_TEXT_COPY(work->text, sw_status_text());
    atomic_store(&work->done, true);
    return NULL;
}

/* Signals are for the thread that was there before. */
static bool start_thread(pthread_t *thread, struct work *work) {
    sigset_t all, before;
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(thread, NULL, work_alone, work) == 0;
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

enum sw_status sw_comm_work(enum sw_status (*run)(void *context), void *context) {
    struct work work = {.run = run, .context = context};
    pthread_t thread;
    enum sw_status mine = SW_OK;
    if (!start_thread(&thread, &work)) return run(context);
    /* After a failure the work has still to end. */
    while (!atomic_load(&work.done)) {
        if (mine == SW_OK) mine = sw_comm_pulse();
        sw_clock_sleep(LOOK_SECONDS);
    }
    (void) pthread_join(thread, NULL);
    if (mine != SW_OK) return mine;
    return work.status == SW_OK ? SW_OK : SW_FAIL(work.status, "%s", work.text);
}
