/* The state of a running training as plain bytes, and back. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "sweepstake/memory.h"
#include "training.h"

#define FLOAT_BYTES ((int64_t) sizeof(float))

struct saved_header {
    int64_t done, steps; /* of the training */
    int64_t points;      /* of the curve */
    int64_t samples;     /* trained on since the last evaluation */
    int64_t survivors;
    int64_t states; /* arrays float[survivors] of the optimizer */
    double loss_sum, train_seconds, evaluate_seconds;
};

/* ---- sizes ---------------------------------------------------------------------------------- */

int64_t sw_train_saved_bytes(const struct sw_trial_spec *spec, int64_t survivors, int64_t points) {
    return (int64_t) sizeof(struct saved_header) +
           points * (int64_t) sizeof(struct sw_curve_point) + survivors * FLOAT_BYTES +
           sw_train_state_bytes(spec, survivors);
}

static int64_t clip_bytes(const struct sw_training *training) {
    return sw_train_clip_bytes(training->spec, sw_net_arch(training->net)->n_layers);
}

/* All of a training after that many evaluations. */
static int64_t all_bytes(const struct sw_training *training, int64_t points) {
    return sw_train_saved_bytes(training->spec, sw_net_survivors(training->net), points) +
           clip_bytes(training);
}

int64_t sw_train_bytes_now(const struct sw_training *training) {
    return all_bytes(training, training->outcome.points);
}

static int64_t curve_bytes(int64_t points) {
    return points * (int64_t) sizeof(struct sw_curve_point);
}

/* ---- optimizer ------------------------------------------------------------------------------ */

/* Array s of all parameters that train, one after the other, as the values of the survivors stand. */
static enum sw_status get_state(const struct sw_training *training, int s, char *out) {
    const struct sw_optimizer_state *state = &training->optimizer;
    for (int64_t p = 0; p < state->n_params; p++) {
        if (state->params[p].buffer[s] == NULL) continue;
        int64_t bytes = sw_hal_bytes(state->params[p].buffer[s]);
        SW_TRY(sw_hal_download(state->params[p].buffer[s], 0, out, bytes));
        out += bytes;
    }
    return SW_OK;
}

static enum sw_status set_state(const struct sw_training *training, int s, const char *from) {
    const struct sw_optimizer_state *state = &training->optimizer;
    for (int64_t p = 0; p < state->n_params; p++) {
        if (state->params[p].buffer[s] == NULL) continue;
        int64_t bytes = sw_hal_bytes(state->params[p].buffer[s]);
        SW_TRY(sw_hal_upload(state->params[p].buffer[s], 0, from, bytes));
        from += bytes;
    }
    return SW_OK;
}

/* ---- out ------------------------------------------------------------------------------------ */

static struct saved_header describe(const struct sw_training *training) {
    return (struct saved_header){.done = training->done,
                                 .steps = training->steps,
                                 .points = training->outcome.points,
                                 .samples = training->samples,
                                 .survivors = sw_net_survivors(training->net),
                                 .states = training->optimizer.n_states,
                                 .loss_sum = training->loss_sum,
                                 .train_seconds = sw_training_seconds(training),
                                 .evaluate_seconds = training->outcome.evaluate_seconds};
}

enum sw_status sw_train_save(const struct sw_training *training, void *out, int64_t bytes) {
    const struct saved_header header = describe(training);
    const int64_t array = header.survivors * FLOAT_BYTES;
    char *next = out;
    if (bytes != sw_train_bytes_now(training))
        return SW_FAIL(SW_INTERNAL, "a training needs %lld bytes to be saved, not %lld",
                       (long long) sw_train_bytes_now(training), (long long) bytes);
    memcpy(next, &header, sizeof header);
    next += sizeof header;
    memcpy(next, training->curve, (size_t) curve_bytes(header.points));
    next += curve_bytes(header.points);
    SW_TRY(sw_net_get_survivors(training->net, (float *) (void *) next));
    for (int s = 0; s < training->optimizer.n_states; s++) {
        next += array;
        SW_TRY(get_state(training, s, next));
    }
    sw_clip_save(&training->clip, next + array);
    return SW_OK;
}

/* ---- back ----------------------------------------------------------------------------------- */

/* Evaluations that are over after `done` steps. */
static int64_t points_after(const struct sw_training *training, int64_t done) {
    int64_t every = training->spec->train_evaluate_every;
    return 1 + done / every - training->hooks.first_step / every +
           (done == training->steps && done % every != 0);
}

/* Samples of the first `step` steps: the last step of an epoch may have fewer. */
static int64_t samples_of(const struct sw_training *training, int64_t step) {
    return step / training->epoch_steps * training->data->count[SW_SPLIT_TRAIN] +
           step % training->epoch_steps * training->spec->train_batch;
}

/* Samples since the last evaluation after `done` steps. */
static int64_t samples_after(const struct sw_training *training, int64_t done) {
    int64_t every = training->spec->train_evaluate_every;
    int64_t evaluated = done / every * every;
    if (done == training->steps) return 0;
    if (evaluated < training->hooks.first_step) evaluated = training->hooks.first_step;
    return samples_of(training, done) - samples_of(training, evaluated);
}

static bool is_duration(double seconds) {
    return isfinite(seconds) && seconds >= 0;
}

/* A state of this very training? Whatever passes is safe to go on with. */
static bool fits(const struct sw_training *training, const struct saved_header *header,
                 const char *from, int64_t bytes) {
    const struct saved_header now = describe(training);
    const char *clipping = from + bytes - clip_bytes(training);
    return header->steps == now.steps && header->done > training->hooks.first_step &&
           header->done <= now.steps && header->points == points_after(training, header->done) &&
           header->samples == samples_after(training, header->done) &&
           header->survivors == now.survivors && header->states == now.states &&
           is_duration(header->train_seconds) && is_duration(header->evaluate_seconds) &&
           bytes == all_bytes(training, header->points) &&
           sw_clip_fits(&training->clip, clipping, header->done - training->hooks.first_step);
}

static void put_back(struct sw_training *training, const struct saved_header *header) {
    training->done = header->done;
    training->loss_sum = header->loss_sum;
    training->samples = header->samples;
    training->earlier = header->train_seconds;
    training->outcome.points = header->points;
    training->outcome.evaluate_seconds = header->evaluate_seconds;
    if (training->done % training->epoch_steps != 0) sw_training_order(training, training->done);
}

enum sw_status sw_train_restore(struct sw_training *training, const void *from, int64_t bytes,
                                int64_t *done) {
    struct saved_header header;
    const char *next = from;
    if (bytes < (int64_t) sizeof header)
        return SW_FAIL(SW_DAMAGED, "a saved training has at least %zu bytes, not %lld",
                       sizeof header, (long long) bytes);
    memcpy(&header, next, sizeof header);
    if (!fits(training, &header, from, bytes))
        return SW_FAIL(SW_DAMAGED, "%lld bytes that are no state of this training",
                       (long long) bytes);
    const int64_t array = header.survivors * FLOAT_BYTES;
    next += sizeof header;
    memcpy(training->curve, next, (size_t) curve_bytes(header.points));
    next += curve_bytes(header.points);
    SW_TRY(sw_net_set_survivors(training->net, (const float *) (const void *) next));
    for (int s = 0; s < training->optimizer.n_states; s++) {
        next += array;
        SW_TRY(set_state(training, s, next));
    }
    sw_clip_restore(&training->clip, next + array);
    put_back(training, &header);
    *done = header.done;
    return SW_OK;
}
