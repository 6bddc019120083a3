/* Load what was written at creation. The tables index each other and the slabs: every index, length
 * and name is checked here, so that the rest of the module can trust them. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "store_internal.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

/* A table as it stands in the file, with a NUL byte behind it. */
static enum sw_status load_set(const struct sw_store *store, enum sw_set id, void *out) {
    const struct sw_place *place = &store->place[id];
    char *bytes;
    SW_TRY(SW_ALLOC(&bytes, place->bytes + 1, sw_store_set(id)->path));
    enum sw_status status = sw_file_pread(store->fd, bytes, place->bytes, place->offset,
                                          store->path);
    if (status != SW_OK)
        SW_FREE(&bytes);
    else
        *(void **) out = bytes;
    return status;
}

static enum sw_status bad_row(const struct sw_store *store, enum sw_set id, int64_t row,
                              const char *what) {
    return SW_FAIL(SW_DAMAGED, "%s: %s row %" PRId64 ": %s", store->path, sw_store_set(id)->path,
                   row, what);
}

static bool is_text(const char *bytes, size_t size) {
    return memchr(bytes, '\0', size) != NULL;
}

static bool within(int64_t value, int64_t lowest, int64_t end) {
    return value >= lowest && value < end;
}

/* ---- networks ------------------------------------------------------------------------------- */

/* Names become HDF5 links on export: no slash, not empty, not ".". */
static bool is_param_name(const char *name, size_t size) {
    return is_text(name, size) && name[0] != '\0' && strchr(name, '/') == NULL &&
           strcmp(name, ".") != 0;
}

static const char *param_fault(const struct sw_param *param, const struct sw_arch *arch,
                               int64_t offset, int64_t mask_offset) {
    int64_t count = 1;
    if (!is_param_name(param->name, sizeof param->name)) return "the name is not usable";
    if (!within(param->rank, 1, SW_MAX_RANK + 1)) return "rank is not 1..4";
    for (int64_t i = 0; i < param->rank; i++) {
        if (param->shape[i] < 1 || count > INT64_MAX / param->shape[i]) return "bad shape";
        count *= param->shape[i];
    }
    if (param->count != count) return "count is not the product of the shape";
    if (param->offset != offset || count > arch->parameters - offset)
        return "its place in theta is wrong";
    if (!within(param->prunable, 0, 2) || !within(param->output, 0, 2) ||
        !within(param->shortcut, 0, 2))
        return "a flag is neither 0 nor 1";
    if (!within(param->role, 0, SW_ROLE_COUNT)) return "there is no such role";
    if (param->prunable == 0) return NULL;
    if (param->mask_offset != mask_offset || sw_mask_bytes(count) > arch->mask_bytes - mask_offset)
        return "its place in the mask is wrong";
    return NULL;
}

/* Parameters of one network follow each other without a gap, in theta and in the mask. */
static enum sw_status check_arch(const struct sw_store *store, const struct sw_arch *arch,
                                 int64_t model, int64_t first) {
    int64_t offset = 0, mask_offset = 0, layers = 0, prunable = 0, trained = 0;
    for (int64_t i = 0; i < arch->n_params; i++) {
        const struct sw_param *param = &arch->params[i];
        const char *fault = param_fault(param, arch, offset, mask_offset);
        if (fault != NULL) return bad_row(store, SW_SET_PARAMS, first + i, fault);
        offset += param->count;
        if (sw_role_is_trained(param->role)) trained += param->count;
        if (param->prunable == 0) continue;
        mask_offset += sw_mask_bytes(param->count);
        prunable += param->count;
        layers++;
    }
    if (offset != arch->parameters || mask_offset != arch->mask_bytes ||
        prunable != arch->prunable || trained != arch->trained || layers != arch->n_layers)
        return bad_row(store, SW_SET_MODELS, model, "its totals are not those of its parameters");
    return SW_OK;
}

static enum sw_status take_model(struct sw_store *store, const struct sw_model_row *row,
                                 int64_t model, int64_t first) {
    struct sw_arch *arch = &store->archs[model];
    if (!is_text(row->model, sizeof row->model) || row->first_param != first ||
        !within(row->n_params, 0, store->sizes.params - first + 1) || row->parameters < 0 ||
        row->mask_bytes < 0 || !within(row->n_layers, 0, store->sizes.layers + 1))
        return bad_row(store, SW_SET_MODELS, model, "out of range");
    memcpy(arch->model, row->model, sizeof arch->model);
    memcpy(arch->input_shape, row->input_shape, sizeof arch->input_shape);
    arch->classes = row->classes;
    arch->n_params = row->n_params;
    arch->n_layers = row->n_layers;
    arch->parameters = row->parameters;
    arch->trained = row->trained;
    arch->prunable = row->prunable;
    arch->mask_bytes = row->mask_bytes;
    arch->params = store->params + first;
    return check_arch(store, arch, model, first);
}

static enum sw_status load_archs(struct sw_store *store) {
    struct sw_model_row *models = NULL;
    struct sw_param_row *params = NULL;
    int64_t first = 0;
    enum sw_status status;
    SW_TRY_TO(load_set(store, SW_SET_MODELS, &models), status, cleanup);
    SW_TRY_TO(load_set(store, SW_SET_PARAMS, &params), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&store->archs, (size_t) store->sizes.models, "networks"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&store->params, (size_t) store->sizes.params, "parameters"), status,
              cleanup);
    for (int64_t i = 0; i < store->sizes.params; i++)
        store->params[i] = params[i].param;
    for (int64_t i = 0; i < store->sizes.models; i++) {
        SW_TRY_TO(take_model(store, &models[i], i, first), status, cleanup);
        first += models[i].n_params;
    }
cleanup:
    SW_FREE(&models);
    SW_FREE(&params);
    return status;
}

/* ---- trials --------------------------------------------------------------------------------- */

static enum sw_status check_trials(const struct sw_store *store) {
    size_t n_fields;
    const struct sw_field *fields = sw_spec_fields(&n_fields);
    for (int64_t i = 0; i < store->sizes.trials; i++) {
        const struct sw_trial_row *row = &store->trials[i];
        if (row->trial != i) return bad_row(store, SW_SET_TRIALS, i, "trial is not the row");
        for (size_t f = 0; f < n_fields; f++) {
            const char *member = (const char *) &row->spec + fields[f].offset;
            if (fields[f].kind == SW_KIND_INT || fields[f].kind == SW_KIND_REAL ||
                fields[f].kind == SW_KIND_BOOL)
                continue;
            if (!is_text(member, fields[f].size))
                return bad_row(store, SW_SET_TRIALS, i, "a text has no end");
        }
    }
    return SW_OK;
}

static enum sw_status check_rows(const struct sw_store *store) {
    int64_t n = store->sizes.trials * store->sizes.wide * SW_CONTROL_COUNT;
    for (int64_t i = 0; i < n; i++)
        if (!within(store->rows[i], -1, store->sizes.rounds))
            return bad_row(store, SW_SET_TRIAL_CONTROLS, i / SW_CONTROL_COUNT / store->sizes.wide,
                           "a row of /rounds that does not exist");
    return SW_OK;
}

/* ---- rounds --------------------------------------------------------------------------------- */

static const char *round_fault(const struct sw_store *store, const struct sw_round_plan *round,
                               int64_t row) {
    const struct sw_store_sizes *sizes = &store->sizes;
    if (round->row != row) return "row is not the row";
    if (!within(round->trial, 0, sizes->trials) || !within(round->round, 0, sizes->wide) ||
        !within(round->control, 0, SW_CONTROL_COUNT))
        return "trial, round or control out of range";
    if (!within(round->parent, -1, row)) return "its parent does not come before it";
    if (!within(round->arch, 0, sizes->models) || !within(round->data, 0, sizes->datas))
        return "model or data set out of range";
    if (!within(round->theta0_owner, 0, row + 1) || !within(round->mask_owner, 0, row + 1))
        return "the owner of its theta0 or mask does not come before it";
    bool keeps = sw_round_keeps_weights(&store->trials[round->trial].spec, round);
    if (keeps && round->parent < 0) return "it begins with weights of no parent";
    if (!within(round->rewind_to, 0, round->steps + 1) || !within(round->theta_k_owner, -1, row) ||
        (round->rewind_to > 0 && !keeps) != (round->theta_k_owner >= 0))
        return "the weights it is rewound to do not come before it";
    if (!within(round->snapshots, 0, SW_SNAPSHOTS_MAX + 1)) return "it keeps too many snapshots";
    if (!is_text(round->id, sizeof round->id)) return "id has no end";
    const struct sw_arch *arch = &store->archs[round->arch];
    if (!within(round->nnz, 0, arch->prunable + 1) ||
        !within(round->survivors, 0, arch->parameters + 1) ||
        !within(round->start_survivors, 0, arch->parameters + 1) || round->steps < 0)
        return "counts out of range";
    return NULL;
}

/* Slabs stand in row order without overlap: end[] is where the rows before this one ended. */
static const char *slab_fault(const struct sw_store *store, const struct sw_round_plan *round,
                              int64_t end[SW_SECTION_COUNT]) {
    for (int s = 0; s < SW_SECTION_COUNT; s++) {
        int64_t extent = store->sizes.extent[s], offset = round->offset[s],
                length = round->length[s];
        if (length == 0) continue;
        if (length < 0 || !within(offset, end[s], extent) || length > extent - offset)
            return "a slab is out of range or overlaps another";
        end[s] = offset + length;
    }
    if (round->length[SW_SECTION_RECORD] != 1 || round->offset[SW_SECTION_RECORD] != round->row)
        return "its place in /rounds is not its row";
    return NULL;
}

/* What a round borrows has to be what its network needs. */
static const char *owner_fault(const struct sw_store *store, const struct sw_round_plan *round) {
    const struct sw_arch *arch = &store->archs[round->arch];
    const struct sw_round_plan *theta0 = &store->rounds[round->theta0_owner],
                               *mask = &store->rounds[round->mask_owner];
    if (theta0->arch != round->arch || theta0->length[SW_SECTION_THETA0] != arch->parameters)
        return "the owner of its theta0 has none that fits";
    if (round->length[SW_SECTION_THETA_K] != round->snapshots * arch->parameters)
        return "its place in /theta_k does not fit its snapshots";
    if (round->length[SW_SECTION_PRUNES] != round->prune_rows)
        return "its place in /prunes does not fit its prunes";
    if (round->theta_k_owner >= 0 &&
        (store->rounds[round->theta_k_owner].arch != round->arch ||
         !within(round->theta_k_index, 0, store->rounds[round->theta_k_owner].snapshots)))
        return "the owner of its theta_k has none that fits";
    if (mask->arch != round->arch || mask->length[SW_SECTION_MASK] != arch->mask_bytes)
        return "the owner of its mask has none that fits";
    if (round->parent >= 0 && store->rounds[round->parent].arch != round->arch)
        return "its parent has another network";
    return NULL;
}

static enum sw_status check_rounds(const struct sw_store *store) {
    int64_t end[SW_SECTION_COUNT] = {0};
    for (int64_t row = 0; row < store->sizes.rounds; row++) {
        const struct sw_round_plan *round = &store->rounds[row];
        const char *fault = round_fault(store, round, row);
        if (fault == NULL) fault = slab_fault(store, round, end);
        if (fault == NULL) fault = owner_fault(store, round);
        if (fault != NULL) return bad_row(store, SW_SET_PLAN, row, fault);
    }
    return SW_OK;
}

enum sw_status sw_store_load_static(struct sw_store *store) {
    SW_TRY(load_set(store, SW_SET_TEXT, &store->text));
    SW_TRY(load_set(store, SW_SET_CANONICAL, &store->canonical));
    SW_TRY(load_archs(store));
    SW_TRY(load_set(store, SW_SET_DATA, &store->datas));
    SW_TRY(load_set(store, SW_SET_TRIALS, &store->trials));
    SW_TRY(check_trials(store));
    SW_TRY(load_set(store, SW_SET_TRIAL_CONTROLS, &store->rows));
    SW_TRY(check_rows(store));
    SW_TRY(load_set(store, SW_SET_PLAN, &store->rounds));
    return check_rounds(store);
}
