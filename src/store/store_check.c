/* Is a round what its commit record says, and does it keep the invariants of the plan? */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store_internal.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

struct audit {
    struct sw_store *store;
    int64_t row;
    const struct sw_round_plan *round;
    const struct sw_arch *arch;
    struct sw_commit commit;
    struct sw_round_record record;
    uint8_t *mask; /* NULL when no intact mask is at hand */
    int64_t kept;  /* its ones */
    struct sw_round_check *out;
};

static bool is_sound(const struct audit *audit) {
    return audit->out->state != SW_ROUND_DAMAGED;
}

/* The first fault stays. */
static void SW_PRINTF(3, 4)
    blame(struct audit *audit, enum sw_section section, const char *format, ...) {
    if (!is_sound(audit)) return;
    char what[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    audit->out->state = SW_ROUND_DAMAGED;
    audit->out->section = section;
    snprintf(audit->out->detail, sizeof audit->out->detail, "%s: %s", sw_section_name(section),
             what);
}

static enum sw_status check_sums(struct audit *audit) {
    for (int s = 0; s < SW_SECTION_COUNT && is_sound(audit); s++) {
        struct sw_digest sum;
        SW_TRY(sw_store_sum_section(audit->store, audit->row, (enum sw_section) s,
                                    audit->commit.length[s], &sum));
        if (!sw_digest_equal(sum, audit->commit.section[s]))
            blame(audit, (enum sw_section) s,
                  "its %" PRId64 " elements do not match their checksum", audit->commit.length[s]);
    }
    return SW_OK;
}

/* ---- the record ----------------------------------------------------------------------------- */

static bool is_text(const char *bytes, size_t size, const char *expected) {
    return memchr(bytes, '\0', size) != NULL && strcmp(bytes, expected) == 0;
}

/* Loss finite and accuracy a share, for a split that has images. */
static bool is_figure(int64_t images, double loss, double accuracy) {
    return images == 0 || (isfinite(loss) && accuracy >= 0 && accuracy <= 1);
}

static bool is_sparsity(const struct sw_round_results *result) {
    double expected = 1 - (double) result->nnz / (double) result->prunable;
    return fabs(result->sparsity - expected) < 1e-9; /* false for NaN */
}

static void check_identity(struct audit *audit) {
    const struct sw_round_results *result = &audit->record.result;
    const struct sw_round_plan *round = audit->round;
    const char *status = audit->commit.status == SW_COMMIT_OK ? "ok" : "failed";
    if (!sw_digest_equal(sw_digest_of(result, sizeof *result), audit->commit.result))
        blame(audit, SW_SECTION_RECORD, "the result columns do not match their checksum");
    if (result->row != audit->row || result->trial != round->trial || result->round != round->round)
        blame(audit, SW_SECTION_RECORD, "row, trial or round is not the planned one");
    if (!is_text(result->control, sizeof result->control,
                 sw_control_name((enum sw_control) round->control)))
        blame(audit, SW_SECTION_RECORD, "the control is not the planned one");
    if (!is_text(result->status, sizeof result->status, status))
        blame(audit, SW_SECTION_RECORD, "the status is not %s as committed", status);
    if (result->parameters != audit->arch->trained || result->prunable != audit->arch->prunable)
        blame(audit, SW_SECTION_RECORD, "the sizes are not those of the network");
}

static void check_figures(struct audit *audit) {
    const struct sw_round_results *result = &audit->record.result;
    if (!is_figure(result->train_images, result->train_loss, result->train_accuracy) ||
        !is_figure(result->validation_images, result->validation_loss,
                   result->validation_accuracy) ||
        !is_figure(result->test_images, result->test_loss, result->test_accuracy))
        blame(audit, SW_SECTION_RECORD,
              "a loss or an accuracy of a finished training is no number");
    if (result->prunable > 0 && !is_sparsity(result))
        blame(audit, SW_SECTION_RECORD, "sparsity %.9g does not fit %" PRId64 " weights left",
              result->sparsity, result->nnz);
    if (result->curve_points != audit->commit.length[SW_SECTION_CURVES])
        blame(audit, SW_SECTION_CURVES, "%" PRId64 " rows, and the record says %" PRId64,
              audit->commit.length[SW_SECTION_CURVES], result->curve_points);
    if (result->alerts != audit->commit.length[SW_SECTION_ALERTS])
        blame(audit, SW_SECTION_ALERTS, "%" PRId64 " rows, and the record says %" PRId64,
              audit->commit.length[SW_SECTION_ALERTS], result->alerts);
}

static enum sw_status check_record(struct audit *audit) {
    if (audit->commit.length[SW_SECTION_RECORD] != 1) {
        blame(audit, SW_SECTION_RECORD, "there is no record");
        return SW_OK;
    }
    SW_TRY(sw_store_read_raw(audit->store, audit->row, SW_SECTION_RECORD, &audit->record,
                             sizeof audit->record));
    check_identity(audit);
    if (audit->commit.status == SW_COMMIT_OK) check_figures(audit);
    return SW_OK;
}

/* ---- lengths -------------------------------------------------------------------------------- */

/* A finished training has all its sections; a failed one has what it got to. */
static void check_lengths(struct audit *audit) {
    static const enum sw_section whole[] = {SW_SECTION_THETA0, SW_SECTION_THETA_K, SW_SECTION_MASK,
                                            SW_SECTION_LAYERS};
    if (audit->commit.status != SW_COMMIT_OK) return;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (audit->commit.length[whole[i]] != audit->round->length[whole[i]])
            blame(audit, whole[i], "%" PRId64 " elements instead of %" PRId64,
                  audit->commit.length[whole[i]], audit->round->length[whole[i]]);
    int64_t survivors = audit->kept + audit->arch->parameters - audit->arch->prunable;
    if (audit->mask != NULL && audit->commit.length[SW_SECTION_WEIGHTS] != survivors)
        blame(audit, SW_SECTION_WEIGHTS, "%" PRId64 " values for %" PRId64 " survivors",
              audit->commit.length[SW_SECTION_WEIGHTS], survivors);
}

/* ---- masks ---------------------------------------------------------------------------------- */

/* The mask of a row, *out NULL when none is committed whole and intact. */
static enum sw_status load_mask(struct sw_store *store, int64_t row, uint8_t **out) {
    size_t bytes = (size_t) store->archs[store->rounds[row].arch].mask_bytes, length = 0;
    uint8_t *mask;
    *out = NULL;
    SW_TRY(SW_ALLOC(&mask, bytes, "a mask"));
    enum sw_status status = sw_store_read(store, row, SW_SECTION_MASK, mask, bytes, &length);
    if (status == SW_OK && length == bytes) {
        *out = mask;
        return SW_OK;
    }
    SW_FREE(&mask);
    return status == SW_NOT_FOUND || status == SW_DAMAGED ? SW_OK : status;
}

static bool has_own_mask(const struct audit *audit) {
    return audit->round->mask_owner == audit->row;
}

static void count_mask(struct audit *audit) {
    for (int64_t i = 0; i < audit->arch->n_params; i++) {
        const struct sw_param *param = &audit->arch->params[i];
        if (param->prunable == 0) continue;
        const uint8_t *bits = audit->mask + param->mask_offset;
        if (has_own_mask(audit) && !sw_mask_is_clean(bits, param->count))
            blame(audit, SW_SECTION_MASK, "unused bits of %s are set", param->name);
        audit->kept += sw_mask_count(bits, param->count);
    }
    /* A control that never ran states what was planned. */
    bool states_count = has_own_mask(audit) || audit->commit.status == SW_COMMIT_OK;
    if (states_count && audit->kept != audit->record.result.nnz)
        blame(audit, has_own_mask(audit) ? SW_SECTION_MASK : SW_SECTION_RECORD,
              "%" PRId64 " weights are kept, and the record says %" PRId64, audit->kept,
              audit->record.result.nnz);
}

/* Pruning never brings a weight back. A control may have any mask of the ticket's size. */
static enum sw_status check_nesting(struct audit *audit) {
    uint8_t *parent;
    if (audit->round->parent < 0 || audit->round->control != SW_CONTROL_TICKET) return SW_OK;
    /* A conversion begins a new mask: its stages are nested each in itself. */
    const struct sw_trial_spec *spec = &audit->store->trials[audit->round->trial].spec;
    if (audit->round->round - 1 == spec->prune_convert_round) return SW_OK;
    SW_TRY(load_mask(audit->store, audit->store->rounds[audit->round->parent].mask_owner, &parent));
    for (int64_t i = 0; parent != NULL && i < audit->arch->n_params; i++) {
        const struct sw_param *param = &audit->arch->params[i];
        if (param->prunable != 0 && !sw_mask_is_nested(audit->mask + param->mask_offset,
                                                       parent + param->mask_offset, param->count))
            blame(audit, SW_SECTION_MASK, "%s keeps a weight that row %" PRId64 " had removed",
                  param->name, audit->round->parent);
    }
    SW_FREE(&parent);
    return SW_OK;
}

static enum sw_status check_mask(struct audit *audit) {
    SW_TRY(load_mask(audit->store, audit->round->mask_owner, &audit->mask));
    if (audit->mask == NULL) return SW_OK;
    count_mask(audit);
    return has_own_mask(audit) ? check_nesting(audit) : SW_OK;
}

/* ---- layers --------------------------------------------------------------------------------- */

static void check_layer(struct audit *audit, const struct sw_layer_record *layer,
                        const struct sw_param *param) {
    if (!is_text(layer->name, sizeof layer->name, param->name) || layer->weights != param->count)
        blame(audit, SW_SECTION_LAYERS, "a row is not that of %s", param->name);
    if (audit->mask == NULL) return;
    int64_t kept = sw_mask_count(audit->mask + param->mask_offset, param->count);
    if (layer->nnz != kept)
        blame(audit, SW_SECTION_LAYERS, "%s has nnz %" PRId64 ", its mask keeps %" PRId64,
              param->name, layer->nnz, kept);
}

static enum sw_status check_layers(struct audit *audit) {
    size_t n = (size_t) audit->commit.length[SW_SECTION_LAYERS];
    struct sw_layer_record *layers;
    int64_t sum = 0;
    if (n == 0 || (int64_t) n != audit->arch->n_layers) return SW_OK;
    SW_TRY(SW_ALLOC(&layers, n, "layer records"));
    enum sw_status status = sw_store_read_raw(audit->store, audit->row, SW_SECTION_LAYERS, layers,
                                              n * sizeof *layers);
    for (int64_t i = 0, l = 0; status == SW_OK && i < audit->arch->n_params; i++) {
        if (audit->arch->params[i].prunable == 0) continue;
        check_layer(audit, &layers[l], &audit->arch->params[i]);
        sum += layers[l++].nnz;
    }
    if (status == SW_OK && sum != audit->record.result.nnz)
        blame(audit, SW_SECTION_LAYERS,
              "%" PRId64 " weights left in all, and the record says %" PRId64, sum,
              audit->record.result.nnz);
    SW_FREE(&layers);
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static enum sw_status check_sections(struct audit *audit) {
    SW_TRY(check_sums(audit));
    if (is_sound(audit)) SW_TRY(check_record(audit));
    if (is_sound(audit)) SW_TRY(check_mask(audit));
    if (is_sound(audit)) check_lengths(audit);
    if (is_sound(audit)) SW_TRY(check_layers(audit));
    return SW_OK;
}

enum sw_status sw_store_check_round(struct sw_store *store, int64_t row, bool deep,
                                    struct sw_round_check *out) {
    struct sw_round_check check = {.state = SW_ROUND_MISSING};
    struct audit audit = {.store = store, .row = row, .out = &check};
    enum sw_commit_state state;
    const char *why;
    SW_TRY(sw_store_read_commit(store, row, &audit.commit, &state, &why));
    enum sw_status status = SW_OK;
    if (state == SW_COMMIT_TORN) {
        check.state = SW_ROUND_TORN;
        SW_TEXT_COPY(check.detail, why);
    } else if (state == SW_COMMIT_VALID) {
        check.state = SW_ROUND_COMMITTED;
        check.failed = audit.commit.status == SW_COMMIT_FAILED;
        audit.round = &store->rounds[row];
        audit.arch = &store->archs[audit.round->arch];
        if (deep) status = check_sections(&audit);
    }
    SW_FREE(&audit.mask);
    if (status == SW_OK) *out = check;
    return status;
}
