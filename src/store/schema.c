/* The datasets of a store, their shapes, and the schema as text. */
#include <string.h>

#include "store_internal.h"

static const struct sw_store_set sets[SW_SET_COUNT] = {
#define SW_SET_ENTRY(id, path, element, slab, shape, unit, description)                            \
    [SW_SET_##id] = {path, SW_ELEMENT_##element, slab, shape, unit, description},
    SW_STORE_SETS(SW_SET_ENTRY)
#undef SW_SET_ENTRY
};

const struct sw_store_set *sw_store_set(enum sw_set id) {
    return &sets[id];
}

enum sw_set sw_store_slab_set(int slab) {
    for (int id = 0; id < SW_SET_COUNT; id++)
        if (sets[id].slab == slab) return (enum sw_set) id;
    return SW_SET_COUNT;
}

int sw_store_shape(enum sw_set id, const struct sw_store_sizes *sizes, hsize_t dims[3]) {
    int64_t size[3] = {1, 1, 1};
    int rank = 1;
    switch (id) {
    case SW_SET_TEXT:
    case SW_SET_OVERRIDES:
    case SW_SET_CANONICAL:
        rank = 0;
        break;
    case SW_SET_MODELS:
        size[0] = sizes->models;
        break;
    case SW_SET_PARAMS:
        size[0] = sizes->params;
        break;
    case SW_SET_DATA:
        size[0] = sizes->datas;
        break;
    case SW_SET_TRIALS:
        size[0] = sizes->trials;
        break;
    case SW_SET_KEPT:
        rank = 2;
        size[0] = sizes->rounds;
        size[1] = sizes->layers;
        break;
    case SW_SET_TRIAL_CONTROLS:
    case SW_SET_TRIAL_ROUNDS:
        rank = id == SW_SET_TRIAL_ROUNDS ? 2 : 3;
        size[0] = sizes->trials;
        size[1] = sizes->wide;
        size[2] = SW_CONTROL_COUNT;
        break;
    case SW_SET_PLAN:
    case SW_SET_COMMITS:
        size[0] = sizes->rounds;
        break;
    default: /* sections */
        size[0] = sizes->extent[sets[id].slab];
        break;
    }
    for (int i = 0; i < 3; i++)
        dims[i] = (hsize_t) size[i];
    return rank;
}

size_t sw_store_element_bytes(enum sw_set id, const struct sw_store_sizes *sizes) {
    struct sw_store_columns columns;
    switch (sets[id].element) {
    case SW_ELEMENT_TEXT:
        return (size_t) sizes->text_bytes[id - SW_SET_TEXT];
    case SW_ELEMENT_TABLE:
        sw_store_columns(id, &columns);
        return columns.row_bytes;
    case SW_ELEMENT_I64:
        return sizeof(int64_t);
    case SW_ELEMENT_F32:
        return sizeof(float);
    case SW_ELEMENT_U8:
        break;
    }
    return 1;
}

/* ---- for people ----------------------------------------------------------------------------- */

static const char *const element_names[] = {
    [SW_ELEMENT_TEXT] = "string", [SW_ELEMENT_TABLE] = "table", [SW_ELEMENT_I64] = "int64",
    [SW_ELEMENT_F32] = "float32", [SW_ELEMENT_U8] = "uint8",
};

/* "float32[4]", "string[32]" */
static enum sw_status add_cell_type(struct sw_text *out, const struct sw_store_column *column) {
    static const struct {
        const char *name;
        size_t bytes;
    } cells[] = {[SW_CELL_I64] = {"int64", 8},   [SW_CELL_U64] = {"uint64", 8},
                 [SW_CELL_F64] = {"float64", 8}, [SW_CELL_F32] = {"float32", 4},
                 [SW_CELL_U8] = {"uint8", 1},    [SW_CELL_STR] = {"string", 1}};
    char type[32];
    size_t count = column->size / cells[column->cell].bytes;
    snprintf(type, sizeof type, count > 1 ? "%s[%zu]" : "%s", cells[column->cell].name, count);
    return sw_text_add(out, "%-12s", type);
}

static enum sw_status add_columns(struct sw_text *out, enum sw_set id) {
    struct sw_store_columns columns;
    sw_store_columns(id, &columns);
    for (size_t i = 0; i < columns.n_columns; i++) {
        const struct sw_store_column *column = &columns.column[i];
        SW_TRY(sw_text_add(out, "    %-32s ", column->name));
        SW_TRY(add_cell_type(out, column));
        if (column->unit[0] != '\0') SW_TRY(sw_text_add(out, " [%s]", column->unit));
        SW_TRY(sw_text_add(out, " %s\n", column->description));
    }
    return SW_OK;
}

enum sw_status sw_store_describe_schema(struct sw_text *out) {
    SW_TRY(sw_text_add(out,
                       "schema version %d\n"
                       "root attributes: schema_version, program, isa, openblas, kernel_table, "
                       "sweep, plan_digest\n",
                       SW_STORE_SCHEMA));
    for (int id = 0; id < SW_SET_COUNT; id++) {
        const struct sw_store_set *set = &sets[id];
        SW_TRY(
            sw_text_add(out, "\n%s  %s[%s]", set->path, element_names[set->element], set->shape));
        if (set->unit[0] != '\0') SW_TRY(sw_text_add(out, " [%s]", set->unit));
        SW_TRY(sw_text_add(out, "  written %s\n  %s\n",
                           set->slab == SW_SLAB_NONE ? "at creation" : "by rounds",
                           set->description));
        if (set->element == SW_ELEMENT_TABLE) SW_TRY(add_columns(out, (enum sw_set) id));
    }
    return SW_OK;
}
