/* Inside of plan. The sweep file becomes nodes (plan_parse), nodes become settings and axes
 * (plan_read, plan_grid), those become trials (plan_trials), trials are checked (plan_check) and
 * become rounds (plan_rounds). What is wrong about the file is reported and reading goes on; a
 * status other than SW_OK is returned only for what cannot go on (memory). */
#pragma once

#include "sweepstake/plan.h"
#include "sweepstake/prune.h"
#include "sweepstake/train.h"

#define SW_PLAN_DEPTH 32                  /* levels of maps and lists in a sweep file */
#define SW_PLAN_ERRORS 50                 /* errors shown; the rest are counted */
#define SW_PLAN_TRIALS 100000             /* trials of a sweep */
#define SW_PLAN_ROUNDS 1000000            /* distinct trainings of a sweep */
#define SW_PLAN_CELLS ((int64_t) 1 << 25) /* elements of trial_rounds, and of kept: 256 MiB each */
#define SW_PLAN_KEY 128                   /* bytes of the longest dotted key that is looked at */

/* ---- memory that lives as long as the reading ----------------------------------------------- */

struct sw_plan_chunk;
struct sw_plan_arena {
    struct sw_plan_chunk *chunks;
};
/* Zeroed memory, freed with the arena. Errors: SW_NOMEM. */
enum sw_status sw_plan_arena_take(struct sw_plan_arena *arena, size_t bytes,
                                  void **out) SW_NODISCARD;
/* A copy of `length` bytes with a NUL behind. Errors: SW_NOMEM. */
enum sw_status sw_plan_arena_copy(struct sw_plan_arena *arena, const char *bytes, size_t length,
                                  const char **out) SW_NODISCARD;
void sw_plan_arena_fini(struct sw_plan_arena *arena);

/* Digest -> number, for finding equal things in a long list. */
struct sw_plan_index {
    struct sw_plan_slot *slots; /* owned */
    size_t capacity, used;
};
/* The number stored for a digest; when there is none, stores `value` and returns it in *out.
 * Errors: SW_NOMEM. */
enum sw_status sw_plan_index_add(struct sw_plan_index *index, struct sw_digest digest,
                                 int64_t value, int64_t *out) SW_NODISCARD;
void sw_plan_index_fini(struct sw_plan_index *index);

/* ---- places and errors ---------------------------------------------------------------------- */

/* A character in the sweep file or in a --set. */
struct sw_plan_place {
    int64_t source;       /* 0 the file, i > 0 the i-th --set */
    int64_t line, column; /* from 1, in characters; line 0: nowhere in particular */
};
struct sw_plan_error {
    struct sw_plan_place place;
    const char *message; /* in the arena */
};

/* ---- what was read -------------------------------------------------------------------------- */

enum sw_plan_node_kind { SW_PLAN_SCALAR, SW_PLAN_LIST, SW_PLAN_MAP };
struct sw_plan_node {
    enum sw_plan_node_kind kind;
    bool plain; /* scalar without quotes */
    bool skip;  /* already reported: do not look at it */
    struct sw_plan_place place;
    const char *text; /* of a scalar, NUL-terminated (and may hold NULs) */
    size_t length;
    const struct sw_plan_node *key;    /* of a member of a map */
    struct sw_plan_node *first, *last; /* members of a list or map */
    struct sw_plan_node *next;         /* next member of the same list or map */
    int64_t count;                     /* members */
};

/* One field and its value. */
struct sw_plan_setting {
    int64_t field; /* index into the fields of spec */
    bool present;
    bool recipe;      /* set by the recipe, not by a person */
    const char *text; /* canonical, as sw_spec_set reads it; NULL when it was wrong */
    struct sw_plan_place place;
    struct sw_plan_setting *next; /* of the same point */
};

/* One value of an axis: the fields it sets. */
struct sw_plan_point {
    struct sw_plan_setting *settings;
};
struct sw_plan_axis {
    const char *key;
    struct sw_plan_place place;
    int64_t n_points;
    struct sw_plan_point *points;
    struct sw_plan_axis *next; /* next one in the order written */
};

struct sw_plan {
    const struct sw_plan_source *source;
    struct sw_plan_arena arena;
    const struct sw_field *fields;
    int64_t n_fields;
    struct sw_trial_spec scratch; /* values are tried on it */

    struct sw_plan_error errors[SW_PLAN_ERRORS];
    int64_t n_errors;   /* all of them, also those beyond the array */
    bool out_of_memory; /* an error could not be kept */
    int64_t n_io;       /* errors about data files that could not be read */
    bool unreadable;    /* the file is no map: nothing to check */

    char name[96], store[256];
    bool has_name;
    struct sw_plan_setting *base; /* [n_fields]: settings outside the grid */
    struct sw_plan_axis *axes;
    struct sw_plan_place train_place; /* key `train` of the file */
    struct sw_plan_place grid_place;
    const struct sw_recipe *recipe; /* or NULL */
    struct sw_plan_place recipe_place;

    struct sw_sweep sweep; /* what is being made */
    int64_t *trial_arch;   /* [n_trials] index into sweep.archs, -1 unknown; owned */
    int64_t *trial_data;   /* [n_trials] index into sweep.datas, -1 unknown; owned */
};

/* ---- plan_error.c --------------------------------------------------------------------------- */

/* Keep one error. The same message at the same place is kept once. */
void sw_plan_report(struct sw_plan *plan, struct sw_plan_place place, const char *format, ...)
    SW_PRINTF(3, 4);
bool sw_plan_is_full(const struct sw_plan *plan);
/* Was anything below this key ("data.") reported? */
bool sw_plan_reported_below(const struct sw_plan *plan, const char *prefix);
/* All errors for a person, in the order of the file. Errors: SW_NOMEM. */
enum sw_status sw_plan_render_errors(struct sw_plan *plan, struct sw_text *out) SW_NODISCARD;

#define SW_PLAN_QUOTE 80
/* Bytes that a person typed, made safe to show: at most 60, control bytes as '?'. Returns out. */
const char *sw_plan_quote(const char *bytes, size_t length, char out[SW_PLAN_QUOTE]);

/* ---- plan_text.c ---------------------------------------------------------------------------- */

/* The first character of `text`: its bytes, or 0 when they are no UTF-8 (then *code is 0). */
size_t sw_plan_decode(const char *text, size_t length, uint32_t *code);
/* Refuse bytes that must not reach the YAML parser. `where` gives the source, and the column at
 * which the text begins. True when it may be parsed. */
bool sw_plan_check_text(struct sw_plan *plan, struct sw_plan_place where, const char *text,
                        size_t bytes);

/* ---- plan_parse.c --------------------------------------------------------------------------- */

/* YAML -> *out, NULL when it is empty or was refused (then reported). Errors: SW_NOMEM. */
enum sw_status sw_plan_parse(struct sw_plan *plan, struct sw_plan_place where, const char *text,
                             size_t bytes, struct sw_plan_node **out) SW_NODISCARD;
bool sw_plan_is_null(const struct sw_plan_node *node);
#define SW_PLAN_DESCRIPTION (SW_PLAN_QUOTE + 8)
/* What a person has written: "a list", "a map", "nothing", or the scalar itself. Returns text, or out. */
const char *sw_plan_describe(const struct sw_plan_node *node, char out[SW_PLAN_DESCRIPTION]);

/* ---- plan_syntax.c -------------------------------------------------------------------------- */

/* The parser's message as a person should read it. */
const char *sw_plan_explain_syntax(const char *message);

/* ---- plan_words.c --------------------------------------------------------------------------- */

bool sw_plan_is_known_word(enum sw_registry registry, const char *word);

/* ---- plan_keys.c ---------------------------------------------------------------------------- */

/* "prefix.key" into out[SW_PLAN_KEY]; false when it is too long to be a key. */
bool sw_plan_join_key(const char *prefix, const struct sw_plan_node *key, char *out);
/* Index of a field, -1 when there is none. */
int64_t sw_plan_find_field(const struct sw_plan *plan, const char *key);
/* Does a field stand below this key? */
bool sw_plan_is_prefix(const struct sw_plan *plan, const char *key);
void sw_plan_report_unknown_key(struct sw_plan *plan, struct sw_plan_place place,
                                const char *prefix, const struct sw_plan_node *key);
/* Report keys that occur twice in a map and mark the later ones. */
void sw_plan_check_duplicates(struct sw_plan *plan, const struct sw_plan_node *map);

/* ---- plan_value.c --------------------------------------------------------------------------- */

/* A node as the canonical text of a field; NULL when it is wrong (then reported). Errors:
 * SW_NOMEM. */
enum sw_status sw_plan_read_value(struct sw_plan *plan, int64_t field,
                                  const struct sw_plan_node *node, const char **out) SW_NODISCARD;

/* ---- plan_read.c ---------------------------------------------------------------------------- */

/* The whole sweep file, then every --set. */
enum sw_status sw_plan_read_file(struct sw_plan *plan) SW_NODISCARD;
enum sw_status sw_plan_read_sets(struct sw_plan *plan) SW_NODISCARD;
/* Members of a map below `prefix` ("" at the top) into a point (NULL: the base settings). */
enum sw_status sw_plan_read_map(struct sw_plan *plan, struct sw_plan_point *point,
                                const char *prefix, const struct sw_plan_node *map) SW_NODISCARD;
enum sw_status sw_plan_read_entry(struct sw_plan *plan, struct sw_plan_point *point,
                                  const char *prefix, const struct sw_plan_node *node) SW_NODISCARD;

/* ---- plan_recipe.c -------------------------------------------------------------------------- */

/* The key `recipe`. */
void sw_plan_read_recipe(struct sw_plan *plan, const struct sw_plan_node *node);
/* Set what is not set, once file and --set are read. */
enum sw_status sw_plan_apply_recipe(struct sw_plan *plan) SW_NODISCARD;

/* ---- plan_grid.c ---------------------------------------------------------------------------- */

enum sw_status sw_plan_read_grid(struct sw_plan *plan,
                                 const struct sw_plan_node *grid) SW_NODISCARD;
/* One axis; replaces one of the same key. */
enum sw_status sw_plan_read_axis(struct sw_plan *plan,
                                 const struct sw_plan_node *node) SW_NODISCARD;
void sw_plan_remove_axis(struct sw_plan *plan, const char *key);
/* The setting of a field in a point, NULL when it does not set it. */
const struct sw_plan_setting *sw_plan_point_find(const struct sw_plan_point *point, int64_t field);
/* Two axes must not set one field, and a --set must not be undone by an axis. */
void sw_plan_check_axes(struct sw_plan *plan);
/* Trials of the product, -1 (reported) when there are too many. */
int64_t sw_plan_count_trials(struct sw_plan *plan);

/* ---- plan_trials.c -------------------------------------------------------------------------- */

enum sw_status sw_plan_make_trials(struct sw_plan *plan) SW_NODISCARD;
/* Where a field of a trial was set; line 0 when it has its default. */
struct sw_plan_place sw_plan_find_place(const struct sw_plan *plan, int64_t trial, const char *key);

/* ---- plan_switches.c ------------------------------------------------------------------------- */

/* Settings of something that is off in all trials that they meet. */
void sw_plan_check_switches(struct sw_plan *plan);
/* Does this key belong to something that is off in this trial? */
bool sw_plan_is_switched_off(const struct sw_trial_spec *spec, const char *key);
/* What the value of a field can change in this trial: that of its row, but for signin.rounds all. */
unsigned sw_plan_stage(const struct sw_trial_spec *spec, const struct sw_field *field);

/* ---- plan_options.c, plan_check.c ----------------------------------------------------------- */

/* The training of a ticket. */
static inline struct sw_prune_span sw_plan_span(const struct sw_trial_spec *spec,
                                                const struct sw_data_info *data) {
    return (struct sw_prune_span){.first = spec->rewind_to,
                                  .steps = sw_train_steps(spec, data->train),
                                  .epoch_steps = sw_train_epoch_steps(spec, data->train)};
}
/* Settings that the chosen plug-ins do not use. */
void sw_plan_check_options(struct sw_plan *plan);
/* The one plug-in that all trials have and that does not take this option of others; NULL without. */
const char *sw_plan_not_for(const struct sw_plan *plan, const char *key);
/* "key: value\n" for every field of these stages (bit set) that can change something: without the
 * options of plug-ins that the trial did not choose. A new option thus leaves the identities of
 * trials without its plug-in as they are. Errors: SW_NOMEM. */
enum sw_status sw_plan_identity(const struct sw_trial_spec *spec, unsigned stages,
                                struct sw_text *out) SW_NODISCARD;
/* Length, data set and model of every trial; fills datas and archs of the sweep. */
enum sw_status sw_plan_check_trials(struct sw_plan *plan) SW_NODISCARD;

/* ---- plan_rounds.c -------------------------------------------------------------------------- */

enum sw_status sw_plan_make_rounds(struct sw_plan *plan) SW_NODISCARD;

/* ---- plan_cost.c ---------------------------------------------------------------------------- */

/* Private memory of the process that runs a round. */
int64_t sw_plan_rank_bytes(const struct sw_plan *plan, int64_t row);
