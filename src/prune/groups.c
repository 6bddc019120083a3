/* What is removed as one. Layers are seen as [rows, columns] matrices: output units by inputs. */
#include "prune_internal.h"

#include <math.h>
#include <string.h>

#include "sweepstake/mask.h"

static const struct sw_granularity granularities[] = {
#define SW_GRANULARITY(name, kind, side, keep, of, summary)                                        \
    {name, summary, SW_GROUPS_##kind, side, keep, of},
#include "granularities.def"
#undef SW_GRANULARITY
};

const struct sw_granularity *sw_granularity_entry(size_t index) {
    return index < sizeof granularities / sizeof *granularities ? &granularities[index] : NULL;
}

const struct sw_granularity *sw_granularity_of(const struct sw_trial_spec *spec) {
    const struct sw_granularity *entry = NULL;
    for (size_t i = 0; (entry = sw_granularity_entry(i)) != NULL; i++)
        if (strcmp(entry->name, spec->prune_granularity) == 0) return entry;
    return &granularities[0];
}

/* ---- numbering ------------------------------------------------------------------------------ */

static int64_t columns_of(const struct sw_param *layer) {
    return layer->count / layer->shape[0];
}

static int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

int64_t sw_groups_rows(const struct sw_granularity *kind, const struct sw_arch *arch, int64_t l) {
    return kind->side == 0 ? sw_arch_units(arch, l)->makes : l;
}

int64_t sw_groups_columns(const struct sw_granularity *kind, const struct sw_arch *arch,
                          int64_t l) {
    return kind->side == 0 ? sw_arch_units(arch, l)->reads : -1;
}

int64_t sw_groups_scored(const struct sw_granularity *kind, const struct sw_arch *arch, int64_t l) {
    return kind->kind == SW_GROUPS_CHANNELS ? sw_groups_columns(kind, arch, l)
                                            : sw_groups_rows(kind, arch, l);
}

int64_t sw_groups_count(const struct sw_granularity *kind, const struct sw_arch *arch, int64_t l) {
    const struct sw_param *layer = sw_arch_layer(arch, l);
    int64_t rows = layer->shape[0], columns = columns_of(layer), side = kind->side;
    if (side == 0) return layer->output || sw_groups_rows(kind, arch, l) != l ? 0 : rows;
    if (side == 1) return layer->count;
    if (rows <= side || columns <= side) return 0;
    return divide_up(rows, side) * divide_up(columns, side);
}

int64_t sw_groups_index(const struct sw_granularity *kind, const struct sw_param *layer,
                        int64_t element) {
    int64_t columns = columns_of(layer), side = kind->side;
    if (side == 0) return element / columns;
    if (side == 1) return element;
    return element / columns / side * divide_up(columns, side) + element % columns / side;
}

/* Whole blocks first, then those cut by one edge, the larger ones first, then the one in the corner. */
int64_t sw_groups_most(const struct sw_granularity *kind, const struct sw_param *layer,
                       int64_t groups) {
    int64_t rows = layer->shape[0], columns = columns_of(layer), side = kind->side;
    if (side == 0) return groups * columns;
    if (side == 1) return groups;
    int64_t below = rows % side, beside = columns % side;
    struct {
        int64_t count, weights;
    } kinds[4] = {{(rows / side) * (columns / side), side * side},
                  {rows / side * (beside > 0), side * beside},
                  {columns / side * (below > 0), side * below},
                  {below > 0 && beside > 0, below * beside}};
    int first = beside >= below ? 1 : 2;
    const int order[4] = {0, first, 3 - first, 3};
    int64_t most = 0;
    for (int i = 0; i < 4 && groups > 0; i++) {
        int64_t taken = groups < kinds[order[i]].count ? groups : kinds[order[i]].count;
        most += taken * kinds[order[i]].weights;
        groups -= taken;
    }
    return most;
}

int64_t sw_groups_class(const struct sw_granularity *kind, const struct sw_param *layer,
                        int64_t group) {
    int64_t side = kind->side;
    if (side < 2) return 0;
    int64_t rows = layer->shape[0], columns = columns_of(layer), wide = divide_up(columns, side);
    bool below = (group / wide + 1) * side > rows, beside = (group % wide + 1) * side > columns;
    return below * 2 + beside;
}

/* ---- from weights to groups and back -------------------------------------------------------- */

/* Are the groups of a layer its weights, numbered from a whole byte on? */
static bool are_weights(const struct sw_granularity *kind, int64_t first) {
    return kind->side == 1 && first % 8 == 0;
}

void sw_groups_find(const struct sw_granularity *kind, const struct sw_param *layer,
                    const uint8_t *mask, uint8_t *found, int64_t first) {
    if (are_weights(kind, first)) {
        for (int64_t i = 0; i < sw_mask_bytes(layer->count); i++)
            found[first / 8 + i] |= mask[i];
        return;
    }
    for (int64_t i = 0; i < layer->count; i++) {
        if (!sw_mask_get(mask, i)) continue;
        int64_t at = first + sw_groups_index(kind, layer, i);
        found[at >> 3] |= (uint8_t) (1U << (at & 7));
    }
}

static bool is_there(struct sw_group_bits bits, int64_t group) {
    return bits.mask == NULL || sw_mask_get(bits.mask, bits.first + group);
}

/* Does a column read a unit that is gone? */
static bool reads_nothing(struct sw_group_bits inputs, int64_t column) {
    return inputs.mask != NULL && !is_there(inputs, column / inputs.span);
}

void sw_groups_thin(const struct sw_granularity *kind, const struct sw_param *layer,
                    struct sw_group_bits own, struct sw_group_bits inputs, uint8_t *mask) {
    int64_t columns = columns_of(layer);
    if (own.mask != NULL && are_weights(kind, own.first)) {
        /* Bits of a layer that follows may stand in the last byte: the unused bits of `mask` are 0. */
        for (int64_t i = 0; i < sw_mask_bytes(layer->count); i++)
            mask[i] &= own.mask[own.first / 8 + i];
        return;
    }
    for (int64_t i = 0; i < layer->count; i++)
        if (!is_there(own, sw_groups_index(kind, layer, i)) || reads_nothing(inputs, i % columns))
            sw_mask_clear_bit(mask, i);
}

/* ---- scores --------------------------------------------------------------------------------- */

struct sums {
    double sum, squares;
    float most;
    int64_t n;
};

/* One run of a group's kept elements. */
static void add_run(const uint8_t *mask, const float *scores, int64_t first, int64_t end,
                    struct sums *sums) {
    for (int64_t i = first; i < end; i++) {
        if (!sw_mask_get(mask, i)) continue;
        if (sums->n == 0 || scores[i] > sums->most) sums->most = scores[i];
        sums->sum += scores[i];
        sums->squares += (double) scores[i] * (double) scores[i];
        sums->n++;
    }
}

static float combine(enum sw_group_rule rule, const struct sums *sums) {
    if (sums->n == 0) return NAN;
    switch (rule) {
    case SW_GROUP_L1:
        return (float) sums->sum;
    case SW_GROUP_L2:
        return (float) sqrt(sums->squares);
    case SW_GROUP_MAX:
        return sums->most;
    case SW_GROUP_MEAN:
        break;
    }
    return (float) (sums->sum / (double) sums->n);
}

/* A group of rows and columns. */
static float score_part(enum sw_group_rule rule, const uint8_t *mask, const float *scores,
                        int64_t columns, const int64_t rows[2], const int64_t across[2]) {
    struct sums sums = {0};
    for (int64_t r = rows[0]; r < rows[1]; r++)
        add_run(mask, scores, r * columns + across[0], r * columns + across[1], &sums);
    return combine(rule, &sums);
}

static void score_units(const struct sw_granularity *kind, const struct sw_param *layer,
                        int64_t span, enum sw_group_rule rule, const uint8_t *mask,
                        const float *scores, float *out) {
    int64_t rows = layer->shape[0], columns = columns_of(layer);
    bool read = kind->kind == SW_GROUPS_CHANNELS;
    for (int64_t u = 0; u < (read ? columns / span : rows); u++) {
        const int64_t down[2] = {read ? 0 : u, read ? rows : u + 1};
        const int64_t across[2] = {read ? u * span : 0, read ? (u + 1) * span : columns};
        out[u] += score_part(rule, mask, scores, columns, down, across);
    }
}

void sw_groups_score(const struct sw_granularity *kind, const struct sw_param *layer, int64_t span,
                     enum sw_group_rule rule, const uint8_t *mask, const float *scores,
                     float *out) {
    int64_t rows = layer->shape[0], columns = columns_of(layer), side = kind->side;
    if (side == 0) {
        score_units(kind, layer, span, rule, mask, scores, out);
        return;
    }
    if (side == 1) {
        memcpy(out, scores, (size_t) layer->count * sizeof *out);
        return;
    }
    for (int64_t top = 0; top < rows; top += side)
        for (int64_t left = 0; left < columns; left += side) {
            const int64_t down[2] = {top, top + side < rows ? top + side : rows};
            const int64_t across[2] = {left, left + side < columns ? left + side : columns};
            *out++ = score_part(rule, mask, scores, columns, down, across);
        }
}
