#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweepstake/spec.h"

/* NAME and NAMES rows carry their registry in the place of the lowest bound. */
#define ROW_BOUNDS(low, high) .lowest = (low), .highest = (high), .registry = SW_REGISTRY_NONE
#define ROW_INT(low, high) ROW_BOUNDS(low, high)
#define ROW_REAL(low, high) ROW_BOUNDS(low, high)
#define ROW_BOOL(low, high) ROW_BOUNDS(low, high)
#define ROW_TEXT(low, high) ROW_BOUNDS(low, high)
#define ROW_SHAPE(low, high) ROW_BOUNDS(low, high)
#define ROW_NUMBERS(low, high) ROW_BOUNDS(low, high)
#define ROW_NAME(low, high) .lowest = 0, .highest = 0, .registry = (low)
#define ROW_NAMES(low, high) .lowest = 0, .highest = 0, .registry = (low)

static const struct sw_field fields[] = {
#define SW_FIELD(type, name, dotted, initial, low, high, measure, affects, text)                   \
    {.key = (dotted),                                                                              \
     .member = #name,                                                                              \
     .kind = SW_KIND_##type,                                                                       \
     .offset = offsetof(struct sw_trial_spec, name),                                               \
     .size = sizeof(((struct sw_trial_spec *) 0)->name),                                           \
     .preset = (initial),                                                                          \
     ROW_##type(low, high),                                                                        \
     .unit = (measure),                                                                            \
     .stage = SW_STAGE_##affects,                                                                  \
     .help = (text)},
#include "sweepstake/trial_spec.def"
#undef SW_FIELD
};
#define N_FIELDS (sizeof fields / sizeof *fields)

const struct sw_field *sw_spec_fields(size_t *n_fields) {
    *n_fields = N_FIELDS;
    return fields;
}

const struct sw_field *sw_spec_find_field(const char *key) {
    for (size_t i = 0; i < N_FIELDS; i++)
        if (strcmp(fields[i].key, key) == 0) return &fields[i];
    return NULL;
}

/* ---- setting -------------------------------------------------------------------------------- */

static bool is_null(const char *text) {
    return *text == '\0' || strcmp(text, "null") == 0 || strcmp(text, "~") == 0;
}

bool sw_spec_may_be_null(const struct sw_field *field) {
    return (field->kind == SW_KIND_INT || field->kind == SW_KIND_REAL) &&
           (*field->preset == '\0' || field->offset == offsetof(struct sw_trial_spec, prune_rate));
}

static enum sw_status set_int(const struct sw_field *field, const char *text, void *member) {
    int64_t value = SW_INT_NULL;
    double real = 0;
    if (!(sw_spec_may_be_null(field) && is_null(text))) {
        /* 1e4 is a whole number to a person: accept reals without a fraction. */
        if (!sw_text_to_int(text, &value)) {
            if (!sw_text_to_real(text, &real) || real != floor(real) ||
                fabs(real) > 9007199254740992.0)
                return SW_FAIL(SW_CONFIG, "%s: '%s' is not a whole number", field->key, text);
            value = (int64_t) real;
        }
        if (value < (int64_t) field->lowest || value > (int64_t) field->highest)
            return SW_FAIL(SW_CONFIG, "%s: %" PRId64 " is not within %.0f .. %.0f", field->key,
                           value, field->lowest, field->highest);
    }
    memcpy(member, &value, sizeof value);
    return SW_OK;
}

static enum sw_status set_real(const struct sw_field *field, const char *text, void *member) {
    double value = NAN;
    if (!(sw_spec_may_be_null(field) && is_null(text))) {
        if (!sw_text_to_real(text, &value))
            return SW_FAIL(SW_CONFIG, "%s: '%s' is not a number", field->key, text);
        if (value < field->lowest || value > field->highest)
            return SW_FAIL(SW_CONFIG, "%s: %s is not within %g .. %g", field->key, text,
                           field->lowest, field->highest);
        if (value == 0) value = 0; /* -0 and 0 are one value and must have one canonical text */
    }
    memcpy(member, &value, sizeof value);
    return SW_OK;
}

static enum sw_status set_bool(const struct sw_field *field, const char *text, void *member) {
    int64_t value = strcmp(text, "true") == 0;
    if (value == 0 && strcmp(text, "false") != 0)
        return SW_FAIL(SW_CONFIG, "%s: '%s' is neither true nor false", field->key, text);
    memcpy(member, &value, sizeof value);
    return SW_OK;
}

static enum sw_status set_text(const struct sw_field *field, const char *text, void *member) {
    if (strlen(text) >= field->size)
        return SW_FAIL(SW_CONFIG, "%s: longer than %zu characters", field->key, field->size - 1);
    sw_text_copy(member, field->size, text);
    return SW_OK;
}

/* Letters, digits and what stands inside names; no separator. */
static bool is_word(const char *text, size_t length) {
    if (length == 0 || length > 31) return false;
    for (size_t i = 0; i < length; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", text[i]))
            return false;
    return true;
}

static enum sw_status set_name(const struct sw_field *field, const char *text, void *member) {
    if (!is_word(text, strlen(text)))
        return SW_FAIL(SW_CONFIG, "%s: '%s' is not a name", field->key, text);
    return set_text(field, text, member);
}

static enum sw_status set_names(const struct sw_field *field, const char *text, void *member) {
    for (const char *word = text; *word != '\0';) {
        size_t length = strcspn(word, ",");
        if (!is_word(word, length) || (word[length] == ',' && word[length + 1] == '\0'))
            return SW_FAIL(SW_CONFIG, "%s: '%s' is not a list of names", field->key, text);
        word += length + (word[length] == ',');
    }
    return set_text(field, text, member);
}

static enum sw_status set_shape(const struct sw_field *field, const char *text, void *member) {
    int64_t shape[4];
    int rank = sw_spec_shape(text, shape);
    if (rank != 3)
        return SW_FAIL(SW_CONFIG, "%s: '%s' is not a shape of three whole numbers", field->key,
                       text);
    for (int i = 0; i < rank; i++)
        if ((double) shape[i] < field->lowest || (double) shape[i] > field->highest)
            return SW_FAIL(SW_CONFIG, "%s: %" PRId64 " is not within %.0f .. %.0f", field->key,
                           shape[i], field->lowest, field->highest);
    char exact[32];
    if (snprintf(exact, sizeof exact, "%" PRId64 "x%" PRId64 "x%" PRId64, shape[0], shape[1],
                 shape[2]) >= (int) sizeof exact)
        return SW_FAIL(SW_CONFIG, "%s: '%s' is too long", field->key, text);
    return set_text(field, exact, member);
}

/* The shortest text that reads back as the same number: 0.2, not 0.20000000000000001; whole numbers
 * as such: 80, not 8e+01. */
static void write_real(double real, char *out, size_t size) {
    if (real == floor(real) && fabs(real) < 1e6) {
        (void) snprintf(out, size, "%.0f", real);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        (void) snprintf(out, size, "%.*g", digits, real);
        if (strtod(out, NULL) == real) return;
    }
}

static enum sw_status set_numbers(const struct sw_field *field, const char *text, void *member) {
    char exact[96] = "", piece[32];
    size_t used = 0;
    double value = 0;
    for (const char *at = text; *at != '\0';) {
        size_t length = strcspn(at, ",");
        bool last_is_empty = at[length] == ',' && at[length + 1] == '\0';
        (void) snprintf(piece, sizeof piece, "%.*s", (int) length, at);
        if (length >= sizeof piece || last_is_empty || !sw_text_to_real(piece, &value))
            return SW_FAIL(SW_CONFIG, "%s: '%s' is not a list of numbers", field->key, text);
        if (value < field->lowest || value > field->highest)
            return SW_FAIL(SW_CONFIG, "%s: %s is not within %g .. %g", field->key, piece,
                           field->lowest, field->highest);
        write_real(value == 0 ? 0 : value, piece, sizeof piece);
        used += (size_t) snprintf(exact + used, sizeof exact - used, "%s%s", used > 0 ? "," : "",
                                  piece);
        if (used >= sizeof exact || used >= field->size)
            return SW_FAIL(SW_CONFIG, "%s: '%s' is too long", field->key, text);
        at += length + (at[length] == ',');
    }
    return set_text(field, exact, member);
}

enum sw_status sw_spec_set(struct sw_trial_spec *spec, const struct sw_field *field,
                           const char *text) {
    void *member = (char *) spec + field->offset;
    switch (field->kind) {
    case SW_KIND_INT:
        return set_int(field, text, member);
    case SW_KIND_REAL:
        return set_real(field, text, member);
    case SW_KIND_BOOL:
        return set_bool(field, text, member);
    case SW_KIND_TEXT:
        return set_text(field, text, member);
    case SW_KIND_NAME:
        return set_name(field, text, member);
    case SW_KIND_NAMES:
        return set_names(field, text, member);
    case SW_KIND_SHAPE:
        return set_shape(field, text, member);
    case SW_KIND_NUMBERS:
        return set_numbers(field, text, member);
    }
    return SW_FAIL(SW_INTERNAL, "%s: a field of unknown kind", field->key);
}

void sw_spec_set_defaults(struct sw_trial_spec *spec) {
    memset(spec, 0, sizeof *spec);
    for (size_t i = 0; i < N_FIELDS; i++) {
        /* Presets are part of the program: the unit test sets every one, so none can fail here. */
        enum sw_status status = sw_spec_set(spec, &fields[i], fields[i].preset);
        (void) status;
    }
}

/* ---- reading -------------------------------------------------------------------------------- */

char *sw_spec_get(const struct sw_trial_spec *spec, const struct sw_field *field, char *out,
                  size_t size) {
    const char *member = (const char *) spec + field->offset;
    int64_t whole = 0;
    double real = 0;
    switch (field->kind) {
    case SW_KIND_INT:
        memcpy(&whole, member, sizeof whole);
        if (whole == SW_INT_NULL) {
            (void) snprintf(out, size, "null");
        } else {
            (void) snprintf(out, size, "%" PRId64, whole);
        }
        break;
    case SW_KIND_REAL:
        memcpy(&real, member, sizeof real);
        if (isnan(real)) {
            (void) snprintf(out, size, "null");
        } else {
            write_real(real, out, size);
        }
        break;
    case SW_KIND_BOOL:
        memcpy(&whole, member, sizeof whole);
        (void) snprintf(out, size, "%s", whole != 0 ? "true" : "false");
        break;
    case SW_KIND_TEXT:
    case SW_KIND_NAME:
    case SW_KIND_NAMES:
    case SW_KIND_SHAPE:
    case SW_KIND_NUMBERS:
        sw_text_copy(out, size, member);
        break;
    }
    return out;
}

enum sw_status sw_spec_canonical(const struct sw_trial_spec *spec, unsigned stages,
                                 struct sw_text *out) {
    char value[256];
    for (size_t i = 0; i < N_FIELDS; i++)
        if ((fields[i].stage & stages) != 0)
            SW_TRY(sw_text_add(out, "%s: %s\n", fields[i].key,
                               sw_spec_get(spec, &fields[i], value, sizeof value)));
    return SW_OK;
}

bool sw_spec_word(const char *names, size_t index, char word[32]) {
    for (; *names != '\0'; index--) {
        size_t length = strcspn(names, ",");
        if (index == 0) {
            if (length > 31) return false;
            memset(word, 0, 32);
            memcpy(word, names, length);
            return true;
        }
        names += length + (names[length] == ',');
    }
    return false;
}

int sw_spec_shape(const char *text, int64_t shape[4]) {
    char piece[24];
    int rank = 0;
    for (;;) {
        size_t length = strcspn(text, "x");
        if (rank == 4 || length == 0 || length >= sizeof piece) return 0;
        memcpy(piece, text, length);
        piece[length] = '\0';
        if (!sw_text_to_int(piece, &shape[rank])) return 0;
        rank++;
        if (text[length] == '\0') return rank;
        text += length + 1;
    }
}

bool sw_spec_number(const char *numbers, size_t index, double *number) {
    char piece[32];
    for (; *numbers != '\0'; index--) {
        size_t length = strcspn(numbers, ",");
        if (index == 0) {
            (void) snprintf(piece, sizeof piece, "%.*s", (int) length, numbers);
            return length < sizeof piece && sw_text_to_real(piece, number);
        }
        numbers += length + (numbers[length] == ',');
    }
    return false;
}
