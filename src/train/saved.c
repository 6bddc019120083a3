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
    int64_t states;   /* arrays float[survivors] of the optimizer */
    int64_t factored; /* weights that have factors, and as many arrays again */
    double loss_sum, train_seconds, evaluate_seconds;
};

/* What happened to the weights of a layer so far. */
struct saved_layer {
    int64_t begun; /* as in struct sw_param_states */
    struct sw_sign_events events;
};

/* ---- sizes ---------------------------------------------------------------------------------- */

int64_t sw_train_saved_bytes(const struct sw_trial_spec *spec, const struct sw_train_extent *extent,
                             int64_t points) {
    return (int64_t) sizeof(struct saved_header) +
           points * (int64_t) sizeof(struct sw_curve_point) + extent->survivors * FLOAT_BYTES +
           sw_train_state_bytes(spec, extent) +
           extent->layers * (int64_t) sizeof(struct saved_layer);
}

static struct sw_train_extent measure(const struct sw_training *training) {
    struct sw_train_extent extent = {.survivors = sw_net_survivors(training->net),
                                     .layers = sw_net_arch(training->net)->n_layers};
    int64_t n_params = 0;
    const struct sw_net_param *params = sw_net_params(training->net, &n_params);
    for (int64_t p = 0; p < n_params; p++)
        if (training->optimizer.params[p].u != NULL) extent.factored += params[p].n;
    return extent;
}

static int64_t clip_bytes(const struct sw_training *training) {
    return sw_train_clip_bytes(training->spec, sw_net_arch(training->net)->n_layers);
}

/* All of a training after that many evaluations. */
static int64_t all_bytes(const struct sw_training *training, int64_t points) {
    const struct sw_train_extent extent = measure(training);
    return sw_train_saved_bytes(training->spec, &extent, points) + clip_bytes(training);
}

int64_t sw_train_bytes_now(const struct sw_training *training) {
    return all_bytes(training, training->outcome.points);
}

static int64_t curve_bytes(int64_t points) {
    return points * (int64_t) sizeof(struct sw_curve_point);
}

/* ---- optimizer ------------------------------------------------------------------------------ */

/* Where an array goes to, or comes from. */
struct place {
    char *out;
    const char *from; /* NULL: out */
};

static enum sw_status move(struct sw_buffer *buffer, struct place *place) {
    if (buffer == NULL) return SW_OK;
    int64_t bytes = sw_hal_bytes(buffer);
    if (place->from == NULL) {
        SW_TRY(sw_hal_download(buffer, 0, place->out, bytes));
        place->out += bytes;
        return SW_OK;
    }
    SW_TRY(sw_hal_upload(buffer, 0, place->from, bytes));
    place->from += bytes;
    return SW_OK;
}

/* Array s of all parameters that train, one after the other, as the values of the survivors stand. */
static enum sw_status move_state(const struct sw_training *training, int s, struct place place) {
    const struct sw_optimizer_state *state = &training->optimizer;
    for (int64_t p = 0; p < state->n_params; p++)
        SW_TRY(move(state->params[p].buffer[s], &place));
    return SW_OK;
}

/* Factors, and the arrays of the second ones; the place stands behind them then. */
static enum sw_status move_factors(const struct sw_training *training, struct place *place) {
    const struct sw_optimizer_state *state = &training->optimizer;
    for (int64_t p = 0; p < state->n_params; p++) {
        const struct sw_param_states *states = &state->params[p];
        SW_TRY(move(states->u, place));
        SW_TRY(move(states->w, place));
        for (int s = 0; s < state->n_states; s++)
            SW_TRY(move(states->twin[s], place));
    }
    return SW_OK;
}

static void get_layers(const struct sw_training *training, char *out) {
    int64_t n_params = 0;
    const struct sw_net_param *params = sw_net_params(training->net, &n_params);
    for (int64_t p = 0; p < n_params; p++) {
        const struct sw_param_states *states = &training->optimizer.params[p];
        const struct saved_layer layer = {states->begun, states->events};
        if (!params[p].param->prunable) continue;
        memcpy(out, &layer, sizeof layer);
        out += sizeof layer;
    }
}

static void set_layers(struct sw_training *training, const char *from) {
    int64_t n_params = 0;
    const struct sw_net_param *params = sw_net_params(training->net, &n_params);
    for (int64_t p = 0; p < n_params; p++) {
        struct sw_param_states *states = &training->optimizer.params[p];
        struct saved_layer layer;
        if (!params[p].param->prunable) continue;
        memcpy(&layer, from, sizeof layer);
        from += sizeof layer;
        states->begun = layer.begun;
        states->events = layer.events;
    }
}

/* They stand behind all but the state of clipping. */
static const char *layers_of(const struct sw_training *training, const char *from, int64_t bytes) {
    return from + bytes - clip_bytes(training) -
           sw_net_arch(training->net)->n_layers * (int64_t) sizeof(struct saved_layer);
}

/* Layers of a state after `done` steps? */
static bool are_layers(const struct sw_training *training, const char *from, int64_t done) {
    int64_t n = sw_net_arch(training->net)->n_layers;
    for (int64_t l = 0; l < n; l++) {
        struct saved_layer layer;
        memcpy(&layer, from + l * (int64_t) sizeof layer, sizeof layer);
        if (layer.begun < 0 || layer.begun > done - training->hooks.first_step ||
            layer.events.unbalanced < 0 || layer.events.flipped < 0 || layer.events.forced < 0)
            return false;
    }
    return true;
}

/* ---- out ------------------------------------------------------------------------------------ */

static struct saved_header describe(const struct sw_training *training) {
    const struct sw_train_extent extent = measure(training);
    return (struct saved_header){.done = training->done,
                                 .steps = training->steps,
                                 .points = training->outcome.points,
                                 .samples = training->samples,
                                 .survivors = extent.survivors,
                                 .states = training->optimizer.n_states,
                                 .factored = extent.factored,
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
        SW_TRY(move_state(training, s, (struct place){.out = next}));
    }
    struct place factors = {.out = next + array};
    SW_TRY(move_factors(training, &factors));
    get_layers(training, factors.out);
    sw_clip_save(&training->clip, (char *) out + bytes - clip_bytes(training));
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
           header->factored == now.factored && is_duration(header->train_seconds) &&
           is_duration(header->evaluate_seconds) && bytes == all_bytes(training, header->points) &&
           are_layers(training, layers_of(training, from, bytes), header->done) &&
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
        SW_TRY(move_state(training, s, (struct place){.from = next}));
    }
    struct place factors = {.from = next + array};
    SW_TRY(move_factors(training, &factors));
    set_layers(training, layers_of(training, from, bytes));
    sw_clip_restore(&training->clip, (const char *) from + bytes - clip_bytes(training));
    put_back(training, &header);
    *done = header.done;
    return SW_OK;
}
