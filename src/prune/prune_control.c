/* Masks of the controls: what a ticket's mask is compared with. Both kinds keep the counts of every
 * layer and depend on nothing but the seed, the round and the ticket's mask. */
#include "sweepstake/prune.h"

#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/net.h"
#include "sweepstake/random.h"

/* One layer of a control. */
struct draw {
    uint64_t seed, stream;
    const struct sw_param *layer;
    const uint8_t *ticket; /* the layer's part of the mask */
    uint8_t *mask;         /* the same of the new one, all bits clear */
};

static void set_bit(uint8_t *mask, int64_t index) {
    mask[index >> 3] |= (uint8_t) (1U << (index & 7));
}

/* As many weights as the ticket keeps, those with the highest of as many random numbers. */
static enum sw_status draw_random(const struct draw *draw) {
    float *scores = NULL;
    int64_t count = draw->layer->count;
    SW_TRY(SW_ALLOC(&scores, (size_t) count, "random scores"));
    for (int64_t i = 0; i < count; i++)
        scores[i] = (float) sw_random_uniform(draw->seed, SW_RANDOM_MASK, draw->stream,
                                              (uint64_t) i);
    sw_mask_fill(draw->mask, count);
    enum sw_status status = sw_prune_select(scores, count, sw_mask_count(draw->ticket, count),
                                            draw->mask);
    SW_FREE(&scores);
    return status;
}

/* Weight i gets the place of weight order[i]. */
static enum sw_status draw_shuffle(const struct draw *draw) {
    int32_t *order = NULL;
    int64_t count = draw->layer->count;
    SW_TRY(SW_ALLOC(&order, (size_t) count, "an order of the weights"));
    sw_random_permutation(draw->seed, SW_RANDOM_SHUFFLE, draw->stream, order, count);
    for (int64_t i = 0; i < count; i++)
        if (sw_mask_get(draw->ticket, i)) set_bit(draw->mask, order[i]);
    SW_FREE(&order);
    return SW_OK;
}

enum sw_status sw_prune_control_mask(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                     enum sw_control control, int64_t round, const uint8_t *ticket,
                                     uint8_t *mask) {
    if (control != SW_CONTROL_RANDOM && control != SW_CONTROL_SHUFFLE) {
        memcpy(mask, ticket, (size_t) arch->mask_bytes);
        return SW_OK;
    }
    memset(mask, 0, (size_t) arch->mask_bytes);
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        struct draw draw = {.seed = (uint64_t) spec->seed,
                            .stream = (uint64_t) round << 32 | (uint64_t) l,
                            .layer = layer,
                            .ticket = ticket + layer->mask_offset,
                            .mask = mask + layer->mask_offset};
        SW_TRY(control == SW_CONTROL_RANDOM ? draw_random(&draw) : draw_shuffle(&draw));
    }
    return SW_OK;
}
