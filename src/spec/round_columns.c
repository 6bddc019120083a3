#include <string.h>

#include "sweepstake/spec.h"

/* ---- controls ------------------------------------------------------------------------------- */

static const struct {
    const char *name, *summary;
} controls[] = {
#define SW_CONTROL_ROW(id, name, summary) {name, summary},
    SW_CONTROL_LIST(SW_CONTROL_ROW)
#undef SW_CONTROL_ROW
};

const char *sw_control_name(enum sw_control control) {
    return (unsigned) control < SW_CONTROL_COUNT ? controls[control].name : "unknown";
}

const char *sw_control_summary(enum sw_control control) {
    return (unsigned) control < SW_CONTROL_COUNT ? controls[control].summary : "";
}

bool sw_control_find(const char *name, enum sw_control *out) {
    for (int i = 0; i < SW_CONTROL_COUNT; i++) {
        if (strcmp(controls[i].name, name) == 0) {
            *out = (enum sw_control) i;
            return true;
        }
    }
    return false;
}

/* ---- columns -------------------------------------------------------------------------------- */

#define KIND_I64 SW_COLUMN_I64
#define KIND_F64 SW_COLUMN_F64
#define KIND_STR8 SW_COLUMN_STR
#define KIND_STR16 SW_COLUMN_STR
#define KIND_STR32 SW_COLUMN_STR
#define KIND_STR64 SW_COLUMN_STR
#define KIND_STR80 SW_COLUMN_STR
#define KIND_STR128 SW_COLUMN_STR

#define ROW(type, owner, field, measure, text, is_result)                                          \
    {                                                                                              \
        .name = #field, .kind = KIND_##type, .offset = offsetof(owner, field),                     \
        .size = sizeof(((owner *) 0)->field), .unit = (measure), .description = (text),            \
        .result = (is_result)                                                                      \
    }

#define MEASURED_OFFSET offsetof(struct sw_round_record, measured)

static const struct sw_column round_columns[] = {
#define SW_RESULT_COLUMNS
#define SW_COLUMN(type, field, measure, text)                                                      \
    ROW(type, struct sw_round_results, field, measure, text, true),
#include "sweepstake/round_record.def"
#undef SW_COLUMN
#undef SW_RESULT_COLUMNS
#define SW_MEASURED_COLUMNS
#define SW_COLUMN(type, member, measure, text)                                                     \
    {.name = #member,                                                                              \
     .kind = KIND_##type,                                                                          \
     .offset = MEASURED_OFFSET + offsetof(struct sw_round_measured, member),                       \
     .size = sizeof(((struct sw_round_measured *) 0)->member),                                     \
     .unit = (measure),                                                                            \
     .description = (text),                                                                        \
     .result = false},
#include "sweepstake/round_record.def"
#undef SW_COLUMN
#undef SW_MEASURED_COLUMNS
};

#define LAYER(type, field, measure, text)                                                          \
    ROW(type, struct sw_layer_record, field, measure, text, true)
#define SIGNS(type, column, field, measure, text)                                                  \
    {                                                                                              \
        .name = #column, .kind = KIND_##type,                                                      \
        .offset = offsetof(struct sw_layer_record, signs) +                                        \
                  offsetof(struct sw_sign_figures, field),                                         \
        .size = sizeof(((struct sw_sign_figures *) 0)->field), .unit = (measure),                  \
        .description = (text), .result = true                                                      \
    }
static const struct sw_column layer_columns[] = {
    LAYER(STR32, name, "", "parameter"),
    LAYER(I64, weights, "", "weights of the layer"),
    LAYER(I64, nnz, "", "weights left"),
    LAYER(F64, sparsity, "", "share of weights removed"),
    LAYER(F64, weight_norm, "", "L2 norm of the trained survivors"),
    LAYER(F64, gradient_norm, "", "L2 norm of the last watched gradient; NaN when unwatched"),
    LAYER(F64, gradient_rms, "", "that norm over the root of the weights left"),
    LAYER(F64, clipped, "",
          "share of the steps whose gradient train.clip scaled down; NaN without it"),
    LAYER(STR8, format, "",
          "how the layer was stored and multiplied: dense, csr, csc, coo, bsr4, bsr8, bsr16"),
    SIGNS(
        F64, sign_flips_theta0, flips_theta0, "",
        "monitor signs: share of weights with another sign than at initialisation; NaN when unwatched"),
    SIGNS(F64, sign_flips_rewind, flips_rewind, "", "the same, than when the training began"),
    SIGNS(F64, sign_flip_rate, flip_rate, "", "the same, than one epoch before the last"),
    SIGNS(I64, sign_flips, flips, "weights",
          "changes of sign from one epoch to the next, summed over epochs; -1 when unwatched"),
    SIGNS(F64, sign_aligned_theta0, aligned_theta0, "",
          "share of the sum of magnitudes that has the sign of initialisation"),
    SIGNS(F64, sign_aligned_rewind, aligned_rewind, "",
          "the same, with the sign that the training began with"),
    SIGNS(
        I64, sign_settled, settled, "epochs",
        "epoch after which fewer than 0.1 % of the signs changed per epoch; -1: none, or unwatched"),
    SIGNS(F64, factor_least, factor_least, "",
          "Sign-In, monitor signs: least u^2 - w^2 before the last reset; NaN without one"),
    SIGNS(F64, factor_median, factor_median, "", "median of u^2 - w^2 then"),
    SIGNS(F64, factor_low, factor_low, "",
          "share of weights whose u^2 - w^2 was below a tenth of signin.beta then"),
    LAYER(I64, factor_unbalanced, "",
          "Sign-In: times that u^2 - w^2 of a weight fell below zero in a step"),
    LAYER(I64, factor_flipped, "", "Sign-In: times that the u of a weight changed its sign"),
    LAYER(I64, sign_forced, "weights", "signs that sign.seed_force changed"),
};

#define POINT(type, field, measure, text)                                                          \
    ROW(type, struct sw_curve_point, field, measure, text, true)
static const struct sw_column curve_columns[] = {
    POINT(I64, step, "steps", "training steps done"),
    POINT(F64, epoch, "epochs", "the same in epochs"),
    POINT(F64, learning_rate, "", "learning rate of the next step"),
    POINT(F64, train_loss, "nats", "mean batch loss since the previous row; NaN at step 0"),
    POINT(F64, validation_loss, "nats", "mean cross-entropy over the validation images"),
    POINT(F64, validation_accuracy, "", "share of validation images classified right"),
    POINT(F64, test_loss, "nats", "mean cross-entropy over the test images"),
    POINT(F64, test_accuracy, "", "share of test images classified right"),
    POINT(I64, validation_correct, "images", "validation images classified right"),
    POINT(I64, test_correct, "images", "test images classified right"),
};

#define ALERT(type, field, measure, text) ROW(type, struct sw_alert, field, measure, text, true)
static const struct sw_column alert_columns[] = {
    ALERT(I64, step, "steps", "training steps done when it was raised"),
    ALERT(F64, value, "", "number that raised it"),
    ALERT(STR32, monitor, "", "monitor that raised it"),
    ALERT(STR80, message, "", "what a person should know"),
};

#define PRUNE(type, field, measure, text)                                                          \
    ROW(type, struct sw_prune_call, field, measure, text, true)
static const struct sw_column prune_columns[] = {
    PRUNE(I64, step, "steps", "training steps done before it"),
    PRUNE(STR32, layer, "", "layer; all where layers compete together"),
    PRUNE(F64, requested, "",
          "sparsity that was asked for; of seed_dynamic the one that its quantile is taken at"),
    PRUNE(F64, threshold, "", "score below which it removes, before exact counts"),
    PRUNE(F64, realised, "", "sparsity afterwards"),
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

const struct sw_column *sw_spec_columns(enum sw_table table, size_t *n_columns, size_t *row_bytes) {
    switch (table) {
    case SW_TABLE_ROUNDS:
        *n_columns = COUNT(round_columns);
        *row_bytes = sizeof(struct sw_round_record);
        return round_columns;
    case SW_TABLE_LAYERS:
        *n_columns = COUNT(layer_columns);
        *row_bytes = sizeof(struct sw_layer_record);
        return layer_columns;
    case SW_TABLE_CURVES:
        *n_columns = COUNT(curve_columns);
        *row_bytes = sizeof(struct sw_curve_point);
        return curve_columns;
    case SW_TABLE_PRUNES:
        *n_columns = COUNT(prune_columns);
        *row_bytes = sizeof(struct sw_prune_call);
        return prune_columns;
    case SW_TABLE_ALERTS:
        break;
    }
    *n_columns = COUNT(alert_columns);
    *row_bytes = sizeof(struct sw_alert);
    return alert_columns;
}
