#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan_internal.h"

#define LINE_SHOWN 120 /* characters of a source line that are shown around its caret */

/* ---- collecting ----------------------------------------------------------------------------- */

bool sw_plan_is_full(const struct sw_plan *plan) {
    return plan->n_errors >= SW_PLAN_ERRORS || plan->out_of_memory;
}

static bool is_reported(const struct sw_plan *plan, struct sw_plan_place place,
                        const char *message) {
    for (int64_t i = 0; i < plan->n_errors && i < SW_PLAN_ERRORS; i++) {
        const struct sw_plan_error *error = &plan->errors[i];
        if (error->place.source == place.source && error->place.line == place.line &&
            error->place.column == place.column && strcmp(error->message, message) == 0)
            return true;
    }
    return false;
}

void sw_plan_report(struct sw_plan *plan, struct sw_plan_place place, const char *format, ...) {
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    (void) vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (is_reported(plan, place, message)) return;
    if (plan->n_errors < SW_PLAN_ERRORS) {
        struct sw_plan_error *error = &plan->errors[plan->n_errors];
        if (sw_plan_arena_copy(&plan->arena, message, strlen(message), &error->message) != SW_OK) {
            plan->out_of_memory = true;
            return;
        }
        error->place = place;
    }
    plan->n_errors++;
}

bool sw_plan_reported_below(const struct sw_plan *plan, const char *prefix) {
    for (int64_t i = 0; i < plan->n_errors && i < SW_PLAN_ERRORS; i++)
        if (strncmp(plan->errors[i].message, prefix, strlen(prefix)) == 0) return true;
    return plan->n_errors > SW_PLAN_ERRORS;
}

/* ---- showing -------------------------------------------------------------------------------- */

/* Copy at most `limit` bytes of what a person typed, with '?' for what a terminal would obey or
 * could not show. Returns the bytes written. */
static size_t copy_shown(const char *bytes, size_t length, char *out, size_t limit) {
    size_t written = 0;
    for (size_t i = 0; i < length;) {
        uint32_t code = 0;
        size_t step = sw_plan_decode(bytes + i, length - i, &code);
        bool shown = step > 0 && code >= 0x20 && !(code >= 0x7f && code < 0xa0);
        if (step == 0) step = 1;
        if (written + (shown ? step : 1) > limit) break;
        if (shown) {
            memcpy(out + written, bytes + i, step);
        } else {
            out[written] = code == '\t' ? ' ' : '?';
        }
        written += shown ? step : 1;
        i += step;
    }
    return written;
}

const char *sw_plan_quote(const char *bytes, size_t length, char out[SW_PLAN_QUOTE]) {
    size_t shown = copy_shown(bytes, length, out, SW_PLAN_QUOTE - 20);
    (void) snprintf(out + shown, SW_PLAN_QUOTE - shown, "%s", shown < length ? "..." : "");
    return out;
}

/* The line of a source without its end; length 0 when there is no such line. */
static const char *find_line(const struct sw_plan_source *source, struct sw_plan_place place,
                             size_t *length) {
    const char *text = source->text, *end = text + source->text_bytes;
    if (place.source > 0) {
        text = source->sets[place.source - 1];
        end = text + strlen(text);
    } else if (source->text_bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3; /* a byte order mark has no column */
    }
    for (int64_t line = 1; line < place.line; line++) {
        const char *newline = memchr(text, '\n', (size_t) (end - text));
        if (newline == NULL) {
            *length = 0;
            return end;
        }
        text = newline + 1;
    }
    const char *stop = memchr(text, '\n', (size_t) (end - text));
    if (stop == NULL) stop = end;
    if (stop > text && stop[-1] == '\r') stop--;
    *length = (size_t) (stop - text);
    return text;
}

/* Bytes of the first `characters` characters. */
static size_t prefix_bytes(const char *text, size_t length, int64_t characters) {
    size_t at = 0;
    for (uint32_t code = 0; at < length && characters > 0; characters--) {
        size_t step = sw_plan_decode(text + at, length - at, &code);
        at += step > 0 ? step : 1;
    }
    return at;
}

/* "    the line\n        ^\n", a long line cut to what stands around the caret. */
static enum sw_status add_caret(struct sw_text *out, const char *lead, const char *line,
                                size_t length, int64_t column) {
    int64_t skipped = column > LINE_SHOWN * 3 / 4 ? column - LINE_SHOWN / 2 : 0;
    size_t start = prefix_bytes(line, length, skipped);
    size_t shown = prefix_bytes(line + start, length - start, LINE_SHOWN);
    SW_TRY(sw_text_add(out, "    %s%s", lead, skipped > 0 ? "..." : ""));
    char copy[LINE_SHOWN * 4];
    SW_TRY(sw_text_add_bytes(out, copy, copy_shown(line + start, shown, copy, sizeof copy)));
    SW_TRY(sw_text_add(out, "%s\n", start + shown < length ? "..." : ""));
    int64_t indent = 4 + (int64_t) strlen(lead) + (skipped > 0 ? 3 : 0) + column - 1 - skipped;
    return sw_text_add(out, "%*s^\n", (int) indent, "");
}

static enum sw_status render(const struct sw_plan *plan, const struct sw_plan_error *error,
                             struct sw_text *out) {
    const struct sw_plan_source *source = plan->source;
    struct sw_plan_place place = error->place;
    if (place.line == 0) return sw_text_add(out, "%s: error: %s\n", source->path, error->message);
    size_t length = 0;
    const char *line = find_line(source, place, &length);
    if (place.source > 0) {
        char quoted[SW_PLAN_QUOTE];
        SW_TRY(sw_text_add(out, "--set %s: error: %s\n", sw_plan_quote(line, length, quoted),
                           error->message));
        return add_caret(out, "--set ", line, length, place.column);
    }
    SW_TRY(sw_text_add(out, "%s:%" PRId64 ":%" PRId64 ": error: %s\n", source->path, place.line,
                       place.column, error->message));
    return add_caret(out, "", line, length, place.column);
}

static int compare_numbers(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

/* By place; errors without one come first, those of --set last. */
static int compare_errors(const void *left, const void *right) {
    const struct sw_plan_error *a = left, *b = right;
    int order = compare_numbers(a->place.source, b->place.source);
    if (order == 0) order = compare_numbers(a->place.line, b->place.line);
    if (order == 0) order = compare_numbers(a->place.column, b->place.column);
    return order != 0 ? order : strcmp(a->message, b->message);
}

enum sw_status sw_plan_render_errors(struct sw_plan *plan, struct sw_text *out) {
    int64_t shown = plan->n_errors < SW_PLAN_ERRORS ? plan->n_errors : SW_PLAN_ERRORS;
    qsort(plan->errors, (size_t) shown, sizeof *plan->errors, compare_errors);
    for (int64_t i = 0; i < shown; i++)
        SW_TRY(render(plan, &plan->errors[i], out));
    if (plan->n_errors > shown)
        SW_TRY(sw_text_add(out, "%s: error: at least %" PRId64 " more\n", plan->source->path,
                           plan->n_errors - shown));
    return SW_OK;
}
