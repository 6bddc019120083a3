/* What a build has, in tables: keys of a sweep file, and the options of one entry of a registry. */
#include "show.h"

#include <float.h>
#include <stdio.h>

#include "sweepstake/plan.h"
#include "sweepstake/text.h"

/* ---- keys ---------------------------------------------------------------------------------------------- */

static const char *kind_name(enum sw_field_kind kind) {
    switch (kind) {
    case SW_KIND_INT:
        return "whole number";
    case SW_KIND_REAL:
        return "number";
    case SW_KIND_BOOL:
        return "true or false";
    case SW_KIND_TEXT:
        return "text";
    case SW_KIND_NAME:
        return "word";
    case SW_KIND_NAMES:
        return "list of words";
    case SW_KIND_SHAPE:
        return "shape";
    case SW_KIND_NUMBERS:
        return "list of numbers";
    }
    return "";
}

static enum sw_status add_words(enum sw_registry registry, struct sw_text *out) {
    const char *word = NULL, *summary = NULL;
    for (size_t i = 0; (word = sw_plan_registry_word(registry, i, &summary)) != NULL; i++)
        SW_TRY(sw_text_add(out, "%s%s", i == 0 ? "" : " | ", word));
    return SW_OK;
}

/* "0 .. 1", "1 .. 1000 epochs", "adam | sgd", "" for free text. */
static enum sw_status add_allowed(const struct sw_field *field, struct sw_text *out) {
    if (field->registry != SW_REGISTRY_NONE) return add_words(field->registry, out);
    if (field->kind == SW_KIND_TEXT) return SW_OK;
    if (field->kind == SW_KIND_BOOL) return sw_text_add(out, "true | false");
    const char *blank = field->unit[0] != '\0' ? " " : "";
    if (field->kind == SW_KIND_REAL || field->kind == SW_KIND_NUMBERS)
        return sw_text_add(out, "%.7g .. %.7g%s%s", field->lowest, field->highest, blank,
                           field->unit);
    return sw_text_add(out, "%.0f .. %.0f%s%s", field->lowest, field->highest, blank, field->unit);
}

static const char *preset_of(const struct sw_field *field) {
    bool list = field->kind == SW_KIND_NAMES || field->kind == SW_KIND_NUMBERS;
    if (field->preset[0] != '\0') return field->preset;
    if (list) return "[]";
    return field->kind == SW_KIND_TEXT ? "\"\"" : "null";
}

static enum sw_status add_key(struct sw_cli_table *table, const struct sw_field *field) {
    struct sw_text allowed = {0};
    enum sw_status status = add_allowed(field, &allowed);
    const char *words[] = {field->key, kind_name(field->kind), preset_of(field),
                           sw_text_get(&allowed), field->help};
    if (status == SW_OK) status = sw_cli_table_row(table, words);
    sw_text_fini(&allowed);
    return status;
}

static const char *const key_head[] = {"key", "type", "default", "allowed", "meaning"};

enum sw_status sw_cli_show_keys(void) {
    struct sw_cli_table table = {.columns = 5};
    size_t n = 0;
    const struct sw_field *fields = sw_spec_fields(&n);
    enum sw_status status = sw_cli_table_row(&table, key_head);
    for (size_t i = 0; i < n && status == SW_OK; i++)
        status = add_key(&table, &fields[i]);
    if (status == SW_OK) {
        sw_cli_table_print(&table, "");
        printf("\nBeside these: sweep (name), store (path of the store), grid (a map from keys to "
               "lists of values; a trial for each combination).\n");
    }
    sw_cli_table_fini(&table);
    return status;
}

/* The keys that one implementation uses, below its line. */
enum sw_status sw_cli_show_options(const char *const *keys) {
    struct sw_cli_table table = {.columns = 5};
    enum sw_status status = SW_OK;
    for (; keys != NULL && *keys != NULL && status == SW_OK; keys++) {
        const struct sw_field *field = sw_spec_find_field(*keys);
        if (field == NULL)
            status = SW_FAIL(SW_INTERNAL, "option '%s' is no key of the sweep file", *keys);
        else
            status = add_key(&table, field);
    }
    if (status == SW_OK) sw_cli_table_print(&table, "    ");
    sw_cli_table_fini(&table);
    return status;
}

enum sw_status sw_cli_show_key(const struct sw_field *field) {
    struct sw_text allowed = {0};
    enum sw_status status = add_allowed(field, &allowed);
    if (status == SW_OK) {
        printf("%s, a key of sweep files\n    %s\n", field->key, field->help);
        printf("    type:     %s\n    default:  %s\n", kind_name(field->kind), preset_of(field));
        if (sw_text_get(&allowed)[0] != '\0') printf("    allowed:  %s\n", sw_text_get(&allowed));
    }
    sw_text_fini(&allowed);
    return status;
}
