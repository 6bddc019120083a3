#include <inttypes.h>
#include <string.h>

#include "plan_internal.h"
#include "sweepstake/memory.h"
#include "sweepstake/prune.h"
#include "sweepstake/train.h"

struct maker {
    struct sw_plan *plan;
    struct sw_plan_index rounds, theta0, theta_k;
    int64_t room;  /* rows allocated */
    int64_t asked; /* trainings of all trials, shared or not */
    /* of the trial at hand */
    int64_t trial;
    struct sw_text train_text; /* what can change any of its trainings */
    struct sw_text prune_text; /* what can change those of pruned rounds */
    struct sw_text
        plain_text; /* the same before a conversion, which those rounds know nothing of */
    struct sw_text first_text; /* the same for round 1, which is one cut under every schedule */
};

/* ---- how many ------------------------------------------------------------------------------- */

static const struct sw_arch *arch_of(const struct sw_plan *plan, int64_t trial) {
    return &plan->sweep.archs[plan->trial_arch[trial]];
}

/* Room for trial_rounds, all -1; reports a sweep that is too large. */
static enum sw_status make_table(struct sw_plan *plan) {
    struct sw_sweep *sweep = &plan->sweep;
    for (int64_t trial = 0; trial < sweep->n_trials; trial++) {
        int64_t wide = sw_prune_rounds(&sweep->trials[trial], arch_of(plan, trial)) + 1;
        if (wide > sweep->rounds_wide) sweep->rounds_wide = wide;
    }
    int64_t cells = sweep->n_trials * sweep->rounds_wide * SW_CONTROL_COUNT;
    if (cells > SW_PLAN_CELLS) {
        sw_plan_report(plan, plan->grid_place,
                       "prune.rounds: %" PRId64 " trials of up to %" PRId64
                       " rounds are too many for one sweep",
                       sweep->n_trials, sweep->rounds_wide);
        return SW_OK;
    }
    SW_TRY(SW_ALLOC(&sweep->trial_rounds, (size_t) cells, "table of rounds"));
    memset(sweep->trial_rounds, 0xff, (size_t) cells * sizeof *sweep->trial_rounds);
    return SW_OK;
}

/* ---- identities ----------------------------------------------------------------------------- */

static struct sw_trial_spec without_conversion(const struct sw_trial_spec *spec) {
    struct sw_trial_spec plain = *spec, preset;
    sw_spec_set_defaults(&preset);
    plain.prune_convert_round = preset.prune_convert_round;
    memcpy(plain.prune_convert_granularity, preset.prune_convert_granularity,
           sizeof plain.prune_convert_granularity);
    plain.prune_convert_sparsity = preset.prune_convert_sparsity;
    return plain;
}

static enum sw_status begin_trial(struct maker *maker, int64_t trial) {
    const struct sw_sweep *sweep = &maker->plan->sweep;
    const struct sw_trial_spec *spec = &sweep->trials[trial];
    const struct sw_data_info *data = &sweep->datas[maker->plan->trial_data[trial]];
    char checksum[SW_DIGEST_TEXT];
    maker->trial = trial;
    sw_text_fini(&maker->train_text);
    sw_text_fini(&maker->prune_text);
    sw_text_fini(&maker->plain_text);
    sw_text_fini(&maker->first_text);
    SW_TRY(sw_text_add(&maker->train_text, "data.checksum: %s\n",
                       sw_digest_text(data->checksum, checksum)));
    SW_TRY(sw_plan_identity(spec, SW_STAGE_DATA | SW_STAGE_TRAIN, &maker->train_text));
    SW_TRY(sw_plan_identity(spec, SW_STAGE_PRUNE, &maker->prune_text));
    struct sw_trial_spec first = without_conversion(spec);
    SW_TRY(sw_plan_identity(&first, SW_STAGE_PRUNE, &maker->plain_text));
    if (strcmp(first.prune_schedule, "one-shot") == 0)
        SW_TEXT_COPY(first.prune_schedule, "iterative");
    return sw_plan_identity(&first, SW_STAGE_PRUNE, &maker->first_text);
}

/* Digest of everything that can change the result: data, training, for pruned rounds the pruning,
 * the round and the control. */
static enum sw_status identify(struct maker *maker, int64_t round, enum sw_control control,
                               struct sw_digest *out) {
    struct sw_text *text = &maker->train_text;
    size_t kept = text->length;
    int64_t last = maker->plan->sweep.trials[maker->trial].prune_convert_round;
    bool converted = last != SW_INT_NULL && round > last;
    const struct sw_text *pruning = converted ? &maker->prune_text : &maker->plain_text;
    if (round == 1) pruning = &maker->first_text;
    if (round > 0) SW_TRY(sw_text_add_bytes(text, pruning->bytes, pruning->length));
    SW_TRY(sw_text_add(text, "round: %" PRId64 "\ncontrol: %s\n", round, sw_control_name(control)));
    *out = sw_digest_of(text->bytes, text->length);
    text->length = kept;
    return SW_OK;
}

/* The row that writes the initial weights of a ticket: the first one with the same network,
 * distributions and seed. */
static enum sw_status find_theta0_owner(struct maker *maker, int64_t row, int64_t *out) {
    const struct sw_plan *plan = maker->plan;
    const struct sw_trial_spec *spec = &plan->sweep.trials[maker->trial];
    struct sw_text text = {0};
    enum sw_status status = SW_OK;
    SW_TRY_TO(sw_text_add(&text, "%" PRId64 " %s %s %" PRId64, plan->trial_arch[maker->trial],
                          spec->model_init, spec->model_norm_scale, spec->seed),
              status, cleanup);
    SW_TRY_TO(sw_plan_index_add(&maker->theta0, sw_digest_of(text.bytes, text.length), row, out),
              status, cleanup);
cleanup:
    sw_text_fini(&text);
    return status;
}

/* ---- rows ----------------------------------------------------------------------------------- */

static enum sw_status widen(struct maker *maker) {
    struct sw_sweep *sweep = &maker->plan->sweep;
    int64_t room = maker->room * 2 + 64, layers = sweep->max_layers;
    SW_TRY(SW_GROW(&sweep->rounds, (size_t) sweep->n_rounds, (size_t) room, "rounds"));
    SW_TRY(SW_GROW(&sweep->kept, (size_t) (sweep->n_rounds * layers), (size_t) (room * layers),
                   "weights kept per layer"));
    maker->room = room;
    return SW_OK;
}

/* A ticket that is pruned while it trains: how it begins, rows of its calls, FLOPs from call to call. */
static void fill_within(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                        const struct sw_data_info *data, struct sw_round_plan *row) {
    const struct sw_prune_span span = sw_plan_span(spec, data);
    int64_t likely[SW_MAX_LAYERS], from = span.first;
    row->start_survivors = sw_prune_total(spec, arch, row->round - 1) + arch->parameters -
                           arch->prunable;
    row->prune_rows = sw_prune_calls(spec, &span) * sw_prune_pools(spec, arch);
    row->flops = 0;
    sw_prune_likely(spec, arch, row->round - 1, likely);
    for (int64_t done = span.first; done < span.steps; done++) {
        if (!sw_prune_is_due(spec, &span, done)) continue;
        row->flops += sw_train_flops_span(spec, arch, data, span.first, from, done, likely);
        sw_prune_likely_within(spec, arch, row->round, &span, done, likely);
        from = done;
    }
    row->flops += sw_train_flops_span(spec, arch, data, span.first, from, span.steps, likely);
}

/* The figures of a row: counts, steps, FLOPs. */
static void fill_figures(const struct sw_plan *plan, struct sw_round_plan *row) {
    const struct sw_sweep *sweep = &plan->sweep;
    const struct sw_trial_spec *spec = &sweep->trials[row->trial];
    const struct sw_arch *arch = &sweep->archs[row->arch];
    const struct sw_data_info *data = &sweep->datas[row->data];
    int64_t likely[SW_MAX_LAYERS];
    struct sw_trial_spec round_spec;
    sw_train_round_spec(spec, row->round, data->train, &round_spec);
    sw_prune_kept(spec, arch, row->round, sweep->kept + row->row * sweep->max_layers);
    sw_prune_likely(spec, arch, row->round, likely);
    row->nnz = sw_prune_total(spec, arch, row->round);
    row->survivors = row->nnz + arch->parameters - arch->prunable;
    row->sparsity_requested = sw_prune_requested(spec, arch, row->round);
    row->steps = sw_train_steps(&round_spec, data->train);
    row->curve_points = sw_train_curve_points_from(&round_spec, row->rewind_to, row->steps);
    row->flops = sw_train_flops_from(&round_spec, arch, data, row->rewind_to, likely);
    row->start_survivors = row->survivors;
    if (sw_prune_is_within(spec) && row->round > 0 && row->control == SW_CONTROL_TICKET)
        fill_within(&round_spec, arch, data, row);
}

/* Which snapshot of the trial's round 0 a row begins with: one per step that some row rewinds to. */
static enum sw_status find_snapshot(struct maker *maker, struct sw_round_plan *row) {
    struct sw_sweep *sweep = &maker->plan->sweep;
    row->rewind_to = row->round > 0 && row->control != SW_CONTROL_REINIT
                         ? sweep->trials[row->trial].rewind_to
                         : 0;
    row->theta_k_owner = row->theta_k_index = -1;
    if (row->rewind_to == 0 || sw_round_keeps_weights(&sweep->trials[row->trial], row))
        return SW_OK;
    row->theta_k_owner = sw_sweep_row(sweep, row->trial, 0, SW_CONTROL_TICKET);
    struct sw_round_plan *owner = &sweep->rounds[row->theta_k_owner];
    const int64_t words[2] = {owner->row, row->rewind_to};
    SW_TRY(sw_plan_index_add(&maker->theta_k, sw_digest_of(words, sizeof words), owner->snapshots,
                             &row->theta_k_index));
    if (row->theta_k_index == owner->snapshots) owner->snapshots++;
    if (owner->snapshots > SW_SNAPSHOTS_MAX)
        sw_plan_report(maker->plan, sw_plan_find_place(maker->plan, row->trial, "rewind.to"),
                       "rewind.to: more than %d different steps for one dense training",
                       SW_SNAPSHOTS_MAX);
    return SW_OK;
}

/* Does a ticket wait for another round: to prune what it left, or to take its signs? */
static bool needs_parent(const struct sw_trial_spec *spec, int64_t round) {
    return !sw_prune_is_standalone(spec) || sw_train_sign_reference(spec, round) == SW_SIGN_DENSE;
}

/* Whose weights and mask a row starts from. A ticket prunes its parent, if it needs one; a control belongs to
 * a ticket: reinit keeps its mask, draws new weights and trains them from step 0 on, the others keep its weights and make a mask
 * of their own. */
static enum sw_status find_owners(struct maker *maker, struct sw_round_plan *row) {
    const struct sw_sweep *sweep = &maker->plan->sweep;
    row->theta0_owner = row->mask_owner = row->row;
    row->parent = -1;
    if (row->control == SW_CONTROL_TICKET) {
        int64_t before = sw_prune_parent_round(&sweep->trials[row->trial], row->round);
        if (row->round > 0 && needs_parent(&sweep->trials[row->trial], row->round))
            row->parent = sw_sweep_row(sweep, row->trial, before, SW_CONTROL_TICKET);
        return find_theta0_owner(maker, row->row, &row->theta0_owner);
    }
    row->parent = sw_sweep_row(sweep, row->trial, row->round, SW_CONTROL_TICKET);
    if (row->control == SW_CONTROL_REINIT)
        row->mask_owner = row->parent;
    else
        row->theta0_owner = sweep->rounds[row->parent].theta0_owner;
    return SW_OK;
}

/* A new row at the end of the rounds. */
static enum sw_status add_row(struct maker *maker, int64_t round, enum sw_control control,
                              struct sw_digest id) {
    struct sw_plan *plan = maker->plan;
    struct sw_sweep *sweep = &plan->sweep;
    if (sweep->n_rounds == maker->room) SW_TRY(widen(maker));
    struct sw_round_plan *row = &sweep->rounds[sweep->n_rounds];
    row->row = sweep->n_rounds;
    row->trial = maker->trial;
    row->round = round;
    row->control = control;
    row->arch = plan->trial_arch[maker->trial];
    row->data = plan->trial_data[maker->trial];
    SW_TRY(find_owners(maker, row));
    SW_TRY(find_snapshot(maker, row));
    sw_digest_text(id, row->id);
    sweep->n_rounds++;
    fill_figures(plan, row);
    return SW_OK;
}

/* The row of one training of the trial, new or shared with an earlier trial. */
static enum sw_status place_round(struct maker *maker, int64_t round, enum sw_control control) {
    struct sw_sweep *sweep = &maker->plan->sweep;
    struct sw_digest id;
    int64_t row = 0, next = sweep->n_rounds;
    SW_TRY(identify(maker, round, control, &id));
    SW_TRY(sw_plan_index_add(&maker->rounds, id, next, &row));
    if (row == next) SW_TRY(add_row(maker, round, control, id));
    sweep->trial_rounds[(maker->trial * sweep->rounds_wide + round) * SW_CONTROL_COUNT +
                        (int64_t) control] = row;
    maker->asked++;
    return SW_OK;
}

static enum sw_status place_trial(struct maker *maker, int64_t trial) {
    struct sw_plan *plan = maker->plan;
    const struct sw_trial_spec *spec = &plan->sweep.trials[trial];
    int64_t rounds = sw_prune_rounds(spec, arch_of(plan, trial));
    char word[32];
    SW_TRY(begin_trial(maker, trial));
    for (int64_t round = 0; round <= rounds; round++) {
        SW_TRY(place_round(maker, round, SW_CONTROL_TICKET));
        for (size_t i = 0; round > 0 && sw_spec_word(spec->control, i, word); i++) {
            enum sw_control control = SW_CONTROL_TICKET;
            if (!sw_control_find(word, &control))
                return SW_FAIL(SW_INTERNAL, "control '%s' was not checked", word);
            SW_TRY(place_round(maker, round, control));
        }
    }
    return SW_OK;
}

/* ---- all trials ----------------------------------------------------------------------------- */

static bool is_too_large(struct sw_plan *plan) {
    const struct sw_sweep *sweep = &plan->sweep;
    if (sweep->n_rounds <= SW_PLAN_ROUNDS && sweep->n_rounds * sweep->max_layers <= SW_PLAN_CELLS)
        return false;
    sw_plan_report(plan, plan->grid_place,
                   "grid: more than %" PRId64 " distinct rounds are too many for one sweep",
                   sweep->n_rounds - 1);
    return true;
}

static enum sw_status place_all(struct maker *maker) {
    struct sw_plan *plan = maker->plan;
    struct sw_sweep *sweep = &plan->sweep;
    for (int64_t trial = 0; trial < sweep->n_trials; trial++) {
        SW_TRY(place_trial(maker, trial));
        if (is_too_large(plan) || plan->n_errors > 0) return SW_OK;
    }
    sweep->shared = maker->asked - sweep->n_rounds;
    sw_sweep_lay_out(sweep);
    for (int64_t row = 0; row < sweep->n_rounds; row++)
        sweep->rounds[row].rank_bytes = sw_plan_rank_bytes(plan, row);
    return SW_OK;
}

enum sw_status sw_plan_make_rounds(struct sw_plan *plan) {
    struct maker maker = {.plan = plan};
    enum sw_status status = SW_OK;
    SW_TRY(make_table(plan));
    if (plan->n_errors > 0) return SW_OK;
    status = place_all(&maker);
    sw_text_fini(&maker.train_text);
    sw_text_fini(&maker.prune_text);
    sw_text_fini(&maker.plain_text);
    sw_text_fini(&maker.first_text);
    sw_plan_index_fini(&maker.rounds);
    sw_plan_index_fini(&maker.theta0);
    sw_plan_index_fini(&maker.theta_k);
    return status;
}
