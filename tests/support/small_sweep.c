#include "small_sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/random.h"

#define MAX_LAYERS 2

static void need(enum sw_status status) {
    if (status != SW_OK) {
        fprintf(stderr, "  %s\n", sw_status_text());
        abort();
    }
}

/* ---- networks ------------------------------------------------------------------------------- */

static void add_param(struct sw_arch *arch, const char *name, const int64_t *shape, int64_t rank,
                      int64_t output) {
    struct sw_param *param = &arch->params[arch->n_params++];
    SW_TEXT_COPY(param->name, name);
    param->rank = rank;
    param->count = 1;
    for (int64_t i = 0; i < rank; i++) {
        param->shape[i] = shape[i];
        param->count *= shape[i];
    }
    param->offset = arch->parameters;
    arch->parameters += param->count;
    arch->trained += param->count;
    if (rank == 1) return;
    param->prunable = 1;
    param->output = output;
    param->mask_offset = arch->mask_bytes;
    param->fan_out = shape[0];
    param->fan_in = param->count / shape[0];
    arch->mask_bytes += sw_mask_bytes(param->count);
    arch->prunable += param->count;
    arch->n_layers++;
}

static void make_arch(struct sw_arch *arch, const char *model, int64_t classes) {
    SW_TEXT_COPY(arch->model, model);
    arch->classes = classes;
    need(SW_ALLOC(&arch->params, 4, "parameters"));
}

static void make_archs(struct sw_sweep *sweep, int64_t scale) {
    sweep->n_archs = 2;
    need(SW_ALLOC(&sweep->archs, 2, "networks"));
    struct sw_arch *dense = &sweep->archs[0], *conv = &sweep->archs[1];
    const int64_t hidden = 6 * scale, inputs = 9 * scale;
    make_arch(dense, "tiny-dense", 4);
    dense->input_shape[0] = 1;
    dense->input_shape[1] = 9;
    dense->input_shape[2] = scale;
    add_param(dense, "fc1.weight", (int64_t[]){hidden, inputs}, 2, 0);
    add_param(dense, "fc1.bias", &hidden, 1, 0);
    add_param(dense, "fc2.weight", (int64_t[]){4, hidden}, 2, 1);
    add_param(dense, "fc2.bias", (int64_t[]){4}, 1, 0);
    make_arch(conv, "tiny-conv", 3);
    conv->input_shape[0] = 1;
    conv->input_shape[1] = conv->input_shape[2] = 8;
    add_param(conv, "conv1.weight", (int64_t[]){5, 1, 3, 3}, 4, 0);
    add_param(conv, "conv1.bias", (int64_t[]){5}, 1, 0);
    add_param(conv, "fc.weight", (int64_t[]){3, 20}, 2, 1);
    add_param(conv, "fc.bias", (int64_t[]){3}, 1, 0);
}

/* ---- trials and rounds ---------------------------------------------------------------------- */

static void make_trials(struct sw_sweep *sweep) {
    sweep->n_trials = 2;
    need(SW_ALLOC(&sweep->trials, 2, "trials"));
    for (int64_t i = 0; i < 2; i++) {
        struct sw_trial_spec *spec = &sweep->trials[i];
        sw_spec_set_defaults(spec);
        SW_TEXT_COPY(spec->model_name, sweep->archs[i].model);
        SW_TEXT_COPY(spec->data_name, "synthetic");
        SW_TEXT_COPY(spec->control, i == 0 ? "reinit" : "");
        spec->train_steps = 30;
        spec->train_evaluate_every = 10;
        spec->prune_rounds = i == 0 ? 2 : 1;
        spec->seed = i;
    }
}

static void make_datas(struct sw_sweep *sweep) {
    sweep->n_datas = 2;
    need(SW_ALLOC(&sweep->datas, 2, "data sets"));
    for (int64_t i = 0; i < 2; i++) {
        struct sw_data_info *data = &sweep->datas[i];
        SW_TEXT_COPY(data->name, "synthetic");
        memcpy(data->shape, sweep->archs[i].input_shape, sizeof data->shape);
        data->classes = sweep->archs[i].classes;
        data->train = 100;
        data->validation = i == 0 ? 20 : 0;
        data->test = 40;
        data->block_bytes = 4096;
        data->mean[0] = 0.25F;
        data->deviation[0] = 0.5F;
        data->checksum = sw_digest_of(&i, sizeof i);
    }
}

static void make_round(struct sw_sweep *sweep, int64_t row, int64_t trial, int64_t round,
                       enum sw_control control, int64_t parent, double share) {
    struct sw_round_plan *plan = &sweep->rounds[row];
    const struct sw_arch *arch = &sweep->archs[trial];
    int64_t *kept = sweep->kept + row * sweep->max_layers, layer = 0;
    bool ticket = control == SW_CONTROL_TICKET;
    *plan = (struct sw_round_plan){.row = row,
                                   .trial = trial,
                                   .round = round,
                                   .control = (int64_t) control,
                                   .parent = parent,
                                   .arch = trial,
                                   .data = trial,
                                   .theta0_owner = !ticket      ? row
                                                   : trial == 0 ? 0
                                                                : 5,
                                   .theta_k_owner = -1,
                                   .theta_k_index = -1,
                                   .mask_owner = ticket ? row : parent,
                                   .steps = 30,
                                   .curve_points = 4,
                                   .sparsity_requested = 1 - pow(share, (double) round),
                                   .flops = 1e6,
                                   .rank_bytes = 1 << 20};
    for (int64_t i = 0; i < arch->n_params; i++) {
        if (arch->params[i].prunable == 0) continue;
        kept[layer] = llround((double) arch->params[i].count * pow(share, (double) round));
        plan->nnz += kept[layer++];
    }
    plan->survivors = plan->nnz + arch->parameters - arch->prunable;
    struct sw_digest id = sw_digest_of(&row, sizeof row);
    (void) sw_digest_text(id, plan->id);
    sweep->trial_rounds[(trial * sweep->rounds_wide + round) * SW_CONTROL_COUNT +
                        (int64_t) control] = row;
}

static void rewind_round(struct sw_round_plan *plan, int64_t step, int64_t snapshot) {
    plan->rewind_to = step;
    plan->theta_k_owner = 0;
    plan->theta_k_index = snapshot;
}

static void make_rounds(struct sw_sweep *sweep, double share) {
    sweep->n_rounds = SW_SMALL_ROUNDS;
    sweep->max_layers = MAX_LAYERS;
    sweep->rounds_wide = 3;
    size_t cells = (size_t) (2 * sweep->rounds_wide * SW_CONTROL_COUNT);
    need(SW_ALLOC(&sweep->rounds, SW_SMALL_ROUNDS, "rounds"));
    need(SW_ALLOC(&sweep->kept, SW_SMALL_ROUNDS * MAX_LAYERS, "kept"));
    need(SW_ALLOC(&sweep->trial_rounds, cells, "rows"));
    for (size_t i = 0; i < cells; i++)
        sweep->trial_rounds[i] = -1;
    make_round(sweep, 0, 0, 0, SW_CONTROL_TICKET, -1, share);
    make_round(sweep, 1, 0, 1, SW_CONTROL_TICKET, 0, share);
    make_round(sweep, 2, 0, 1, SW_CONTROL_REINIT, 1, share);
    make_round(sweep, 3, 0, 2, SW_CONTROL_TICKET, 1, share);
    make_round(sweep, 4, 0, 2, SW_CONTROL_REINIT, 3, share);
    /* Round 1 is rewound to step 20 of round 0, round 2 to step 10. */
    sweep->rounds[0].snapshots = 2;
    rewind_round(&sweep->rounds[1], 20, 1);
    rewind_round(&sweep->rounds[3], 10, 0);
    make_round(sweep, 5, 1, 0, SW_CONTROL_TICKET, -1, share);
    make_round(sweep, 6, 1, 1, SW_CONTROL_TICKET, 5, share);
}

static char *copy_text(const char *text) {
    char *copy;
    need(SW_ALLOC(&copy, strlen(text) + 1, "a text"));
    memcpy(copy, text, strlen(text));
    return copy;
}

void sw_small_sweep(struct sw_sweep *out, int64_t scale, double share) {
    struct sw_text canonical = {0};
    memset(out, 0, sizeof *out);
    SW_TEXT_COPY(out->name, "small");
    SW_TEXT_COPY(out->store, "small.h5");
    out->text = copy_text("sweep: small\n# \xce\xb8\xe2\x82\x80 stays\n");
    out->text_bytes = strlen(out->text);
    out->overrides = copy_text("");
    out->digest = sw_digest_of(out->text, out->text_bytes);
    make_archs(out, scale);
    make_trials(out);
    make_datas(out);
    make_rounds(out, share);
    for (int64_t i = 0; i < out->n_trials; i++)
        need(sw_spec_canonical(&out->trials[i], 15, &canonical));
    out->canonical = copy_text(sw_text_get(&canonical));
    sw_text_fini(&canonical);
    sw_sweep_lay_out(out);
}

struct sw_store_identity sw_small_identity(void) {
    return (struct sw_store_identity){"generic", "OpenBLAS 0.3.21 Generic", "0.1.0", "1"};
}

/* ---- finished rounds ------------------------------------------------------------------------ */

/* The first kept[l] weights of a fixed order of each layer survive, so that masks are nested. */
static void make_mask(const struct sw_sweep *sweep, const struct sw_round_plan *plan,
                      uint8_t *mask) {
    const struct sw_arch *arch = &sweep->archs[plan->arch];
    const int64_t *kept = sweep->kept + plan->mask_owner * sweep->max_layers;
    int64_t layer = 0;
    for (int64_t i = 0; i < arch->n_params; i++) {
        const struct sw_param *param = &arch->params[i];
        int32_t *order;
        if (param->prunable == 0) continue;
        need(SW_ALLOC(&order, (size_t) param->count, "an order"));
        sw_random_permutation(7, SW_RANDOM_PRUNE, (uint64_t) i, order, param->count);
        for (int64_t k = 0; k < kept[layer]; k++)
            mask[param->mask_offset + order[k] / 8] |= (uint8_t) (1U << (order[k] % 8));
        layer++;
        SW_FREE(&order);
    }
}

static void fill_values(float *values, int64_t count, uint64_t seed, uint64_t stream) {
    for (int64_t i = 0; i < count; i++)
        values[i] = (float) (0.1 * sw_random_normal(seed, SW_RANDOM_INIT, stream, (uint64_t) i));
}

static void make_rows(const struct sw_sweep *sweep, const struct sw_round_plan *plan,
                      struct sw_small_round *out) {
    const struct sw_arch *arch = &sweep->archs[plan->arch];
    int64_t layer = 0;
    for (int64_t i = 0; i < arch->n_params; i++) {
        if (arch->params[i].prunable == 0) continue;
        struct sw_layer_record *row = &out->layers[layer];
        SW_TEXT_COPY(row->name, arch->params[i].name);
        row->weights = arch->params[i].count;
        row->nnz = sweep->kept[plan->mask_owner * sweep->max_layers + layer];
        row->sparsity = 1 - (double) row->nnz / (double) row->weights;
        row->gradient_norm = NAN;
        SW_TEXT_COPY(row->format, "csr");
        layer++;
    }
    for (int64_t i = 0; i < plan->curve_points; i++)
        out->curves[i] = (struct sw_curve_point){.step = 10 * i,
                                                 .test_loss = 2.0 / (double) (i + 1)};
    out->alerts[0] = (struct sw_alert){.step = 10, .value = 3.5};
    SW_TEXT_COPY(out->alerts[0].monitor, "gradient-norm");
    SW_TEXT_COPY(out->alerts[0].message, "small");
}

static void make_results(const struct sw_sweep *sweep, const struct sw_round_plan *plan, bool ok,
                         struct sw_round_results *result) {
    const struct sw_arch *arch = &sweep->archs[plan->arch];
    const struct sw_data_info *data = &sweep->datas[plan->data];
    double figure = ok ? 0.5 + 0.01 * (double) plan->row : NAN;
    *result = (struct sw_round_results){.row = plan->row,
                                        .trial = plan->trial,
                                        .round = plan->round,
                                        .parameters = arch->trained,
                                        .prunable = arch->prunable,
                                        .nnz = plan->nnz,
                                        .sparsity_requested = plan->sparsity_requested,
                                        .sparsity = 1 -
                                                    (double) plan->nnz / (double) arch->prunable,
                                        .steps = plan->steps,
                                        .train_images = data->train,
                                        .validation_images = data->validation,
                                        .test_images = data->test,
                                        .train_loss = figure,
                                        .train_accuracy = figure,
                                        .validation_loss = data->validation > 0 ? figure : NAN,
                                        .validation_accuracy = data->validation > 0 ? figure : NAN,
                                        .test_loss = figure,
                                        .test_accuracy = figure,
                                        .curve_points = ok ? plan->curve_points : 0,
                                        .alerts = ok ? 1 : 0};
    SW_TEXT_COPY(result->control, sw_control_name((enum sw_control) plan->control));
    SW_TEXT_COPY(result->status, ok ? "ok" : "failed");
    if (!ok) SW_TEXT_COPY(result->reason, "killed by signal 11 (Segmentation fault)");
}

static void make_measured(int place, struct sw_round_measured *measured) {
    *measured = (struct sw_round_measured){.started = 1.7e9 + place,
                                           .train_seconds = 1.5 * (place + 1),
                                           .rank = place,
                                           .threads = 1,
                                           .attempt = 1};
    snprintf(measured->host, sizeof measured->host, "node%d", place);
}

static void set_section(struct sw_small_round *round, const struct sw_round_plan *plan,
                        enum sw_section section, const void *bytes, int64_t count) {
    if (plan->length[section] == 0 || count == 0) return;
    round->payload.bytes[section] = bytes;
    round->payload.length[section] = (size_t) count * sw_section_element_bytes(section);
}

void sw_small_round_make(const struct sw_sweep *sweep, int64_t row, enum sw_small_kind kind,
                         int place, struct sw_small_round *out) {
    const struct sw_round_plan *plan = &sweep->rounds[row];
    const struct sw_arch *arch = &sweep->archs[plan->arch];
    memset(out, 0, sizeof *out);
    need(SW_ALLOC(&out->theta0, (size_t) arch->parameters, "theta0"));
    need(SW_ALLOC(&out->mask, (size_t) arch->mask_bytes, "a mask"));
    need(SW_ALLOC(&out->weights, (size_t) plan->survivors, "weights"));
    need(SW_ALLOC(&out->layers, (size_t) arch->n_layers, "layers"));
    need(SW_ALLOC(&out->curves, (size_t) plan->curve_points, "curves"));
    need(SW_ALLOC(&out->alerts, 1, "alerts"));
    int64_t snapshots = plan->snapshots * arch->parameters;
    need(SW_ALLOC(&out->theta_k, (size_t) snapshots, "theta_k"));
    fill_values(out->theta_k, snapshots, 3, (uint64_t) row);
    fill_values(out->theta0, arch->parameters, 1, (uint64_t) plan->theta0_owner);
    fill_values(out->weights, plan->survivors, 2, (uint64_t) row);
    make_mask(sweep, plan, out->mask);
    make_rows(sweep, plan, out);
    make_results(sweep, plan, kind == SW_SMALL_OK, &out->record.result);
    make_measured(place, &out->record.measured);
    set_section(out, plan, SW_SECTION_RECORD, &out->record, 1);
    if (kind == SW_SMALL_FAILED) return;
    set_section(out, plan, SW_SECTION_THETA0, out->theta0, arch->parameters);
    set_section(out, plan, SW_SECTION_THETA_K, out->theta_k, snapshots);
    set_section(out, plan, SW_SECTION_MASK, out->mask, arch->mask_bytes);
    set_section(out, plan, SW_SECTION_WEIGHTS, out->weights, plan->survivors);
    set_section(out, plan, SW_SECTION_LAYERS, out->layers, arch->n_layers);
    set_section(out, plan, SW_SECTION_CURVES, out->curves, plan->curve_points);
    set_section(out, plan, SW_SECTION_ALERTS, out->alerts, 1);
}

void sw_small_round_fini(struct sw_small_round *round) {
    SW_FREE(&round->theta0);
    SW_FREE(&round->theta_k);
    SW_FREE(&round->mask);
    SW_FREE(&round->weights);
    SW_FREE(&round->layers);
    SW_FREE(&round->curves);
    SW_FREE(&round->alerts);
}
