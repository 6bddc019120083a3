/* The thin layer over HDF5: types, attributes, and its messages inside our own. */
#include <string.h>

#include "store_internal.h"

void sw_store_h5_quiet(void) {
    (void) H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

static herr_t keep_innermost(unsigned n, const H5E_error2_t *error, void *out) {
    if (n == 0 && error->desc != NULL) sw_text_copy(out, 256, error->desc);
    return 0;
}

const char *sw_store_h5_message(void) {
    static _Thread_local char message[256];
    message[0] = '\0';
    (void) H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, message);
    (void) H5Eclear2(H5E_DEFAULT);
    if (message[0] == '\0') SW_TEXT_COPY(message, "HDF5 gave no reason");
    return message;
}

hid_t sw_store_h5_text_type(size_t bytes) {
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && H5Tset_size(type, bytes) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0 &&
        H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0)
        return type;
    if (type >= 0) (void) H5Tclose(type);
    return H5I_INVALID_HID;
}

static hid_t base_type(enum sw_cell cell) {
    switch (cell) {
    case SW_CELL_I64:
        return H5T_STD_I64LE;
    case SW_CELL_U64:
        return H5T_STD_U64LE;
    case SW_CELL_F64:
        return H5T_IEEE_F64LE;
    case SW_CELL_F32:
        return H5T_IEEE_F32LE;
    default:
        return H5T_STD_U8LE;
    }
}

/* A number, a short array of numbers, or a string. */
static hid_t cell_type(const struct sw_store_column *column) {
    if (column->cell == SW_CELL_STR) return sw_store_h5_text_type(column->size);
    hid_t base = base_type(column->cell);
    hsize_t count = column->size / H5Tget_size(base);
    return count > 1 ? H5Tarray_create2(base, 1, &count) : H5Tcopy(base);
}

static int insert_column(hid_t table, const struct sw_store_column *column) {
    hid_t type = cell_type(column);
    if (type < 0) return -1;
    herr_t inserted = H5Tinsert(table, column->name, column->offset, type);
    return H5Tclose(type) < 0 || inserted < 0 ? -1 : 0;
}

/* The compound type equals the C struct: columns cover the row without a gap. */
static enum sw_status table_type(enum sw_set id, hid_t *out) {
    struct sw_store_columns columns;
    size_t covered = 0;
    sw_store_columns(id, &columns);
    for (size_t i = 0; i < columns.n_columns && i < SW_STORE_MAX_COLUMNS; i++)
        covered += columns.column[i].size;
    if (covered != columns.row_bytes)
        return SW_FAIL(SW_INTERNAL, "%s: columns cover %zu of %zu bytes of a row",
                       sw_store_set(id)->path, covered, columns.row_bytes);
    hid_t type = H5Tcreate(H5T_COMPOUND, columns.row_bytes);
    for (size_t i = 0; type >= 0 && i < columns.n_columns; i++) {
        if (insert_column(type, &columns.column[i]) == 0) continue;
        (void) H5Tclose(type);
        return SW_H5_FAIL(SW_INTERNAL, "%s: column %s", sw_store_set(id)->path,
                          columns.column[i].name);
    }
    if (type < 0) return SW_H5_FAIL(SW_INTERNAL, "%s: no type", sw_store_set(id)->path);
    *out = type;
    return SW_OK;
}

enum sw_status sw_store_h5_type(enum sw_set id, const struct sw_store_sizes *sizes, hid_t *out) {
    hid_t type = H5I_INVALID_HID;
    switch (sw_store_set(id)->element) {
    case SW_ELEMENT_TABLE:
        return table_type(id, out);
    case SW_ELEMENT_TEXT:
        type = sw_store_h5_text_type(sw_store_element_bytes(id, sizes));
        break;
    case SW_ELEMENT_I64:
        type = H5Tcopy(H5T_STD_I64LE);
        break;
    case SW_ELEMENT_F32:
        type = H5Tcopy(H5T_IEEE_F32LE);
        break;
    case SW_ELEMENT_U8:
        type = H5Tcopy(H5T_STD_U8LE);
        break;
    }
    if (type < 0) return SW_H5_FAIL(SW_INTERNAL, "%s: no type", sw_store_set(id)->path);
    *out = type;
    return SW_OK;
}

enum sw_status sw_store_h5_attribute(hid_t object, const char *name, hid_t type, const void *value,
                                     const char *path) {
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    herr_t written = attribute < 0 ? -1 : H5Awrite(attribute, type, value);
    enum sw_status status = SW_OK;
    if (written < 0) status = SW_H5_FAIL(SW_IO, "%s: attribute %s", path, name);
    if (attribute >= 0 && H5Aclose(attribute) < 0 && status == SW_OK)
        status = SW_H5_FAIL(SW_IO, "%s: attribute %s", path, name);
    if (space >= 0) (void) H5Sclose(space);
    return status;
}

enum sw_status sw_store_h5_text_attribute(hid_t object, const char *name, const char *text,
                                          const char *path) {
    size_t bytes = strlen(text);
    hid_t type = sw_store_h5_text_type(bytes > 0 ? bytes : 1);
    if (type < 0) return SW_H5_FAIL(SW_INTERNAL, "%s: attribute %s", path, name);
    enum sw_status status = sw_store_h5_attribute(object, name, type, text, path);
    (void) H5Tclose(type);
    return status;
}

hid_t sw_store_h5_group(hid_t parent, const char *name) {
    hid_t properties = H5Pcreate(H5P_GROUP_CREATE), group = H5I_INVALID_HID;
    if (properties >= 0 && H5Pset_obj_track_times(properties, false) >= 0)
        group = H5Gcreate2(parent, name, H5P_DEFAULT, properties, H5P_DEFAULT);
    if (properties >= 0) (void) H5Pclose(properties);
    return group;
}
