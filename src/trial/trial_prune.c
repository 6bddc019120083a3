/* From a parent to the mask of this round: what its criterion looks at, and what comes out. */
#include "trial_run.h"

#include <stdio.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

/* ---- weights ------------------------------------------------------------------------------------- */

/* The weights that the training of a ticket ended with: all that its mask keeps, and what is never pruned. */
static enum sw_status load_survivors(const struct sw_trial_run *run, int64_t row,
                                     const uint8_t *mask, float **survivors) {
    const struct sw_arch *arch = &run->arch;
    int64_t n = arch->parameters - arch->prunable;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        n += sw_mask_count(mask + layer->mask_offset, layer->count);
    }
    SW_TRY(SW_ALLOC(survivors, (size_t) n, "the parent's weights"));
    return run->sink->load(run->sink->context, row, SW_SECTION_WEIGHTS, 0, *survivors,
                           (size_t) n * sizeof **survivors);
}

/* ---- what its criterion looks at ----------------------------------------------------------------- */

struct sources {
    uint8_t *mask;    /* of the parent */
    float *survivors; /* its weights; NULL when nobody looks at them */
    float *before;    /* [parameters] those of its parent */
    struct sw_prune_source source;
};

static void tell_alive(void *context) {
    const struct sw_trial_run *run = context;
    struct sw_progress progress = {.step = run->task->plan.rewind_to,
                                   .steps = run->task->plan.steps};
    if (run->sink->progress != NULL) run->sink->progress(run->sink->context, &progress);
}

/* The parent's parent keeps at least what the parent does. */
static enum sw_status load_before(const struct sw_trial_run *run, struct sources *sources) {
    const struct sw_arch *arch = &run->arch;
    const int64_t row = run->task->grandparent;
    const int64_t parent = sw_prune_parent_round(&run->spec, run->task->plan.round);
    const int64_t round = sw_prune_parent_round(&run->spec, parent);
    uint8_t *mask = NULL;
    float *survivors = NULL;
    enum sw_status status = SW_OK;
    SW_TRY_TO(SW_ALLOC(&mask, (size_t) arch->mask_bytes, "an earlier mask"), status, cleanup);
    SW_TRY_TO(sw_trial_load_mask(run, row, round, run->task->grandparent_kept, mask), status,
              cleanup);
    SW_TRY_TO(load_survivors(run, row, mask, &survivors), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&sources->before, (size_t) arch->parameters, "earlier weights"), status,
              cleanup);
    sw_arch_scatter(arch, mask, survivors, sources->before);
    sources->source.reference = sources->before;
cleanup:
    SW_FREE(&mask);
    SW_FREE(&survivors);
    return status;
}

/* The parent has the same theta0 as this round: it is drawn again, not loaded. */
static enum sw_status find_reference(struct sw_trial_run *run, struct sources *sources) {
    enum sw_score_reference reference = sw_prune_reference(&run->spec);
    bool initial = reference == SW_REFERENCE_THETA0 ||
                   (reference == SW_REFERENCE_THETA_K && run->task->plan.theta_k_owner < 0) ||
                   (reference == SW_REFERENCE_BEFORE && run->task->grandparent < 0);
    if (initial || (sw_prune_needs(&run->spec) & SW_NEEDS_THETA0) != 0)
        SW_TRY(sw_trial_draw(run, NULL));
    sources->source.theta0 = run->theta0;
    if (initial)
        sources->source.reference = run->theta0;
    else if (reference == SW_REFERENCE_THETA_K)
        sources->source.reference = run->theta_k;
    else if (reference == SW_REFERENCE_BEFORE)
        SW_TRY(load_before(run, sources));
    return SW_OK;
}

static enum sw_status load_sources(struct sw_trial_run *run, struct sources *sources) {
    int64_t parent = run->task->plan.parent;
    int64_t round = run->task->plan.round, before = sw_prune_parent_round(&run->spec, round);
    bool trained = strcmp(run->spec.prune_score_weights, "init") != 0 ||
                   sw_round_keeps_weights(&run->spec, &run->task->plan) ||
                   sw_prune_is_conversion(&run->spec, round);
    SW_TRY(SW_ALLOC(&sources->mask, (size_t) run->arch.mask_bytes, "the parent's mask"));
    if (parent < 0)
        sw_trial_keep_all(run, sources->mask);
    else
        SW_TRY(sw_trial_load_mask(run, parent, before, run->task->parent_kept, sources->mask));
    if (trained) SW_TRY(load_survivors(run, parent, sources->mask, &sources->survivors));
    sources->source = (struct sw_prune_source){
        .hal = run->hal, .data = run->data, .alive = tell_alive, .context = run};
    return find_reference(run, sources);
}

static void release_sources(struct sources *sources) {
    SW_FREE(&sources->mask);
    SW_FREE(&sources->survivors);
    SW_FREE(&sources->before);
}

/* ---- pruning ------------------------------------------------------------------------------------- */

/* A person should know where a floor, not the scores, decided. */
void sw_trial_report_floors(struct sw_trial_run *run, const struct sw_prune_report *report) {
    char message[80];
    if (sw_prune_note(&run->spec, &run->arch, run->task->plan.round, message, sizeof message))
        sw_watch_alert(&run->watch, "prune", run->task->plan.rewind_to, run->spec.prune_ratio_cap,
                       message);
    for (int64_t l = 0; l < run->arch.n_layers; l++) {
        const char *name = sw_arch_layer(&run->arch, l)->name;
        int64_t held_at = report->held_at[l];
        if (held_at < 0) continue;
        (void) snprintf(message, sizeof message,
                        held_at == 0 ? "layer collapse: only prune.min_keep holds %s"
                                     : "prune.min_keep holds more of %s than was to stay",
                        name);
        sw_watch_alert(&run->watch, "prune", run->task->plan.rewind_to, (double) held_at, message);
    }
}

enum sw_status sw_trial_prune_parent(struct sw_trial_run *run) {
    struct sw_prune_report report;
    struct sources sources = {0};
    bool trained = strcmp(run->spec.prune_score_weights, "init") != 0;
    enum sw_status status = load_sources(run, &sources);
    if (status == SW_OK)
        status = sw_prune_round(&run->spec, &run->arch, run->task->plan.round, sources.mask,
                                trained ? sources.survivors : NULL, &sources.source, run->mask,
                                &report);
    if (status == SW_OK) sw_trial_report_floors(run, &report);
    if (status == SW_OK) sw_trial_take_parent(run, sources.mask, sources.survivors);
    if (status == SW_OK && sw_prune_is_conversion(&run->spec, run->task->plan.round))
        status = sw_trial_judge_conversion(run, sources.mask, sources.survivors);
    release_sources(&sources);
    return status;
}
