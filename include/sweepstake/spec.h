/* Module: spec
 * Purpose: the two plain-data tables that cross every border: trial spec (going in) and round
 * record (coming out), plus curves, layers and alerts. Each field is stated once, in a .def file.
 * Takes: nothing. Gives: structs, field tables, canonical text, identity digests. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sweepstake/digest.h"
#include "sweepstake/status.h"
#include "sweepstake/text.h"

/* ---- trial spec ----------------------------------------------------------------------------- */

#define SW_INT_NULL INT64_MIN          /* an INT field that is absent; an absent REAL is NaN */
#define SW_SEED_MAX 9007199254740992LL /* 2^53: exact in JSON readers and doubles */

enum sw_field_kind {
    SW_KIND_INT,
    SW_KIND_REAL,
    SW_KIND_BOOL,
    SW_KIND_TEXT,
    SW_KIND_NAME,
    SW_KIND_NAMES,
    SW_KIND_SHAPE,
    SW_KIND_NUMBERS
};

/* What a field can change; see trial_spec.def. */
enum sw_field_stage {
    SW_STAGE_DATA = 1,
    SW_STAGE_TRAIN = 2,
    SW_STAGE_PRUNE = 4,
    SW_STAGE_LABEL = 8
};

/* Lists that words come from; the plan knows which module owns which. */
enum sw_registry {
    SW_REGISTRY_NONE,
    SW_REGISTRY_DATA,
    SW_REGISTRY_NORMALIZE,
    SW_REGISTRY_MODEL,
    SW_REGISTRY_INIT,
    SW_REGISTRY_NORM_SCALE,
    SW_REGISTRY_OPTIMIZER,
    SW_REGISTRY_SCHEDULE,
    SW_REGISTRY_CRITERION,
    SW_REGISTRY_SCOPE,
    SW_REGISTRY_GRANULARITY,
    SW_REGISTRY_PRUNE_SCHEDULE,
    SW_REGISTRY_CONTROL,
    SW_REGISTRY_MONITOR,
    SW_REGISTRY_FORMAT,
    SW_REGISTRY_BLOCK_SIZE,
    SW_REGISTRY_ALLOCATION,
    SW_REGISTRY_SIGNIN_BUFFERS,
    SW_REGISTRY_SIGNIN_ROUNDS,
    SW_REGISTRY_SCORE_WEIGHTS,
    SW_REGISTRY_GROUP_SCORE,
    SW_REGISTRY_SCORE_REFERENCE,
    SW_REGISTRY_SIGN_REFERENCE,
    SW_REGISTRY_LR_RULE,
    SW_REGISTRY_REWIND,
    SW_REGISTRY_CLIP,
    SW_REGISTRY_SPARSE_INIT
};

#define SW_TYPE_INT(member) int64_t member;
#define SW_TYPE_REAL(member) double member;
#define SW_TYPE_BOOL(member) int64_t member;
#define SW_TYPE_TEXT(member) char member[256];
#define SW_TYPE_NAME(member) char member[32];
#define SW_TYPE_NAMES(member) char member[96];
#define SW_TYPE_SHAPE(member) char member[32];
#define SW_TYPE_NUMBERS(member) char member[96];

/* One variant with one seed. Plain data: may be copied, compared by bytes (unused bytes are zero),
 * sent to another process of the same build. */
struct sw_trial_spec {
#define SW_FIELD(kind, member, ...) SW_TYPE_##kind(member)
#include "sweepstake/trial_spec.def"
#undef SW_FIELD
};

struct sw_field {
    const char *key; /* "train.optimizer.lr" */
    const char *member;
    size_t offset;          /* in struct sw_trial_spec */
    size_t size;            /* bytes of the member */
    const char *preset;     /* default as text; "" is null */
    double lowest, highest; /* INT, REAL, elements of SHAPE and NUMBERS */
    const char *unit;
    const char *help;
    enum sw_field_kind kind;
    enum sw_registry registry; /* NAME, NAMES */
    enum sw_field_stage stage;
};

/* All fields in the order of the table. */
const struct sw_field *sw_spec_fields(size_t *n_fields);
/* NULL when there is no such key. */
const struct sw_field *sw_spec_find_field(const char *key);

/* All defaults. */
void sw_spec_set_defaults(struct sw_trial_spec *spec);

/* May an INT or REAL be null? Those without a default, and prune.rate, which can be solved for. */
bool sw_spec_may_be_null(const struct sw_field *field);

/* Set one field from text, checking kind and bounds ("0.2", "null", "true", "adam", "a,b", "1x28x28",
 * "80,120").
 * Registry words are not checked here. Errors: SW_CONFIG with a text that names the key, the value
 * and what is allowed; the spec is then unchanged. */
enum sw_status sw_spec_set(struct sw_trial_spec *spec, const struct sw_field *field,
                           const char *text) SW_NODISCARD;

/* One field as text, as sw_spec_set reads it; reals as the shortest text that reads back equal;
 * null is "null". `out` holds at least 256 bytes. Returns out. */
char *sw_spec_get(const struct sw_trial_spec *spec, const struct sw_field *field, char *out,
                  size_t size);

/* "key: value\n" for every field whose stage is in `stages` (bit set), in table order: the text
 * behind every digest. The default value is written out too. */
enum sw_status sw_spec_canonical(const struct sw_trial_spec *spec, unsigned stages,
                                 struct sw_text *out) SW_NODISCARD;

/* Iterate the words of a NAMES field: copies word `index` into `word`, false past the end. */
bool sw_spec_word(const char *names, size_t index, char word[32]);

/* Elements of a SHAPE field into shape[0..4); returns how many (0 when malformed). */
int sw_spec_shape(const char *text, int64_t shape[4]);

/* Iterate the numbers of a NUMBERS field: number `index` into *number, false past the end. */
bool sw_spec_number(const char *numbers, size_t index, double *number);

/* ---- controls ------------------------------------------------------------------------------- */

/* What a training is beside the ticket itself. Values are stored: append only.
 * X(NAME, "name", "summary") */
#define SW_CONTROL_LIST(X)                                                                         \
    X(TICKET, "ticket", "the ticket itself: its mask on the weights it rewinds to")                \
    X(REINIT, "reinit", "the ticket's mask on new random weights of the same distribution")        \
    X(RANDOM, "random", "the ticket's start weights, as many per layer as it keeps, at random")    \
    X(SHUFFLE, "shuffle", "the ticket's start weights and mask, the mask shuffled in each layer")

enum sw_control {
#define SW_CONTROL_ENUM(id, name, summary) SW_CONTROL_##id,
    SW_CONTROL_LIST(SW_CONTROL_ENUM)
#undef SW_CONTROL_ENUM
        SW_CONTROL_COUNT
};
const char *sw_control_name(enum sw_control control);
const char *sw_control_summary(enum sw_control control);
bool sw_control_find(const char *name, enum sw_control *out);

/* ---- round record --------------------------------------------------------------------------- */

enum sw_column_kind { SW_COLUMN_I64, SW_COLUMN_F64, SW_COLUMN_STR };

#define SW_CTYPE_I64(member) int64_t member;
#define SW_CTYPE_F64(member) double member;
#define SW_CTYPE_STR8(member) char member[8];
#define SW_CTYPE_STR16(member) char member[16];
#define SW_CTYPE_STR32(member) char member[32];
#define SW_CTYPE_STR64(member) char member[64];
#define SW_CTYPE_STR128(member) char member[128];

/* The part of a record that is the same however the round was run. */
struct sw_round_results {
#define SW_RESULT_COLUMNS
#define SW_COLUMN(kind, member, unit, description) SW_CTYPE_##kind(member)
#include "sweepstake/round_record.def"
#undef SW_RESULT_COLUMNS
};
/* The part that tells times and places. */
struct sw_round_measured {
#define SW_MEASURED_COLUMNS
#include "sweepstake/round_record.def"
#undef SW_COLUMN
#undef SW_MEASURED_COLUMNS
};
/* One row of /rounds. Every member is 8-byte aligned, so there is no padding. */
struct sw_round_record {
    struct sw_round_results result;
    struct sw_round_measured measured;
};

/* What the monitor `signs` says of a layer. Shares are NaN, and numbers -1, where it did not watch. A
 * weight of zero has the last sign that it had. An epoch that a training ends in counts as one. */
struct sw_sign_figures {
    double flips_theta0;   /* share of the weights with another sign than at initialisation */
    double flips_rewind;   /* the same, than when the training began */
    double flip_rate;      /* the same, than one epoch before */
    int64_t flips;         /* that, summed over epochs, in weights */
    double aligned_theta0; /* share of the sum of magnitudes with the sign of initialisation */
    double aligned_rewind; /* the same, with the sign that the training began with */
    int64_t settled;       /* epoch after which the flip rate stayed below 0.1 %; -1: it did not */
    double factor_least;   /* Sign-In: the least u^2 - w^2 before the last reset */
    double factor_median;  /* the median of u^2 - w^2 then */
    double factor_low; /* share of weights whose u^2 - w^2 was below a tenth of signin.beta then */
};

/* One row of /layers: a prunable layer of a finished round. */
struct sw_layer_record {
    char name[32];        /* "fc1.weight" */
    int64_t weights;      /* weights of the layer */
    int64_t nnz;          /* weights left */
    double sparsity;      /* 1 - nnz / weights */
    double weight_norm;   /* L2 norm of the trained survivors */
    double gradient_norm; /* L2 norm of the last watched gradient; NaN when unwatched */
    double gradient_rms;  /* that norm over sqrt(nnz) */
    double clipped;       /* share of steps whose gradient was clipped; NaN without train.clip */
    char format[8];       /* "dense", "csr", "bsr8" */
    struct sw_sign_figures signs;
    int64_t factor_unbalanced; /* Sign-In: steps in which u^2 - w^2 of a weight fell below zero */
    int64_t factor_flipped;    /* Sign-In: steps in which the u of a weight changed its sign */
    int64_t sign_forced;       /* signs that sign.seed_force changed */
};

/* One row of /curves: an evaluation along a training. */
struct sw_curve_point {
    int64_t step;           /* steps done before this evaluation */
    double epoch;           /* the same in epochs */
    double learning_rate;   /* rate of the next step (of the last one at the end) */
    double train_loss;      /* mean batch loss since the previous evaluation; NaN at step 0 */
    double validation_loss; /* NaN without validation images */
    double validation_accuracy;
    double test_loss;
    double test_accuracy;
    int64_t validation_correct;
    int64_t test_correct;
};

/* One row of /alerts. */
struct sw_alert {
    int64_t step;     /* steps done when it was raised */
    double value;     /* the number that raised it */
    char monitor[32]; /* who raised it */
    char message[80]; /* what a person should know */
};

/* One row of /prunes: what a prune inside of a training did to what competes with each other. */
struct sw_prune_call {
    int64_t step;     /* steps done before it */
    char layer[32];   /* "fc1.weight"; "all" for layers that compete together */
    double requested; /* sparsity that was asked for */
    double threshold; /* score below which it removes */
    double realised;  /* sparsity afterwards */
};

/* A column of one of the tables above. */
struct sw_column {
    const char *name;
    const char *unit;
    const char *description;
    size_t offset; /* in the row struct */
    size_t size;   /* bytes */
    enum sw_column_kind kind;
    bool result; /* part of the digest */
};
enum sw_table {
    SW_TABLE_ROUNDS,
    SW_TABLE_LAYERS,
    SW_TABLE_CURVES,
    SW_TABLE_PRUNES,
    SW_TABLE_ALERTS
};
const struct sw_column *sw_spec_columns(enum sw_table table, size_t *n_columns, size_t *row_bytes);
