#include <inttypes.h>
#include <string.h>

#include "plan_internal.h"
#include "sweepstake/memory.h"

static enum sw_status start(struct sw_plan *plan) {
    void *memory = NULL;
    size_t n_fields = 0;
    plan->fields = sw_spec_fields(&n_fields);
    plan->n_fields = (int64_t) n_fields;
    sw_spec_set_defaults(&plan->scratch);
    SW_TRY(sw_plan_arena_take(&plan->arena, n_fields * sizeof *plan->base, &memory));
    plan->base = memory;
    return SW_OK;
}

/* ---- what the store keeps ------------------------------------------------------------------- */

static enum sw_status keep_text(struct sw_plan *plan) {
    const struct sw_plan_source *source = plan->source;
    struct sw_sweep *sweep = &plan->sweep;
    struct sw_text overrides = {0}, both = {0};
    enum sw_status status = SW_OK;
    for (size_t i = 0; i < source->n_sets; i++)
        SW_TRY_TO(sw_text_add(&overrides, "%s\n", source->sets[i]), status, cleanup);
    SW_TRY_TO(sw_text_add_bytes(&both, source->text, source->text_bytes), status, cleanup);
    SW_TRY_TO(sw_text_add_bytes(&both, sw_text_get(&overrides), overrides.length), status, cleanup);
    sweep->digest = sw_digest_of(both.bytes, both.length);
    SW_TRY_TO(SW_ALLOC(&sweep->text, source->text_bytes + 1, "sweep file"), status, cleanup);
    memcpy(sweep->text, source->text, source->text_bytes);
    sweep->text_bytes = source->text_bytes;
    SW_TRY_TO(SW_ALLOC(&sweep->overrides, overrides.length + 1, "overrides"), status, cleanup);
    memcpy(sweep->overrides, sw_text_get(&overrides), overrides.length);
cleanup:
    sw_text_fini(&overrides);
    sw_text_fini(&both);
    return status;
}

static enum sw_status keep_canonical(struct sw_sweep *sweep) {
    struct sw_text text = {0};
    enum sw_status status = SW_OK;
    unsigned all = SW_STAGE_DATA | SW_STAGE_TRAIN | SW_STAGE_PRUNE | SW_STAGE_LABEL;
    for (int64_t trial = 0; trial < sweep->n_trials; trial++) {
        SW_TRY_TO(sw_text_add(&text, "trial %" PRId64 "\n", trial), status, cleanup);
        SW_TRY_TO(sw_spec_canonical(&sweep->trials[trial], all, &text), status, cleanup);
    }
    sweep->canonical = text.bytes;
    text.bytes = NULL;
cleanup:
    sw_text_fini(&text);
    return status;
}

static void keep_names(struct sw_plan *plan) {
    struct sw_sweep *sweep = &plan->sweep;
    SW_TEXT_COPY(sweep->name, plan->name);
    SW_TEXT_COPY(sweep->store, plan->store);
    if (*sweep->store != '\0') return;
    SW_TEXT_COPY(sweep->store, plan->name);
    memcpy(sweep->store + strlen(sweep->store), ".h5", 4);
}

/* ---- building ------------------------------------------------------------------------------- */

/* From text to rounds; ends early, with SW_OK, where reported errors leave nothing to do. */
static enum sw_status make(struct sw_plan *plan) {
    SW_TRY(start(plan));
    SW_TRY(sw_plan_read_file(plan));
    SW_TRY(sw_plan_read_sets(plan));
    if (plan->unreadable) return SW_OK;
    SW_TRY(sw_plan_apply_recipe(plan));
    sw_plan_check_axes(plan);
    sw_plan_check_options(plan);
    SW_TRY(sw_plan_make_trials(plan));
    sw_plan_check_switches(plan);
    SW_TRY(sw_plan_check_trials(plan));
    if (plan->n_errors > 0) return SW_OK;
    SW_TRY(sw_plan_make_rounds(plan));
    if (plan->n_errors > 0) return SW_OK;
    keep_names(plan);
    SW_TRY(keep_text(plan));
    return keep_canonical(&plan->sweep);
}

/* The status of a build that reported something. */
static enum sw_status fail(struct sw_plan *plan, struct sw_text *errors) {
    SW_TRY(sw_plan_render_errors(plan, errors));
    enum sw_status status = plan->n_io == plan->n_errors ? SW_IO : SW_CONFIG;
    return SW_FAIL(status, "%s: %" PRId64 " error%s", plan->source->path, plan->n_errors,
                   plan->n_errors == 1 ? "" : "s");
}

enum sw_status sw_plan_build(const struct sw_plan_source *source, struct sw_sweep *out,
                             struct sw_text *errors) {
    struct sw_plan plan = {.source = source};
    enum sw_status status = make(&plan);
    if (status == SW_OK && plan.out_of_memory)
        status = SW_FAIL(SW_NOMEM, "no memory for the errors of %s", source->path);
    if (status == SW_OK && plan.n_errors > 0) status = fail(&plan, errors);
    if (status == SW_OK) {
        *out = plan.sweep;
    } else {
        sw_sweep_fini(&plan.sweep);
    }
    SW_FREE(&plan.trial_arch);
    SW_FREE(&plan.trial_data);
    sw_plan_arena_fini(&plan.arena);
    return status;
}
