/* A training whose network is rebuilt for another mask: values and optimizer states go along. */
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "training.h"

/* One array of a parameter: from the weights that `before` keeps to those that `after` keeps. */
static enum sw_status regather(struct sw_hal *hal, const struct sw_param *param,
                               const uint8_t *before, const uint8_t *after, float *compact,
                               float *whole, struct sw_buffer **buffer) {
    const int64_t size = (int64_t) sizeof(float);
    int64_t bytes = sw_mask_count(before + param->mask_offset, param->count) * size;
    struct sw_buffer *made = NULL;
    enum sw_status status = SW_OK;
    SW_TRY(sw_hal_download(*buffer, 0, compact, bytes));
    (void) sw_mask_scatter(before + param->mask_offset, param->count, compact, whole);
    bytes = sw_mask_gather(after + param->mask_offset, param->count, whole, compact) * size;
    SW_TRY(sw_hal_alloc(hal, bytes, "optimizer state", &made));
    status = sw_hal_upload(made, 0, compact, bytes);
    if (status == SW_OK) {
        struct sw_buffer *old = *buffer;
        *buffer = made;
        made = old;
    }
    sw_hal_free(&made);
    return status;
}

static enum sw_status regather_all(struct sw_training *training, const uint8_t *before,
                                   float *compact, float *whole) {
    const struct sw_arch *arch = sw_net_arch(training->net);
    struct sw_optimizer_state *state = &training->optimizer;
    for (int64_t p = 0; p < state->n_params; p++) {
        if (!arch->params[p].prunable) continue;
        for (int s = 0; s < state->n_states; s++)
            SW_TRY(regather(sw_net_hal(training->net), &arch->params[p], before,
                            sw_net_mask(training->net), compact, whole,
                            &state->params[p].buffer[s]));
    }
    return SW_OK;
}

enum sw_status sw_train_reshape(struct sw_training *training, const uint8_t *mask) {
    const struct sw_arch *arch = sw_net_arch(training->net);
    const size_t bytes = (size_t) arch->mask_bytes;
    float *compact = NULL, *whole = NULL;
    uint8_t *before = NULL;
    int64_t largest = 0;
    enum sw_status status = SW_OK;
    for (int64_t l = 0; l < arch->n_layers; l++)
        if (sw_arch_layer(arch, l)->count > largest) largest = sw_arch_layer(arch, l)->count;
    SW_TRY_TO(SW_ALLOC(&before, bytes, "a mask"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&compact, (size_t) largest, "optimizer state"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&whole, (size_t) largest, "optimizer state"), status, cleanup);
    memcpy(before, sw_net_mask(training->net), bytes);
    SW_TRY_TO(sw_net_reshape(training->net, mask), status, cleanup);
    SW_TRY_TO(regather_all(training, before, compact, whole), status, cleanup);
    /* Sums of gradients are of one step only. */
    sw_accumulator_fini(&training->accumulator);
    training->accumulator = (struct sw_accumulator){0};
    SW_TRY_TO(sw_accumulator_init(training->net, training->spec, &training->accumulator), status,
              cleanup);
cleanup:
    SW_FREE(&before);
    SW_FREE(&compact);
    SW_FREE(&whole);
    return status;
}
