#include <string.h>

#include "sweepstake/memory.h"
#include "sweepstake/sweep.h"

static const struct {
    const char *name;
    size_t element_bytes;
} sections[SW_SECTION_COUNT] = {
    [SW_SECTION_THETA0] = {"theta0", sizeof(float)},
    [SW_SECTION_THETA_K] = {"theta_k", sizeof(float)},
    [SW_SECTION_MASK] = {"masks", 1},
    [SW_SECTION_WEIGHTS] = {"weights", sizeof(float)},
    [SW_SECTION_LAYERS] = {"layers", sizeof(struct sw_layer_record)},
    [SW_SECTION_CURVES] = {"curves", sizeof(struct sw_curve_point)},
    [SW_SECTION_PRUNES] = {"prunes", sizeof(struct sw_prune_call)},
    [SW_SECTION_ALERTS] = {"alerts", sizeof(struct sw_alert)},
    [SW_SECTION_RECORD] = {"rounds", sizeof(struct sw_round_record)},
};

const char *sw_section_name(enum sw_section section) {
    return sections[section].name;
}

size_t sw_section_element_bytes(enum sw_section section) {
    return sections[section].element_bytes;
}

void sw_sweep_fini(struct sw_sweep *sweep) {
    for (int64_t i = 0; sweep->archs != NULL && i < sweep->n_archs; i++) {
        SW_FREE(&sweep->archs[i].params);
        SW_FREE(&sweep->archs[i].units);
    }
    SW_FREE(&sweep->text);
    SW_FREE(&sweep->overrides);
    SW_FREE(&sweep->canonical);
    SW_FREE(&sweep->recipe_report);
    SW_FREE(&sweep->trials);
    SW_FREE(&sweep->archs);
    SW_FREE(&sweep->datas);
    SW_FREE(&sweep->rounds);
    SW_FREE(&sweep->kept);
    SW_FREE(&sweep->trial_rounds);
    memset(sweep, 0, sizeof *sweep);
}

int64_t sw_sweep_row(const struct sw_sweep *sweep, int64_t trial, int64_t round,
                     enum sw_control control) {
    if (trial < 0 || trial >= sweep->n_trials || round < 0 || round >= sweep->rounds_wide ||
        (unsigned) control >= SW_CONTROL_COUNT)
        return -1;
    return sweep
        ->trial_rounds[(trial * sweep->rounds_wide + round) * SW_CONTROL_COUNT + (int64_t) control];
}

bool sw_round_keeps_weights(const struct sw_trial_spec *spec, const struct sw_round_plan *round) {
    return round->round > 0 && round->control == SW_CONTROL_TICKET &&
           strcmp(spec->rewind_mode, "weights") != 0;
}

int64_t sw_sweep_snapshots(const struct sw_sweep *sweep, int64_t row, int64_t *steps) {
    int64_t n = sweep->rounds[row].snapshots;
    for (int64_t i = row; n > 0 && i < sweep->n_rounds; i++)
        if (sweep->rounds[i].theta_k_owner == row)
            steps[sweep->rounds[i].theta_k_index] = sweep->rounds[i].rewind_to;
    return n;
}

/* Elements of a round's slab in a section; 0 when another round owns what it uses. */
static int64_t slab_length(const struct sw_sweep *sweep, const struct sw_round_plan *round,
                           enum sw_section section) {
    const struct sw_arch *arch = &sweep->archs[round->arch];
    switch (section) {
    case SW_SECTION_THETA0:
        return round->theta0_owner == round->row ? arch->parameters : 0;
    case SW_SECTION_THETA_K:
        return round->snapshots * arch->parameters;
    case SW_SECTION_MASK:
        return round->mask_owner == round->row ? arch->mask_bytes : 0;
    case SW_SECTION_WEIGHTS:
        return round->survivors;
    case SW_SECTION_LAYERS:
        return arch->n_layers;
    case SW_SECTION_CURVES:
        return round->curve_points;
    case SW_SECTION_PRUNES:
        return round->prune_rows;
    case SW_SECTION_ALERTS:
        return SW_ALERTS_MAX;
    case SW_SECTION_RECORD:
        return 1;
    case SW_SECTION_COUNT:
        break;
    }
    return 0;
}

void sw_sweep_lay_out(struct sw_sweep *sweep) {
    memset(sweep->extent, 0, sizeof sweep->extent);
    for (int64_t row = 0; row < sweep->n_rounds; row++) {
        struct sw_round_plan *round = &sweep->rounds[row];
        for (int s = 0; s < SW_SECTION_COUNT; s++) {
            round->length[s] = slab_length(sweep, round, (enum sw_section) s);
            round->offset[s] = round->length[s] > 0 ? sweep->extent[s] : -1;
            sweep->extent[s] += round->length[s];
        }
    }
}

void sw_payload_lay_out(const struct sw_round_plan *round, struct sw_payload_layout *out) {
    size_t end = 0;
    for (int s = 0; s < SW_SECTION_COUNT; s++) {
        out->offset[s] = end;
        out->bytes[s] = (size_t) round->length[s] * sections[s].element_bytes;
        end += (out->bytes[s] + SW_ALIGNMENT - 1) / SW_ALIGNMENT * SW_ALIGNMENT;
    }
    out->total = end;
}
