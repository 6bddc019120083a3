#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "plan_internal.h"

/* ---- what is allowed ------------------------------------------------------------------------ */

static bool may_be_null(const struct sw_field *field) {
    return sw_spec_may_be_null(field) || (field->kind == SW_KIND_TEXT && *field->preset == '\0');
}

static void list_words(enum sw_registry registry, char *out, size_t size) {
    const char *word = NULL;
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; (word = sw_plan_registry_word(registry, i, NULL)) != NULL; i++) {
        if (used < size)
            used += (size_t) snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "", word);
    }
}

/* "a whole number from 1 to 65536 (samples), default 60" */
static void describe(const struct sw_field *field, char *out, size_t size) {
    char words[400];
    const char *separator = *field->unit != '\0' ? " (" : "";
    const char *closing = *field->unit != '\0' ? ")" : "";
    const char *or_null = may_be_null(field) ? " or null" : "";
    switch (field->kind) {
    case SW_KIND_INT:
        (void) snprintf(out, size, "a whole number from %.0f to %.0f%s%s%s%s", field->lowest,
                        field->highest, separator, field->unit, closing, or_null);
        break;
    case SW_KIND_REAL:
        (void) snprintf(out, size, "a number from %.9g to %.9g%s%s%s%s", field->lowest,
                        field->highest, separator, field->unit, closing, or_null);
        break;
    case SW_KIND_BOOL:
        (void) snprintf(out, size, "true or false");
        break;
    case SW_KIND_TEXT:
        (void) snprintf(out, size, "a text of at most %zu bytes", field->size - 1);
        break;
    case SW_KIND_NAME:
        list_words(field->registry, words, sizeof words);
        (void) snprintf(out, size, "one of %s", words);
        break;
    case SW_KIND_NAMES:
        list_words(field->registry, words, sizeof words);
        (void) snprintf(out, size, "a list of words out of %s; [] for none", words);
        break;
    case SW_KIND_SHAPE:
        (void) snprintf(out, size, "[channels, height, width], each from %.0f to %.0f",
                        field->lowest, field->highest);
        break;
    case SW_KIND_NUMBERS:
        (void) snprintf(out, size, "a list of numbers, each from %.9g to %.9g%s%s%s", field->lowest,
                        field->highest, separator, field->unit, closing);
        break;
    }
}

static bool is_list(const struct sw_field *field) {
    return field->kind == SW_KIND_NAMES || field->kind == SW_KIND_SHAPE ||
           field->kind == SW_KIND_NUMBERS;
}

/* Written without quotes. */
static bool is_bare(const struct sw_field *field) {
    return field->kind == SW_KIND_INT || field->kind == SW_KIND_REAL ||
           field->kind == SW_KIND_BOOL || field->kind == SW_KIND_NUMBERS;
}

/* "KEY: got WHAT; allowed is ..." and hints: people write lists for what belongs in a grid, and put quotes
 * around numbers. */
static void report_value(struct sw_plan *plan, const struct sw_field *field,
                         const struct sw_plan_node *node) {
    char allowed[512], got[SW_PLAN_DESCRIPTION];
    const char *hint = "";
    describe(field, allowed, sizeof allowed);
    if (node->kind == SW_PLAN_LIST && !is_list(field))
        hint = "; to try several values, list them in grid";
    if (node->kind == SW_PLAN_SCALAR && !node->plain && is_bare(field))
        hint = "; write it without quotes";
    sw_plan_report(plan, node->place, "%s: got %s; allowed is %s%s", field->key,
                   sw_plan_describe(node, got), allowed, hint);
}

/* ---- words ---------------------------------------------------------------------------------- */

static const char *find_near(enum sw_registry registry, const char *word) {
    const char *words[64];
    size_t n = 0;
    while (n < sizeof words / sizeof *words &&
           (words[n] = sw_plan_registry_word(registry, n, NULL)) != NULL)
        n++;
    return sw_text_nearest(word, words, n);
}

/* Is it a word of the field's registry? Reports when it is not. */
static bool check_word(struct sw_plan *plan, const struct sw_field *field,
                       const struct sw_plan_node *node) {
    char words[400], quoted[SW_PLAN_QUOTE];
    if (strlen(node->text) == node->length && sw_plan_is_known_word(field->registry, node->text))
        return true;
    list_words(field->registry, words, sizeof words);
    const char *near = find_near(field->registry, node->text);
    sw_plan_report(plan, node->place, "%s: unknown word %s%s%s%s allowed: %s", field->key,
                   node->length > 0 ? sw_plan_quote(node->text, node->length, quoted) : "\"\"",
                   near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                   near != NULL ? "?" : ";", words);
    return false;
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* Members of a list joined into text[256]; false (reported) when one is wrong. */
static bool join_list(struct sw_plan *plan, const struct sw_field *field,
                      const struct sw_plan_node *list, char *text, size_t size) {
    const char *separator = field->kind == SW_KIND_SHAPE ? "x" : ",";
    size_t used = 0;
    bool good = true;
    text[0] = '\0';
    for (const struct sw_plan_node *item = list->first; item != NULL; item = item->next) {
        if (item->kind != SW_PLAN_SCALAR || sw_plan_is_null(item)) {
            report_value(plan, field, item);
            good = false;
        } else if (field->kind == SW_KIND_NAMES && !check_word(plan, field, item)) {
            good = false;
        } else if (used < size) {
            used += (size_t) snprintf(text + used, size - used, "%s%s", used > 0 ? separator : "",
                                      item->text);
        }
        if (sw_plan_is_full(plan)) return false;
    }
    if (good && used >= size) {
        sw_plan_report(plan, list->place, "%s: the list is too long", field->key);
        good = false;
    }
    return good;
}

/* Is a word in the list twice? Reports when one is. */
static bool has_repeated_word(struct sw_plan *plan, const struct sw_field *field,
                              const struct sw_plan_node *list) {
    for (const struct sw_plan_node *item = list->first; item != NULL; item = item->next)
        for (const struct sw_plan_node *other = list->first; other != item; other = other->next)
            if (strcmp(item->text, other->text) == 0) {
                sw_plan_report(plan, item->place, "%s: %s is listed twice", field->key, item->text);
                return true;
            }
    return false;
}

/* ---- one value ------------------------------------------------------------------------------ */

/* The value as sw_spec_set reads it, into text; false (reported) when it has the wrong form. */
static bool to_text(struct sw_plan *plan, const struct sw_field *field,
                    const struct sw_plan_node *node, char *text, size_t size) {
    bool names = field->kind == SW_KIND_NAMES;
    bool number = field->kind == SW_KIND_INT || field->kind == SW_KIND_REAL;
    if (node->kind == SW_PLAN_LIST && is_list(field))
        return join_list(plan, field, node, text, size) &&
               !(names && has_repeated_word(plan, field, node));
    bool null = sw_plan_is_null(node);
    if (node->kind != SW_PLAN_SCALAR || (null && !may_be_null(field)) ||
        (is_bare(field) && !node->plain)) {
        report_value(plan, field, node);
        return false;
    }
    if ((names || field->kind == SW_KIND_NAME) && !check_word(plan, field, node)) return false;
    for (size_t i = 0; i < node->length; i++)
        if ((unsigned char) node->text[i] < 0x20 || node->length >= size) {
            report_value(plan, field, node);
            return false;
        }
    (void) snprintf(text, size, "%s", null ? (number ? "null" : "") : node->text);
    return true;
}

enum sw_status sw_plan_read_value(struct sw_plan *plan, int64_t field,
                                  const struct sw_plan_node *node, const char **out) {
    const struct sw_field *row = &plan->fields[field];
    char text[256];
    *out = NULL;
    if (!to_text(plan, row, node, text, sizeof text)) return SW_OK;
    if (sw_spec_set(&plan->scratch, row, text) != SW_OK) {
        report_value(plan, row, node);
        return SW_OK;
    }
    sw_spec_get(&plan->scratch, row, text, sizeof text);
    return sw_plan_arena_copy(&plan->arena, text, strlen(text), out);
}
