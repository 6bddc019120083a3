/* Masks of the controls: what a ticket's mask is compared with. They depend on nothing but the seed, the
 * round and the ticket's mask. */
#include "prune_internal.h"

#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/random.h"

struct control {
    const struct sw_trial_spec *spec;
    const struct sw_arch *arch;
    int64_t round;
    const uint8_t *ticket;
    uint8_t *mask;
};

static void set_bit(uint8_t *mask, int64_t index) {
    mask[index >> 3] |= (uint8_t) (1U << (index & 7));
}

static uint64_t stream_of(const struct control *control, int64_t l) {
    return (uint64_t) control->round << 32 | (uint64_t) l;
}

/* ---- random --------------------------------------------------------------------------------- */

static enum sw_status draw_scores(const struct control *control, int64_t l,
                                  enum sw_random_purpose purpose, float **out) {
    const struct sw_param *layer = sw_arch_layer(control->arch, l);
    SW_TRY(SW_ALLOC(out, (size_t) layer->count, "random scores"));
    for (int64_t i = 0; i < layer->count; i++)
        (*out)[i] = (float) sw_random_uniform((uint64_t) control->spec->seed, purpose,
                                              stream_of(control, l), (uint64_t) i);
    return SW_OK;
}

/* As many weights as the ticket keeps, those with the highest of as many random numbers. */
static enum sw_status draw_layer(const struct control *control, int64_t l) {
    const struct sw_param *layer = sw_arch_layer(control->arch, l);
    uint8_t *mask = control->mask + layer->mask_offset;
    float *scores = NULL;
    SW_TRY(draw_scores(control, l, SW_RANDOM_MASK, &scores));
    sw_mask_fill(mask, layer->count);
    int64_t keep = sw_mask_count(control->ticket + layer->mask_offset, layer->count);
    enum sw_status status = sw_prune_select(scores, layer->count, keep, mask);
    SW_FREE(&scores);
    return status;
}

/* A pattern is shuffled within its windows. */
static enum sw_status draw_pattern(const struct control *control, int64_t l) {
    const struct sw_param *layer = sw_arch_layer(control->arch, l);
    uint8_t *mask = control->mask + layer->mask_offset;
    float *scores = NULL;
    sw_mask_fill(mask, layer->count);
    if (sw_mask_count(control->ticket + layer->mask_offset, layer->count) == layer->count)
        return SW_OK;
    SW_TRY(draw_scores(control, l, SW_RANDOM_SHUFFLE, &scores));
    sw_pattern_select(sw_granularity_of(control->spec), layer, scores, mask);
    SW_FREE(&scores);
    return SW_OK;
}

/* ---- shuffle -------------------------------------------------------------------------------- */

/* Move the groups of one class: the i-th of them goes where the order[i]-th was. */
static enum sw_status shuffle_class(const struct control *control, int64_t l, int64_t class,
                                    const uint8_t *before, uint8_t *after) {
    const struct sw_granularity *kind = sw_granularity_of(control->spec);
    const struct sw_param *layer = sw_arch_layer(control->arch, l);
    int64_t groups = sw_groups_count(kind, control->arch, l), n = 0;
    int32_t *member = NULL, *order = NULL;
    enum sw_status status = SW_OK;
    SW_TRY_TO(SW_ALLOC(&member, (size_t) groups, "groups of a layer"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&order, (size_t) groups, "an order of the groups"), status, cleanup);
    for (int64_t g = 0; g < groups; g++)
        if (sw_groups_class(kind, layer, g) == class) member[n++] = (int32_t) g;
    sw_random_permutation((uint64_t) control->spec->seed, SW_RANDOM_SHUFFLE,
                          stream_of(control, l) | (uint64_t) class << 16, order, n);
    for (int64_t i = 0; i < n; i++)
        if (sw_mask_get(before, member[i])) set_bit(after, member[order[i]]);
cleanup:
    SW_FREE(&member);
    SW_FREE(&order);
    return status;
}

/* The groups of a layer in their new places, in newly allocated memory; NULL when it has none. */
static enum sw_status shuffle_groups(const struct control *control, int64_t l, uint8_t **out) {
    const struct sw_granularity *kind = sw_granularity_of(control->spec);
    const struct sw_param *layer = sw_arch_layer(control->arch, l);
    size_t bytes = (size_t) sw_mask_bytes(sw_groups_count(kind, control->arch, l));
    uint8_t *before = NULL, *after = NULL;
    enum sw_status status = SW_OK;
    *out = NULL;
    if (bytes == 0) return SW_OK;
    SW_TRY_TO(SW_ALLOC(&before, bytes, "groups of a mask"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&after, bytes, "groups of a mask"), status, cleanup);
    sw_groups_find(kind, layer, control->ticket + layer->mask_offset, before, 0);
    for (int64_t class = 0; class < SW_GROUP_CLASSES; class ++)
        SW_TRY_TO(shuffle_class(control, l, class, before, after), status, cleanup);
    *out = after;
    after = NULL;
cleanup:
    SW_FREE(&before);
    SW_FREE(&after);
    return status;
}

/* The groups that the rows of a layer belong to, or the units that its columns read. */
static struct sw_group_bits bits_of(uint8_t *const *groups, int64_t l, int64_t span) {
    return (struct sw_group_bits){l >= 0 ? groups[l] : NULL, 0, span};
}

/* Units that moved in one layer are read elsewhere by others. */
static void thin_layers(const struct control *control, uint8_t *const *groups) {
    const struct sw_granularity *kind = sw_granularity_of(control->spec);
    const struct sw_arch *arch = control->arch;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        uint8_t *mask = control->mask + layer->mask_offset;
        int64_t span = sw_arch_units(arch, l)->span;
        sw_mask_fill(mask, layer->count);
        sw_groups_thin(kind, layer, bits_of(groups, sw_groups_rows(kind, arch, l), 1),
                       bits_of(groups, sw_groups_columns(kind, arch, l), span), mask);
    }
}

static enum sw_status shuffle_layers(const struct control *control) {
    uint8_t *groups[SW_MAX_LAYERS] = {NULL};
    enum sw_status status = SW_OK;
    for (int64_t l = 0; l < control->arch->n_layers; l++)
        SW_TRY_TO(shuffle_groups(control, l, &groups[l]), status, cleanup);
    thin_layers(control, groups);
cleanup:
    for (int64_t l = 0; l < control->arch->n_layers; l++)
        SW_FREE(&groups[l]);
    return status;
}

/* ---- all ------------------------------------------------------------------------------------ */

enum sw_status sw_prune_control_mask(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                     enum sw_control control, int64_t round, const uint8_t *ticket,
                                     uint8_t *mask) {
    struct sw_trial_spec stage;
    const struct control order = {&stage, arch, round, ticket, mask};
    sw_prune_stage(spec, round, &stage);
    bool pattern = sw_prune_is_pattern(&stage), shuffle = control == SW_CONTROL_SHUFFLE;
    if (shuffle && !pattern) return shuffle_layers(&order);
    if (shuffle || control == SW_CONTROL_RANDOM) {
        for (int64_t l = 0; l < arch->n_layers; l++)
            SW_TRY(shuffle ? draw_pattern(&order, l) : draw_layer(&order, l));
        return SW_OK;
    }
    memcpy(mask, ticket, (size_t) arch->mask_bytes);
    return SW_OK;
}
