/* One ticket as a file of its own. Values are stored under the mask only, and compressed: a ticket is
 * small because most of its network is gone. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store_internal.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/net.h"

struct ticket {
    struct sw_store *store;
    int64_t row;
    const struct sw_round_plan *round;
    const struct sw_arch *arch;
    struct sw_round_record record;
    float *theta;       /* theta0, all snapshots of its round 0, or what its parent trained */
    const float *start; /* [parameters] what it was trained from, in theta */
    uint8_t *mask;      /* [mask_bytes] */
    float *weights;     /* [survivors] */
    int64_t survivors;
    const char *path; /* for messages */
};

/* ---- load ----------------------------------------------------------------------------------- */

/* A whole section of the row that owns it. */
static enum sw_status load_section(const struct ticket *ticket, int64_t owner,
                                   enum sw_section section, size_t count, void *out) {
    size_t element = sw_section_element_bytes(section), length = 0;
    char *bytes;
    SW_TRY(sw_memory_alloc(count, element, sw_section_name(section), (void **) &bytes));
    enum sw_status status = sw_store_read(ticket->store, owner, section, bytes, count * element,
                                          &length);
    if (status == SW_OK && length != count * element)
        status = SW_FAIL(SW_NOT_FOUND,
                         "%s: row %" PRId64 " has no whole %s: %s (%.127s); there is no ticket",
                         ticket->store->path, owner, sw_section_name(section),
                         ticket->record.result.status, ticket->record.result.reason);
    if (status != SW_OK)
        SW_FREE(&bytes);
    else
        *(void **) out = bytes;
    return status;
}

static bool keeps_weights(const struct ticket *ticket) {
    const struct sw_store *store = ticket->store;
    return sw_round_keeps_weights(&store->trials[ticket->round->trial].spec, ticket->round);
}

static int64_t count_survivors(const struct sw_arch *arch, const uint8_t *mask) {
    int64_t kept = 0;
    for (int64_t i = 0; i < arch->n_params; i++)
        if (arch->params[i].prunable != 0)
            kept += sw_mask_count(mask + arch->params[i].mask_offset, arch->params[i].count);
    return kept + arch->parameters - arch->prunable;
}

/* What the parent trained, as a whole network; 0 where its mask keeps nothing. */
static enum sw_status load_parent(struct ticket *ticket) {
    const struct sw_arch *arch = ticket->arch;
    const struct sw_round_plan *parent = &ticket->store->rounds[ticket->round->parent];
    uint8_t *mask = NULL;
    float *survivors = NULL;
    enum sw_status status = SW_OK;
    SW_TRY_TO(
        load_section(ticket, parent->mask_owner, SW_SECTION_MASK, (size_t) arch->mask_bytes, &mask),
        status, cleanup);
    SW_TRY_TO(load_section(ticket, parent->row, SW_SECTION_WEIGHTS,
                           (size_t) count_survivors(arch, mask), &survivors),
              status, cleanup);
    SW_TRY_TO(SW_ALLOC(&ticket->theta, (size_t) arch->parameters, "start weights"), status,
              cleanup);
    const float *next = survivors;
    for (int64_t i = 0; i < arch->n_params; i++) {
        const struct sw_param *param = &arch->params[i];
        float *out = ticket->theta + param->offset;
        if (param->prunable != 0)
            next += sw_mask_scatter(mask + param->mask_offset, param->count, next, out);
        else
            memcpy(out, next, (size_t) param->count * sizeof *out), next += param->count;
    }
    ticket->start = ticket->theta;
cleanup:
    SW_FREE(&mask);
    SW_FREE(&survivors);
    return status;
}

/* The weights that its training began with. */
static enum sw_status load_start(struct ticket *ticket) {
    const struct sw_round_plan *round = ticket->round;
    size_t parameters = (size_t) ticket->arch->parameters, snapshots = 1, index = 0;
    int64_t owner = round->theta0_owner;
    if (keeps_weights(ticket)) return load_parent(ticket);
    if (round->theta_k_owner >= 0) {
        owner = round->theta_k_owner;
        snapshots = (size_t) ticket->store->rounds[owner].snapshots;
        index = (size_t) round->theta_k_index;
    }
    SW_TRY(load_section(ticket, owner,
                        round->theta_k_owner >= 0 ? SW_SECTION_THETA_K : SW_SECTION_THETA0,
                        snapshots * parameters, &ticket->theta));
    ticket->start = ticket->theta + index * parameters;
    return SW_OK;
}

/* Its name in the exported file. */
static const char *name_start(const struct ticket *ticket) {
    if (keeps_weights(ticket)) return "parent_weights";
    return ticket->round->theta_k_owner >= 0 ? "theta_k" : "theta0";
}

static enum sw_status load_ticket(struct ticket *ticket) {
    const struct sw_arch *arch = ticket->arch;
    SW_TRY(sw_store_read_record(ticket->store, ticket->row, &ticket->record));
    SW_TRY(load_start(ticket));
    SW_TRY(load_section(ticket, ticket->round->mask_owner, SW_SECTION_MASK,
                        (size_t) arch->mask_bytes, &ticket->mask));
    const struct sw_trial_spec *spec = &ticket->store->trials[ticket->round->trial].spec;
    if (sw_sparse_init_acts(spec, ticket->round->round, (enum sw_control) ticket->round->control))
        sw_sparse_init_scale(spec, arch, ticket->mask, ticket->theta);
    ticket->survivors = count_survivors(arch, ticket->mask);
    return load_section(ticket, ticket->row, SW_SECTION_WEIGHTS, (size_t) ticket->survivors,
                        &ticket->weights);
}

static enum sw_status check_ticket(const struct ticket *ticket) {
    struct sw_round_check check;
    SW_TRY(sw_store_check_round(ticket->store, ticket->row, true, &check));
    if (check.state == SW_ROUND_COMMITTED) return SW_OK;
    if (check.state == SW_ROUND_DAMAGED)
        return SW_FAIL(SW_DAMAGED, "%s: row %" PRId64 " is damaged: %s", ticket->store->path,
                       ticket->row, check.detail);
    return SW_FAIL(SW_NOT_FOUND,
                   "%s: trial %" PRId64 " round %" PRId64 " (row %" PRId64 ") is not committed",
                   ticket->store->path, ticket->round->trial, ticket->round->round, ticket->row);
}

/* ---- arrays --------------------------------------------------------------------------------- */

#define COMPACT_UP_TO 2048       /* bytes that fit into an object header */
#define CHUNK_ELEMENTS (1 << 20) /* a reader unpacks this much at a time */

/* Headers count: a network has many small parameters. */
static herr_t set_storage(hid_t properties, hsize_t count, size_t element) {
    hsize_t chunk = count < CHUNK_ELEMENTS ? count : CHUNK_ELEMENTS;
    if (H5Pset_obj_track_times(properties, false) < 0) return -1;
    if (H5Pset_dset_no_attrs_hint(properties, true) < 0) return -1;
    if (count * element < COMPACT_UP_TO) return H5Pset_layout(properties, H5D_COMPACT);
    if (H5Zfilter_avail(H5Z_FILTER_DEFLATE) <= 0) return 0;
    if (H5Pset_chunk(properties, 1, &chunk) < 0) return -1;
    if (element > 1 && H5Pset_shuffle(properties) < 0) return -1;
    return H5Pset_deflate(properties, 9);
}

static enum sw_status add_array(const struct ticket *ticket, hid_t group, const char *name,
                                hid_t type, int64_t n, const void *values) {
    hsize_t count = (hsize_t) n;
    hid_t space = H5Screate_simple(1, &count, NULL), properties = H5Pcreate(H5P_DATASET_CREATE);
    hid_t dataset = H5I_INVALID_HID;
    herr_t written = -1;
    if (properties >= 0 && set_storage(properties, count, H5Tget_size(type)) >= 0)
        dataset = H5Dcreate2(group, name, type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    if (dataset >= 0) {
        written = H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
        if (H5Dclose(dataset) < 0) written = -1;
    }
    enum sw_status status = SW_OK;
    if (written < 0) status = SW_H5_FAIL(SW_IO, "%s: cannot write %s", ticket->path, name);
    if (properties >= 0) (void) H5Pclose(properties);
    if (space >= 0) (void) H5Sclose(space);
    return status;
}

static enum sw_status add_shape(const struct ticket *ticket, hid_t group,
                                const struct sw_param *param) {
    hsize_t rank = (hsize_t) param->rank;
    hid_t type = H5Tarray_create2(H5T_STD_I64LE, 1, &rank);
    if (type < 0) return SW_H5_FAIL(SW_INTERNAL, "%s: %s: no type", ticket->path, param->name);
    enum sw_status status = sw_store_h5_attribute(group, "shape", type, param->shape, ticket->path);
    (void) H5Tclose(type);
    if (status != SW_OK) return status;
    return sw_store_h5_attribute(group, "prunable", H5T_STD_I64LE, &param->prunable, ticket->path);
}

/* The arrays of one parameter; *used: values taken from the survivors. */
static enum sw_status fill_param(const struct ticket *ticket, hid_t group,
                                 const struct sw_param *param, int64_t *used) {
    const float *start = ticket->start + param->offset, *weights = ticket->weights + *used;
    const char *name = name_start(ticket);
    int64_t n = param->count;
    float *packed = NULL;
    SW_TRY(add_shape(ticket, group, param));
    if (param->prunable != 0) {
        const uint8_t *mask = ticket->mask + param->mask_offset;
        SW_TRY(add_array(ticket, group, "mask", H5T_STD_U8LE, sw_mask_bytes(n), mask));
        SW_TRY(SW_ALLOC(&packed, (size_t) n, "surviving weights"));
        n = sw_mask_gather(mask, n, start, packed);
        start = packed;
    }
    enum sw_status status = add_array(ticket, group, name, H5T_IEEE_F32LE, n, start);
    if (status == SW_OK) status = add_array(ticket, group, "weights", H5T_IEEE_F32LE, n, weights);
    SW_FREE(&packed);
    if (status == SW_OK) *used += n;
    return status;
}

static enum sw_status add_params(const struct ticket *ticket, hid_t file) {
    int64_t used = 0;
    hid_t params = sw_store_h5_group(file, "params");
    enum sw_status status = SW_OK;
    if (params < 0) return SW_H5_FAIL(SW_IO, "%s: cannot create /params", ticket->path);
    for (int64_t i = 0; i < ticket->arch->n_params && status == SW_OK; i++) {
        const struct sw_param *param = &ticket->arch->params[i];
        hid_t group = sw_store_h5_group(params, param->name);
        if (group < 0) {
            status = SW_H5_FAIL(SW_IO, "%s: cannot create %s", ticket->path, param->name);
            break;
        }
        status = fill_param(ticket, group, param, &used);
        (void) H5Gclose(group);
    }
    (void) H5Gclose(params);
    return status;
}

/* ---- provenance ----------------------------------------------------------------------------- */

static enum sw_status add_column(const struct ticket *ticket, hid_t file,
                                 const struct sw_column *column) {
    const char *member = (const char *) &ticket->record + column->offset;
    switch (column->kind) {
    case SW_COLUMN_I64:
        return sw_store_h5_attribute(file, column->name, H5T_STD_I64LE, member, ticket->path);
    case SW_COLUMN_F64:
        return sw_store_h5_attribute(file, column->name, H5T_IEEE_F64LE, member, ticket->path);
    case SW_COLUMN_STR:
        break;
    }
    char text[256] = "";
    memcpy(text, member, column->size < sizeof text ? column->size : sizeof text - 1);
    return sw_store_h5_text_attribute(file, column->name, text, ticket->path);
}

/* Everything that the record says of the result, one attribute per column. */
static enum sw_status add_results(const struct ticket *ticket, hid_t file) {
    size_t n_columns, row_bytes;
    const struct sw_column *columns = sw_spec_columns(SW_TABLE_ROUNDS, &n_columns, &row_bytes);
    for (size_t i = 0; i < n_columns; i++)
        if (columns[i].result) SW_TRY(add_column(ticket, file, &columns[i]));
    return SW_OK;
}

/* "key: value\n" for every setting that is not this version's default: a ticket stays small beside its
 * weights, and `program` tells whose defaults the others are. */
static enum sw_status list_settings(const struct sw_trial_spec *spec, struct sw_text *out) {
    struct sw_trial_spec defaults;
    char value[256], preset[256];
    size_t n_fields = 0;
    const struct sw_field *fields = sw_spec_fields(&n_fields);
    sw_spec_set_defaults(&defaults);
    for (size_t i = 0; i < n_fields; i++) {
        (void) sw_spec_get(spec, &fields[i], value, sizeof value);
        if (strcmp(value, sw_spec_get(&defaults, &fields[i], preset, sizeof preset)) != 0)
            SW_TRY(sw_text_add(out, "%s: %s\n", fields[i].key, value));
    }
    return SW_OK;
}

static enum sw_status add_settings(const struct ticket *ticket, hid_t file) {
    const struct sw_trial_spec *spec = &ticket->store->trials[ticket->round->trial].spec;
    struct sw_text settings = {0};
    enum sw_status status = list_settings(spec, &settings);
    if (status == SW_OK)
        status = sw_store_h5_text_attribute(file, "settings", sw_text_get(&settings), ticket->path);
    sw_text_fini(&settings);
    return status;
}

static enum sw_status add_provenance(const struct ticket *ticket, hid_t file) {
    const struct sw_store *store = ticket->store;
    const int64_t schema = SW_STORE_SCHEMA;
    char digest[SW_DIGEST_TEXT];
    struct sw_digest result = sw_digest_of(&ticket->record.result, sizeof ticket->record.result);
    const struct {
        const char *name, *text;
    } texts[] = {{"program", store->identity.program},
                 {"isa", store->identity.isa},
                 {"openblas", store->identity.openblas},
                 {"kernel_table", store->identity.kernel_table},
                 {"sweep", store->sweep},
                 {"plan_digest", store->plan_digest},
                 {"model", ticket->arch->model},
                 {"id", ticket->round->id},
                 {"result_digest", sw_digest_text(result, digest)}};
    SW_TRY(sw_store_h5_attribute(file, "schema_version", H5T_STD_I64LE, &schema, ticket->path));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        SW_TRY(sw_store_h5_text_attribute(file, texts[i].name, texts[i].text, ticket->path));
    SW_TRY(add_results(ticket, file));
    return add_settings(ticket, file);
}

/* ---- the file ------------------------------------------------------------------------------- */

/* Small index nodes: most arrays are a single chunk. */
static hid_t create_file(const char *path) {
    hid_t creation = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS);
    hid_t file = H5I_INVALID_HID;
    if (H5Pset_istore_k(creation, 2) >= 0 && H5Pset_attr_phase_change(creation, 1000, 0) >= 0 &&
        H5Pset_obj_track_times(creation, false) >= 0 &&
        H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18) >= 0)
        file = H5Fcreate(path, H5F_ACC_EXCL, creation, access);
    if (creation >= 0) (void) H5Pclose(creation);
    if (access >= 0) (void) H5Pclose(access);
    return file;
}

static enum sw_status write_ticket(const struct ticket *ticket) {
    (void) unlink(ticket->path);
    hid_t file = create_file(ticket->path);
    if (file < 0) return SW_H5_FAIL(SW_IO, "%s: cannot create", ticket->path);
    enum sw_status status = add_provenance(ticket, file);
    if (status == SW_OK) status = add_params(ticket, file);
    if (H5Fclose(file) < 0 && status == SW_OK)
        status = SW_H5_FAIL(SW_IO, "%s: cannot finish", ticket->path);
    return status;
}

static enum sw_status export_to(struct ticket *ticket, const char *out_path) {
    char *temporary;
    SW_TRY(sw_store_temporary(out_path, &temporary));
    ticket->path = temporary;
    enum sw_status status = write_ticket(ticket);
    if (status == SW_OK) status = sw_store_publish(temporary, out_path);
    if (status != SW_OK) (void) unlink(temporary);
    SW_FREE(&temporary);
    return status;
}

enum sw_status sw_store_export(struct sw_store *store, int64_t row, const char *out_path) {
    SW_TRY(sw_store_need_row(store, row));
    if (sw_file_exists(out_path)) return SW_FAIL(SW_IO, "%s exists already", out_path);
    struct ticket ticket = {.store = store, .row = row, .round = &store->rounds[row]};
    ticket.arch = &store->archs[ticket.round->arch];
    sw_store_h5_quiet();
    enum sw_status status = check_ticket(&ticket);
    if (status == SW_OK) status = load_ticket(&ticket);
    if (status == SW_OK) status = export_to(&ticket, out_path);
    SW_FREE(&ticket.theta);
    SW_FREE(&ticket.mask);
    SW_FREE(&ticket.weights);
    return status;
}
