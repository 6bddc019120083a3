/* Where every dataset stands in the file. HDF5 is asked once; afterwards reading is plain I/O. The file
 * is hostile input: types, shapes and places are compared with the schema before anything is used. */
#include <string.h>

#include "store_internal.h"

static enum sw_status wrong(const struct sw_store *store, enum sw_set id, const char *what) {
    return SW_FAIL(SW_DAMAGED, "%s: %s %s", store->path, sw_store_set(id)->path, what);
}

/* Size of a text; the other types are fixed and have to match. */
static enum sw_status check_type(struct sw_store *store, enum sw_set id, hid_t dataset) {
    bool text = sw_store_set(id)->element == SW_ELEMENT_TEXT;
    hid_t type = H5Dget_type(dataset), expected = H5I_INVALID_HID;
    enum sw_status status = SW_OK;
    if (type < 0) return wrong(store, id, "has no readable type");
    if (text) {
        size_t bytes = H5Tget_size(type);
        if (bytes < 1 || bytes > store->block.file_bytes)
            status = wrong(store, id, "is longer than the file");
        else
            store->sizes.text_bytes[id - SW_SET_TEXT] = (int64_t) bytes;
    }
    if (status == SW_OK) status = sw_store_h5_type(id, &store->sizes, &expected);
    if (status == SW_OK && H5Tequal(type, expected) <= 0)
        status = wrong(store, id, "has another type than this schema version");
    if (expected >= 0) (void) H5Tclose(expected);
    (void) H5Tclose(type);
    return status;
}

static enum sw_status read_shape(struct sw_store *store, enum sw_set id, hid_t dataset) {
    struct sw_place *place = &store->place[id];
    hid_t space = H5Dget_space(dataset);
    place->rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    bool good = place->rank >= 0 && place->rank <= 3 &&
                H5Sget_simple_extent_dims(space, place->dims, NULL) >= 0;
    if (space >= 0) (void) H5Sclose(space);
    return good ? SW_OK : wrong(store, id, "has no readable shape");
}

/* Bytes of all elements, or false when they cannot fit into a file of `limit` bytes. */
static bool total_bytes(const struct sw_place *place, size_t element, uint64_t limit, size_t *out) {
    uint64_t total = element;
    for (int i = 0; i < place->rank; i++) {
        if (place->dims[i] != 0 && total > limit / place->dims[i]) return false;
        total *= place->dims[i];
    }
    *out = total;
    return total <= limit;
}

/* The slabs are the extents of the user block, nothing else. */
static bool is_extent(const struct sw_store *store, const struct sw_place *place) {
    for (uint64_t i = 0; i < store->block.n_extents; i++)
        if (store->block.extent[i].offset == (uint64_t) place->offset &&
            store->block.extent[i].length == place->bytes)
            return true;
    return false;
}

static enum sw_status read_place(struct sw_store *store, enum sw_set id, hid_t dataset) {
    struct sw_place *place = &store->place[id];
    size_t element = sw_store_element_bytes(id, &store->sizes);
    hid_t properties = H5Dget_create_plist(dataset);
    bool contiguous = properties >= 0 && H5Pget_layout(properties) == H5D_CONTIGUOUS &&
                      H5Pget_external_count(properties) == 0;
    if (properties >= 0) (void) H5Pclose(properties);
    if (!contiguous) return wrong(store, id, "is not contiguous");
    if (!total_bytes(place, element, store->block.file_bytes, &place->bytes))
        return wrong(store, id, "is larger than the file");
    place->offset = 0;
    if (place->bytes == 0) return SW_OK;
    haddr_t offset = H5Dget_offset(dataset);
    if (offset == HADDR_UNDEF || offset < SW_BLOCK_BYTES || offset > store->block.file_bytes ||
        place->bytes > store->block.file_bytes - offset)
        return wrong(store, id, "lies outside the file");
    place->offset = (off_t) offset;
    if (sw_store_set(id)->slab != SW_SLAB_NONE && !is_extent(store, place))
        return wrong(store, id, "is not where the user block says");
    return SW_OK;
}

static enum sw_status inspect_set(struct sw_store *store, enum sw_set id, hid_t file) {
    hid_t dataset = H5Dopen2(file, sw_store_set(id)->path, H5P_DEFAULT);
    if (dataset < 0)
        return SW_H5_FAIL(SW_DAMAGED, "%s: %s cannot be opened", store->path,
                          sw_store_set(id)->path);
    enum sw_status status;
    SW_TRY_TO(check_type(store, id, dataset), status, cleanup);
    SW_TRY_TO(read_shape(store, id, dataset), status, cleanup);
    SW_TRY_TO(read_place(store, id, dataset), status, cleanup);
cleanup:
    (void) H5Dclose(dataset);
    return status;
}

/* Dimensions that define the others come first; then every dataset has to agree with them. */
static enum sw_status check_shapes(struct sw_store *store) {
    const struct sw_place *place = store->place;
    struct sw_store_sizes *sizes = &store->sizes;
    sizes->models = (int64_t) place[SW_SET_MODELS].dims[0];
    sizes->params = (int64_t) place[SW_SET_PARAMS].dims[0];
    sizes->datas = (int64_t) place[SW_SET_DATA].dims[0];
    sizes->rounds = (int64_t) place[SW_SET_PLAN].dims[0];
    sizes->layers = (int64_t) place[SW_SET_KEPT].dims[1];
    sizes->trials = (int64_t) place[SW_SET_TRIALS].dims[0];
    sizes->wide = (int64_t) place[SW_SET_TRIAL_CONTROLS].dims[1];
    for (int s = 0; s < SW_SECTION_COUNT; s++)
        sizes->extent[s] = (int64_t) place[sw_store_slab_set(s)].dims[0];
    if (sizes->extent[SW_SECTION_RECORD] != sizes->rounds)
        return wrong(store, SW_SET_ROUNDS, "has not one row per planned round");
    for (int id = 0; id < SW_SET_COUNT; id++) {
        hsize_t dims[3];
        int rank = sw_store_shape((enum sw_set) id, sizes, dims);
        if (place[id].rank != rank ||
            memcmp(place[id].dims, dims, (size_t) rank * sizeof *dims) != 0)
            return wrong(store, (enum sw_set) id, "has a shape that does not fit the others");
    }
    return SW_OK;
}

/* A text attribute of the root, at most size - 1 bytes. */
static enum sw_status read_text(const struct sw_store *store, hid_t file, const char *name,
                                char *out, size_t size) {
    hid_t attribute = H5Aopen(file, name, H5P_DEFAULT);
    hid_t type = attribute < 0 ? H5I_INVALID_HID : H5Aget_type(attribute);
    bool good = type >= 0 && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
                H5Tget_size(type) < size && H5Aget_storage_size(attribute) < size;
    memset(out, 0, size);
    good = good && H5Aread(attribute, type, out) >= 0;
    if (type >= 0) (void) H5Tclose(type);
    if (attribute >= 0) (void) H5Aclose(attribute);
    if (!good)
        return SW_H5_FAIL(SW_DAMAGED, "%s: root attribute %s cannot be read", store->path, name);
    return SW_OK;
}

static enum sw_status read_identity(struct sw_store *store, hid_t file) {
    struct sw_store_identity *identity = &store->identity;
    const struct {
        const char *name;
        char *out;
        size_t size;
    } texts[] = {{"program", identity->program, sizeof identity->program},
                 {"isa", identity->isa, sizeof identity->isa},
                 {"openblas", identity->openblas, sizeof identity->openblas},
                 {"kernel_table", identity->kernel_table, sizeof identity->kernel_table},
                 {"sweep", store->sweep, sizeof store->sweep},
                 {"plan_digest", store->plan_digest, sizeof store->plan_digest}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        SW_TRY(read_text(store, file, texts[i].name, texts[i].out, texts[i].size));
    return SW_OK;
}

/* A reader takes no lock: it works beside the writers, and on file systems without locks. */
static hid_t open_for_reading(const char *path) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    hid_t file = H5I_INVALID_HID;
    if (access >= 0 && H5Pset_file_locking(access, false, true) >= 0)
        file = H5Fopen(path, H5F_ACC_RDONLY, access);
    if (access >= 0) (void) H5Pclose(access);
    return file;
}

enum sw_status sw_store_find_places(struct sw_store *store) {
    sw_store_h5_quiet();
    hid_t file = open_for_reading(store->path);
    if (file < 0) return SW_H5_FAIL(SW_DAMAGED, "%s: HDF5 cannot open it", store->path);
    enum sw_status status;
    SW_TRY_TO(read_identity(store, file), status, cleanup);
    for (int id = 0; id < SW_SET_COUNT; id++)
        SW_TRY_TO(inspect_set(store, (enum sw_set) id, file), status, cleanup);
    SW_TRY_TO(check_shapes(store), status, cleanup);
cleanup:
    (void) H5Fclose(file);
    return status;
}
