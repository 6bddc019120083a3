/* Signs of earlier weights that a training is held against, one bit per weight that the mask keeps. */
#include "trial_run.h"

#include <math.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

/* Layer after layer, in the order in which a network has its kept weights; 1 is positive. */
static enum sw_status take_signs(const struct sw_trial_run *run, const float *theta,
                                 uint8_t **out) {
    int64_t n = 0;
    SW_TRY(SW_ALLOC(out, (size_t) sw_mask_bytes(run->record.result.nnz), "signs of weights"));
    for (int64_t l = 0; l < run->arch.n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(&run->arch, l);
        for (int64_t i = 0; i < layer->count; i++) {
            if (!sw_mask_get(run->mask + layer->mask_offset, i)) continue;
            if (!signbit(theta[layer->offset + i])) (*out)[n / 8] |= (uint8_t) (1u << (n % 8));
            n++;
        }
    }
    return SW_OK;
}

bool sw_trial_watches_signs(const struct sw_trial_spec *spec) {
    return sw_watch_has(spec->monitor, "signs");
}

enum sw_status sw_trial_watch_signs(struct sw_trial_run *run) {
    const struct sw_trial_spec *spec = &run->task->spec;
    uint8_t *theta0 = NULL, *start = NULL;
    enum sw_status status = SW_OK;
    if (!sw_trial_watches_signs(spec)) return SW_OK;
    SW_TRY_TO(take_signs(run, run->theta0, &theta0), status, cleanup);
    SW_TRY_TO(take_signs(run, sw_trial_start_weights(run), &start), status, cleanup);
    SW_TRY_TO(sw_signs_create(run->net, theta0, start, spec->signin_beta, &run->signs), status,
              cleanup);
    run->watch.signs = run->signs;
cleanup:
    SW_FREE(&theta0);
    SW_FREE(&start);
    return status;
}

bool sw_trial_needs_dense(const struct sw_round_task *task) {
    return sw_train_sign_reference(&task->spec, task->plan.round) == SW_SIGN_DENSE;
}

/* Nothing is removed in the dense round: its survivors are all parameters in order. */
static enum sw_status take_dense_signs(struct sw_trial_run *run) {
    const size_t n = (size_t) run->arch.parameters;
    float *theta = NULL;
    enum sw_status status = SW_OK;
    SW_TRY_TO(SW_ALLOC(&theta, n, "weights of the dense round"), status, cleanup);
    SW_TRY_TO(run->sink->load(run->sink->context, run->task->dense_row, SW_SECTION_WEIGHTS, 0,
                              theta, n * sizeof *theta),
              status, cleanup);
    SW_TRY_TO(take_signs(run, theta, &run->forced), status, cleanup);
cleanup:
    SW_FREE(&theta);
    return status;
}

enum sw_status sw_trial_make_signs(struct sw_trial_run *run) {
    switch (sw_train_sign_reference(&run->task->spec, run->task->plan.round)) {
    case SW_SIGN_NONE:
        return SW_OK;
    case SW_SIGN_THETA0:
        return take_signs(run, run->theta0, &run->forced);
    case SW_SIGN_REWIND:
        return take_signs(run, sw_trial_start_weights(run), &run->forced);
    case SW_SIGN_DENSE:
        break;
    }
    return take_dense_signs(run);
}
