/* The columns of every table. What spec and sweep already state is taken from there. */
#include <string.h>

#include "store_internal.h"

#define COLUMN(row, member, name, cell, unit, description)                                         \
    {                                                                                              \
        name, SW_CELL_##cell, offsetof(struct row, member), sizeof(((struct row *) 0)->member),    \
            unit, description                                                                      \
    }

/* The same lines for every array over sections; names are those of sw_section_name. */
#define SECTION_COLUMNS(row, member, suffix, cell, what)                                           \
    COLUMN(row, member[SW_SECTION_THETA0], "theta0" suffix, cell, "", what " in /theta0"),         \
        COLUMN(row, member[SW_SECTION_THETA_K], "theta_k" suffix, cell, "", what " in /theta_k"),  \
        COLUMN(row, member[SW_SECTION_MASK], "masks" suffix, cell, "", what " in /masks"),         \
        COLUMN(row, member[SW_SECTION_WEIGHTS], "weights" suffix, cell, "", what " in /weights"),  \
        COLUMN(row, member[SW_SECTION_LAYERS], "layers" suffix, cell, "", what " in /layers"),     \
        COLUMN(row, member[SW_SECTION_CURVES], "curves" suffix, cell, "", what " in /curves"),     \
        COLUMN(row, member[SW_SECTION_PRUNES], "prunes" suffix, cell, "", what " in /prunes"),     \
        COLUMN(row, member[SW_SECTION_ALERTS], "alerts" suffix, cell, "", what " in /alerts"),     \
        COLUMN(row, member[SW_SECTION_RECORD], "rounds" suffix, cell, "", what " in /rounds")

static const struct sw_store_column model_columns[] = {
    COLUMN(sw_model_row, model, "model", STR, "", "name of the network"),
    COLUMN(sw_model_row, input_shape, "input_shape", I64, "", "channels, height, width"),
    COLUMN(sw_model_row, classes, "classes", I64, "", "outputs of the network"),
    COLUMN(sw_model_row, n_params, "n_params", I64, "", "rows of /plan/params it has"),
    COLUMN(sw_model_row, n_layers, "n_layers", I64, "", "prunable parameters"),
    COLUMN(sw_model_row, parameters, "parameters", I64, "",
           "elements of all parameters, batch norm's running statistics included"),
    COLUMN(sw_model_row, trained, "trained", I64, "", "those that an optimizer changes"),
    COLUMN(sw_model_row, prunable, "prunable", I64, "", "elements of the prunable parameters"),
    COLUMN(sw_model_row, mask_bytes, "mask_bytes", I64, "bytes", "size of a mask"),
    COLUMN(sw_model_row, first_param, "first_param", I64, "", "its first row of /plan/params"),
};

static const struct sw_store_column param_columns[] = {
    COLUMN(sw_param_row, model, "model", I64, "", "row of /plan/models"),
    COLUMN(sw_param_row, param.name, "name", STR, "", "name as in PyTorch's state_dict"),
    COLUMN(sw_param_row, param.rank, "rank", I64, "", "dimensions used"),
    COLUMN(sw_param_row, param.shape, "shape", I64, "", "shape; unused dimensions are 0"),
    COLUMN(sw_param_row, param.count, "count", I64, "", "elements"),
    COLUMN(
        sw_param_row, param.role, "role", I64, "",
        "0 weight, 1 bias, 2 batch norm's scale, 3 its shift, 4 its running mean, 5 its running variance"),
    COLUMN(sw_param_row, param.shortcut, "shortcut", I64, "",
           "1 for a convolution on a residual's shortcut"),
    COLUMN(sw_param_row, param.offset, "offset", I64, "", "first element in theta"),
    COLUMN(sw_param_row, param.prunable, "prunable", I64, "", "1 when pruning may touch it"),
    COLUMN(sw_param_row, param.output, "output", I64, "", "1 for the weights of the output layer"),
    COLUMN(sw_param_row, param.mask_offset, "mask_offset", I64, "bytes",
           "first byte of its mask within a round's mask"),
    COLUMN(sw_param_row, param.fan_in, "fan_in", I64, "", "inputs of one unit; 0 for biases"),
    COLUMN(sw_param_row, param.fan_out, "fan_out", I64, "", "units fed by one input; 0 for biases"),
};

static const struct sw_store_column data_columns[] = {
    COLUMN(sw_data_info, name, "name", STR, "", "name of the data set"),
    COLUMN(sw_data_info, shape, "shape", I64, "", "channels, height, width of one sample"),
    COLUMN(sw_data_info, classes, "classes", I64, "", "classes"),
    COLUMN(sw_data_info, train, "train", I64, "images", "training images, validation excluded"),
    COLUMN(sw_data_info, validation, "validation", I64, "images", "validation images"),
    COLUMN(sw_data_info, test, "test", I64, "images", "test images"),
    COLUMN(sw_data_info, block_bytes, "block_bytes", I64, "bytes", "memory of the decoded set"),
    COLUMN(sw_data_info, mean, "mean", F32, "", "per channel, of the training images in 0..1"),
    COLUMN(sw_data_info, deviation, "deviation", F32, "",
           "standard deviation per channel, of the training images in 0..1"),
    COLUMN(sw_data_info, checksum, "checksum", U8, "", "XXH3-128 of the decoded images and labels"),
};

static const struct sw_store_column plan_columns[] = {
    COLUMN(sw_round_plan, row, "row", I64, "", "row of /rounds"),
    COLUMN(sw_round_plan, trial, "trial", I64, "", "first trial that uses this training"),
    COLUMN(sw_round_plan, round, "round", I64, "", "round: 0 is dense, r was pruned r times"),
    COLUMN(sw_round_plan, control, "control", I64, "", "0 for the ticket, else which control"),
    COLUMN(sw_round_plan, parent, "parent", I64, "",
           "row whose mask and trained weights it starts from; -1 for round 0"),
    COLUMN(sw_round_plan, arch, "arch", I64, "", "row of /plan/models"),
    COLUMN(sw_round_plan, data, "data", I64, "", "row of /plan/data"),
    COLUMN(sw_round_plan, theta0_owner, "theta0_owner", I64, "", "row with its initial weights"),
    COLUMN(sw_round_plan, rewind_to, "rewind_to", I64, "steps",
           "step that its training begins with; 0 from its initial weights"),
    COLUMN(sw_round_plan, theta_k_owner, "theta_k_owner", I64, "",
           "row with the weights it begins with; -1 when those are its initial weights"),
    COLUMN(sw_round_plan, theta_k_index, "theta_k_index", I64, "",
           "which of that row's snapshots in /theta_k; -1 when none"),
    COLUMN(sw_round_plan, snapshots, "snapshots", I64, "",
           "weights of the whole network that it keeps in /theta_k"),
    COLUMN(sw_round_plan, mask_owner, "mask_owner", I64, "", "row with its mask"),
    COLUMN(sw_round_plan, steps, "steps", I64, "steps", "step that the training ends with"),
    COLUMN(sw_round_plan, curve_points, "curve_points", I64, "", "evaluations planned"),
    COLUMN(sw_round_plan, nnz, "nnz", I64, "",
           "prunable weights kept; at most that many for blocks, and for units of global scope"),
    COLUMN(sw_round_plan, survivors, "survivors", I64, "",
           "nnz and what is never pruned: room for the trained values"),
    COLUMN(sw_round_plan, start_survivors, "start_survivors", I64, "",
           "the same when its training begins; more where it is pruned while it trains"),
    COLUMN(sw_round_plan, prune_rows, "prune_rows", I64, "", "room for its rows of /prunes"),
    SECTION_COLUMNS(sw_round_plan, offset, "_offset", I64, "first element of its slab"),
    SECTION_COLUMNS(sw_round_plan, length, "_length", I64, "elements reserved for it"),
    COLUMN(sw_round_plan, sparsity_requested, "sparsity_requested", F64, "",
           "sparsity that the schedule asked for, of prunable weights"),
    COLUMN(sw_round_plan, flops, "flops", F64, "FLOP", "predicted, evaluations included"),
    COLUMN(sw_round_plan, rank_bytes, "rank_bytes", I64, "bytes", "predicted private memory"),
    COLUMN(sw_round_plan, id, "id", STR, "", "digest of everything that can change its result"),
};

static const struct sw_store_column commit_columns[] = {
    COLUMN(sw_commit, magic, "magic", U64, "", "0x31544d4d4f435753; 0 where nothing was committed"),
    COLUMN(sw_commit, row, "row", I64, "", "row of this table"),
    COLUMN(sw_commit, status, "status", I64, "", "0 ok, 1 failed"),
    COLUMN(sw_commit, attempt, "attempt", I64, "", "attempts, this one included"),
    SECTION_COLUMNS(sw_commit, length, "_length", I64, "elements used"),
    SECTION_COLUMNS(sw_commit, section, "_checksum", U8, "XXH3-128 of its bytes"),
    COLUMN(sw_commit, result, "result_checksum", U8, "", "XXH3-128 of the result columns"),
    COLUMN(sw_commit, checksum, "checksum", U8, "", "XXH3-128 of the bytes before it"),
};

static void take_columns(struct sw_store_columns *out, size_t row_bytes,
                         const struct sw_store_column *from, size_t n_columns) {
    out->row_bytes = row_bytes;
    out->n_columns = n_columns;
    memcpy(out->column, from, n_columns * sizeof *from);
}
#define TAKE(out, row, columns)                                                                    \
    take_columns((out), sizeof(struct row), (columns), sizeof(columns) / sizeof *(columns))

static void take_spec_columns(struct sw_store_columns *out, enum sw_table table) {
    static const enum sw_cell cells[] = {[SW_COLUMN_I64] = SW_CELL_I64,
                                         [SW_COLUMN_F64] = SW_CELL_F64,
                                         [SW_COLUMN_STR] = SW_CELL_STR};
    const struct sw_column *from = sw_spec_columns(table, &out->n_columns, &out->row_bytes);
    for (size_t i = 0; i < out->n_columns && i < SW_STORE_MAX_COLUMNS; i++)
        out->column[i] = (struct sw_store_column){from[i].name,   cells[from[i].kind],
                                                  from[i].offset, from[i].size,
                                                  from[i].unit,   from[i].description};
}

static void take_trial_columns(struct sw_store_columns *out) {
    size_t n_fields;
    const struct sw_field *fields = sw_spec_fields(&n_fields);
    out->row_bytes = sizeof(struct sw_trial_row);
    out->n_columns = n_fields + 1;
    out->column[0] = (struct sw_store_column) COLUMN(sw_trial_row, trial, "trial", I64, "",
                                                     "row of this table");
    for (size_t i = 0; i < n_fields && i + 1 < SW_STORE_MAX_COLUMNS; i++) {
        bool whole = fields[i].kind == SW_KIND_INT || fields[i].kind == SW_KIND_BOOL;
        enum sw_cell cell = whole                            ? SW_CELL_I64
                            : fields[i].kind == SW_KIND_REAL ? SW_CELL_F64
                                                             : SW_CELL_STR;
        out->column[i + 1] = (struct sw_store_column){
            fields[i].key,  cell,           offsetof(struct sw_trial_row, spec) + fields[i].offset,
            fields[i].size, fields[i].unit, fields[i].help};
    }
}

void sw_store_columns(enum sw_set id, struct sw_store_columns *out) {
    memset(out, 0, sizeof *out);
    switch (id) {
    case SW_SET_MODELS:
        TAKE(out, sw_model_row, model_columns);
        break;
    case SW_SET_PARAMS:
        TAKE(out, sw_param_row, param_columns);
        break;
    case SW_SET_DATA:
        TAKE(out, sw_data_info, data_columns);
        break;
    case SW_SET_PLAN:
        TAKE(out, sw_round_plan, plan_columns);
        break;
    case SW_SET_COMMITS:
        TAKE(out, sw_commit, commit_columns);
        break;
    case SW_SET_TRIALS:
        take_trial_columns(out);
        break;
    case SW_SET_LAYERS:
        take_spec_columns(out, SW_TABLE_LAYERS);
        break;
    case SW_SET_CURVES:
        take_spec_columns(out, SW_TABLE_CURVES);
        break;
    case SW_SET_PRUNES:
        take_spec_columns(out, SW_TABLE_PRUNES);
        break;
    case SW_SET_ALERTS:
        take_spec_columns(out, SW_TABLE_ALERTS);
        break;
    case SW_SET_ROUNDS:
        take_spec_columns(out, SW_TABLE_ROUNDS);
        break;
    default: /* not a table */
        break;
    }
}
