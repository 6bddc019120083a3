/* Private to store: the schema as tables, the open store, and the thin layer over HDF5. */
#pragma once

#include <hdf5.h>

#include "sweepstake/store.h"

/* ---- schema (schema.c, schema_columns.c) ---------------------------------------------------- */

enum sw_cell { SW_CELL_I64, SW_CELL_U64, SW_CELL_F64, SW_CELL_F32, SW_CELL_U8, SW_CELL_STR };

/* One column of a table: a member of the row struct. Numbers may be short arrays. */
struct sw_store_column {
    const char *name;
    enum sw_cell cell;
    size_t offset; /* in the row struct */
    size_t size;   /* bytes of the member, all elements of an array together */
    const char *unit;
    const char *description;
};

#define SW_STORE_MAX_COLUMNS 160
struct sw_store_columns {
    size_t n_columns;
    size_t row_bytes;
    struct sw_store_column column[SW_STORE_MAX_COLUMNS];
};

enum sw_element {
    SW_ELEMENT_TEXT,
    SW_ELEMENT_TABLE,
    SW_ELEMENT_I64,
    SW_ELEMENT_F32,
    SW_ELEMENT_U8
};

/* The slabs: the sections of a round, and its commit record. */
#define SW_SLAB_COMMIT ((int) SW_SECTION_COUNT)
#define SW_SLAB_COUNT (SW_SLAB_COMMIT + 1)
#define SW_SLAB_NONE (-1) /* a dataset that is written at creation */

/* X(id, path, element, slab, shape, unit, description): every dataset, in order of creation. */
#define SW_STORE_SETS(X)                                                                              \
    X(TEXT, "/plan/text", TEXT, SW_SLAB_NONE, "scalar", "", "the sweep file, byte for byte")          \
    X(OVERRIDES, "/plan/overrides", TEXT, SW_SLAB_NONE, "scalar", "",                                 \
      "one key=value line per --set, in order")                                                       \
    X(CANONICAL, "/plan/canonical", TEXT, SW_SLAB_NONE, "scalar", "",                                 \
      "every setting of every trial, defaults included")                                              \
    X(MODELS, "/plan/models", TABLE, SW_SLAB_NONE, "models", "", "networks of this sweep")            \
    X(PARAMS, "/plan/params", TABLE, SW_SLAB_NONE, "params", "",                                      \
      "parameters of the networks, in the order of theta")                                            \
    X(DATA, "/plan/data", TABLE, SW_SLAB_NONE, "data sets", "", "data sets of this sweep")            \
    X(PLAN, "/plan/rounds", TABLE, SW_SLAB_NONE, "rounds", "",                                        \
      "what each training is, and where its slabs are")                                               \
    X(KEPT, "/plan/kept", I64, SW_SLAB_NONE, "rounds, layers", "weights",                             \
      "weights that each layer keeps; at most that many where scope is global or blocks are removed") \
    X(TRIALS, "/trials", TABLE, SW_SLAB_NONE, "trials", "", "every setting of every trial")           \
    X(TRIAL_ROUNDS, "/trial_rounds", I64, SW_SLAB_NONE, "trials, rounds", "",                         \
      "row of /rounds of the ticket of a trial's round; -1 where there is none")                      \
    X(TRIAL_CONTROLS, "/trial_controls", I64, SW_SLAB_NONE, "trials, rounds, controls", "",           \
      "row of /rounds of every control of a trial's round; control 0 is the ticket itself")           \
    X(THETA0, "/theta0", F32, SW_SECTION_THETA0, "n", "",                                             \
      "weights at initialisation, parameters in order, dense")                                        \
    X(THETA_K, "/theta_k", F32, SW_SECTION_THETA_K, "n", "",                                          \
      "weights after the steps that tickets rewind to, parameters in order, dense")                   \
    X(MASKS, "/masks", U8, SW_SECTION_MASK, "n", "",                                                  \
      "one bit per prunable weight, lowest bit first; every parameter starts on a byte")              \
    X(WEIGHTS, "/weights", F32, SW_SECTION_WEIGHTS, "n", "",                                          \
      "trained values: kept weights in order, all elements of the other parameters")                  \
    X(LAYERS, "/layers", TABLE, SW_SECTION_LAYERS, "n", "",                                           \
      "one row per prunable parameter of a round")                                                    \
    X(CURVES, "/curves", TABLE, SW_SECTION_CURVES, "n", "", "evaluations along a training")           \
    X(PRUNES, "/prunes", TABLE, SW_SECTION_PRUNES, "n", "", "what prunes inside of trainings did")    \
    X(ALERTS, "/alerts", TABLE, SW_SECTION_ALERTS, "n", "", "what the monitors raised")               \
    X(ROUNDS, "/rounds", TABLE, SW_SECTION_RECORD, "rounds", "",                                      \
      "one row per distinct training: results, then times and places")                                \
    X(COMMITS, "/commits", TABLE, SW_SLAB_COMMIT, "rounds", "",                                       \
      "commit records: a round counts only when its record here checks")

enum sw_set {
#define SW_SET_ENUM(id, ...) SW_SET_##id,
    SW_STORE_SETS(SW_SET_ENUM)
#undef SW_SET_ENUM
        SW_SET_COUNT
};

struct sw_store_set {
    const char *path;
    enum sw_element element;
    int slab;
    const char *shape; /* names of the dimensions, for people */
    const char *unit;
    const char *description;
};
const struct sw_store_set *sw_store_set(enum sw_set id);
enum sw_set sw_store_slab_set(int slab);

/* What the shapes of all datasets follow from. */
struct sw_store_sizes {
    int64_t models, params, datas, rounds, layers, trials, wide;
    int64_t extent[SW_SECTION_COUNT]; /* elements */
    int64_t text_bytes[3];            /* of the three texts, at least 1 */
};
/* Dimensions of a dataset into dims[3]; returns how many (0: scalar). */
int sw_store_shape(enum sw_set id, const struct sw_store_sizes *sizes, hsize_t dims[3]);

/* Columns of a table. */
void sw_store_columns(enum sw_set id, struct sw_store_columns *out);
/* Bytes of one element: a row, a number, or a whole text. */
size_t sw_store_element_bytes(enum sw_set id, const struct sw_store_sizes *sizes);

/* Row structs of the tables that have none elsewhere. */
struct sw_model_row {
    char model[32];
    int64_t input_shape[3], classes, n_params, n_layers, parameters, trained, prunable, mask_bytes;
    int64_t first_param; /* row of /plan/params */
};
struct sw_param_row {
    int64_t model; /* row of /plan/models */
    struct sw_param param;
};
struct sw_trial_row {
    int64_t trial;
    struct sw_trial_spec spec;
};

#define SW_COMMIT_MAGIC UINT64_C(0x31544d4d4f435753) /* "SWCOMMT1" in memory */
enum { SW_COMMIT_OK, SW_COMMIT_FAILED };
struct sw_commit {
    uint64_t magic;
    int64_t row, status, attempt;
    int64_t length[SW_SECTION_COUNT];           /* elements really used */
    struct sw_digest section[SW_SECTION_COUNT]; /* of those bytes */
    struct sw_digest result;                    /* of the result columns of the row in /rounds */
    struct sw_digest checksum;                  /* of the bytes before it */
};
_Static_assert(sizeof(struct sw_commit) == 280,
               "the size of a commit record is part of the schema");
_Static_assert(offsetof(struct sw_commit, checksum) == 264, "a commit record has no padding");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "structs are stored as they are in memory");

/* ---- HDF5 (store_h5.c) ---------------------------------------------------------------------- */

/* Keep HDF5 from printing; its messages go into our texts. */
void sw_store_h5_quiet(void);
/* The innermost message of HDF5's error stack, which is emptied. Valid until the next call. */
const char *sw_store_h5_message(void);
#define SW_H5_FAIL(code, format, ...)                                                              \
    SW_FAIL((code), format ": %s", __VA_ARGS__, sw_store_h5_message())

/* HDF5 type of one element, equal in memory and in the file. The caller closes it. */
enum sw_status sw_store_h5_type(enum sw_set id, const struct sw_store_sizes *sizes,
                                hid_t *out) SW_NODISCARD;
/* UTF-8 string type of `bytes` bytes, NUL-padded; negative on failure. The caller closes it. */
hid_t sw_store_h5_text_type(size_t bytes);
/* Attributes of an object; `path` is for the message. Errors: SW_IO. */
enum sw_status sw_store_h5_text_attribute(hid_t object, const char *name, const char *text,
                                          const char *path) SW_NODISCARD;
enum sw_status sw_store_h5_attribute(hid_t object, const char *name, hid_t type, const void *value,
                                     const char *path) SW_NODISCARD;
/* A group without times in its header, so that equal content gives equal files; negative on failure.
 * The caller closes it. */
hid_t sw_store_h5_group(hid_t parent, const char *name);

/* ---- user block (store_block.c) ------------------------------------------------------------- */

#define SW_BLOCK_BYTES 4096
#define SW_BLOCK_MAX_EXTENTS 64
struct sw_extent {
    uint64_t offset, length; /* bytes of the file */
};
struct sw_block {
    char magic[8];
    uint64_t schema;
    uint64_t file_bytes;
    uint64_t n_extents;
    struct sw_extent extent[SW_BLOCK_MAX_EXTENTS]; /* ascending, what rounds write */
    uint8_t unused[SW_BLOCK_BYTES - 32 - 16 * SW_BLOCK_MAX_EXTENTS - 32];
    struct sw_digest outside; /* of all bytes outside the block and the extents */
    struct sw_digest own;     /* of the block before this */
};
_Static_assert(sizeof(struct sw_block) == SW_BLOCK_BYTES, "the user block is a page");
_Static_assert(offsetof(struct sw_block, outside) == 4064, "as the schema says");

/* Fill in everything but the extents, and write the block. */
enum sw_status sw_store_block_write(int fd, const char *path, struct sw_block *block) SW_NODISCARD;
/* Read the block and check it and everything outside the extents. Errors: SW_IO, SW_DAMAGED. */
enum sw_status sw_store_block_check(int fd, const char *path, struct sw_block *out) SW_NODISCARD;

/* ---- the open store ------------------------------------------------------------------------- */

struct sw_place {
    off_t offset; /* of the dataset in the file; 0 when it is empty */
    size_t bytes; /* all of it */
    int rank;
    hsize_t dims[3];
};

struct sw_store {
    char *path;
    int fd; /* plain I/O: reading, syncing */
    enum sw_store_mode mode;
    struct sw_block block;
    struct sw_place place[SW_SET_COUNT];
    struct sw_store_sizes sizes;

    struct sw_store_identity identity;
    char sweep[96];
    char plan_digest[SW_DIGEST_TEXT];
    char *text, *canonical;
    struct sw_trial_row *trials;
    struct sw_arch *archs; /* parameters are borrowed from `params` */
    struct sw_param *params;
    struct sw_round_plan *rounds;
    struct sw_data_info *datas;
    int64_t *rows; /* [trials][wide][controls] */

    hid_t file;               /* MPI-IO, when opened for writing; else H5I_INVALID_HID */
    hid_t set[SW_SLAB_COUNT]; /* the same */
    hid_t type[SW_SLAB_COUNT];
};

/* Find and check every dataset, then load the tables that are written at creation
 * (store_layout.c, store_static.c). Errors: SW_DAMAGED, SW_IO, SW_NOMEM. */
enum sw_status sw_store_find_places(struct sw_store *store) SW_NODISCARD;
enum sw_status sw_store_load_static(struct sw_store *store) SW_NODISCARD;

/* ---- rounds (store_read.c) ------------------------------------------------------------------ */

enum sw_commit_state { SW_COMMIT_NONE, SW_COMMIT_VALID, SW_COMMIT_TORN };
/* Read a commit record and judge it by itself. *why: what is wrong, "" when nothing is. */
enum sw_status sw_store_read_commit(struct sw_store *store, int64_t row, struct sw_commit *out,
                                    enum sw_commit_state *state, const char **why) SW_NODISCARD;
/* Checksum of the first `elements` elements of a section as they are stored. */
enum sw_status sw_store_sum_section(struct sw_store *store, int64_t row, enum sw_section section,
                                    int64_t elements, struct sw_digest *out) SW_NODISCARD;
/* Read the first `bytes` bytes of a section without any check. */
enum sw_status sw_store_read_raw(struct sw_store *store, int64_t row, enum sw_section section,
                                 void *out, size_t bytes) SW_NODISCARD;
/* Errors: SW_INTERNAL when there is no such row. */
enum sw_status sw_store_need_row(const struct sw_store *store, int64_t row) SW_NODISCARD;

/* ---- files (store_file.c) ------------------------------------------------------------------- */

/* Rename to a name that must be free; -1 and errno (EEXIST) otherwise. */
int sw_store_rename_to_free(const char *from, const char *to);
/* Give a finished file its name, which must be free; both names are in one folder, which is synced.
 * Errors: SW_IO. */
/* Bytes that are free where an open file is; NaN when that cannot be known. */
double sw_store_room(int fd);
enum sw_status sw_store_publish(const char *temporary, const char *path) SW_NODISCARD;
/* Folder of a path, to be freed with SW_FREE. */
enum sw_status sw_store_folder_of(const char *path, char **out) SW_NODISCARD;
#define SW_TEMPORARY ".tmp."
/* path + ".tmp.PID", to be freed with SW_FREE. */
enum sw_status sw_store_temporary(const char *path, char **out) SW_NODISCARD;
/* path + suffix, to be freed with SW_FREE. */
enum sw_status sw_store_join(const char *path, const char *suffix, char **out) SW_NODISCARD;
