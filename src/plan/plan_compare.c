#include <inttypes.h>
#include <string.h>

#include "plan_internal.h"

#define LINES_SHOWN 20

/* A piece of a canonical text. */
struct piece {
    const char *start;
    size_t length;
};

struct comparison {
    struct sw_text *out;
    int64_t lines; /* differences found, shown or not */
    int64_t trial;
};

/* ---- cutting -------------------------------------------------------------------------------- */

/* Take the first line off `rest`; false at its end. */
static bool take_line(struct piece *rest, struct piece *line) {
    if (rest->length == 0) return false;
    const char *end = memchr(rest->start, '\n', rest->length);
    line->start = rest->start;
    line->length = end != NULL ? (size_t) (end - rest->start) : rest->length;
    size_t taken = line->length + (end != NULL);
    rest->start += taken;
    rest->length -= taken;
    return true;
}

static bool is_heading(struct piece line) {
    return line.length > 6 && memcmp(line.start, "trial ", 6) == 0;
}

/* Take the settings of the next trial off `rest`, without its heading; false when none is. */
static bool take_trial(struct piece *rest, struct piece *block) {
    struct piece line;
    do {
        if (!take_line(rest, &line)) return false;
    } while (!is_heading(line));
    block->start = rest->start;
    while (rest->length > 0) {
        struct piece after = *rest;
        (void) take_line(&after, &line);
        if (is_heading(line)) break;
        *rest = after;
    }
    block->length = (size_t) (rest->start - block->start);
    return true;
}

static bool is_equal(struct piece a, struct piece b) {
    return a.length == b.length && memcmp(a.start, b.start, a.length) == 0;
}

/* "key: value" -> both; a line without a colon is a key. */
static void split(struct piece line, struct piece *key, struct piece *value) {
    const char *colon = memchr(line.start, ':', line.length);
    size_t length = colon != NULL ? (size_t) (colon - line.start) : line.length;
    size_t skip = length + 2 < line.length ? length + 2 : line.length;
    *key = (struct piece){line.start, length};
    *value = (struct piece){line.start + skip, line.length - skip};
}

static bool find_key(struct piece block, struct piece key, struct piece *value) {
    struct piece line, other;
    while (take_line(&block, &line)) {
        split(line, &other, value);
        if (is_equal(other, key)) return true;
    }
    return false;
}

/* ---- telling -------------------------------------------------------------------------------- */

static enum sw_status tell(struct comparison *comparison, struct piece key, struct piece before,
                           struct piece after) {
    if (comparison->lines++ >= LINES_SHOWN) return SW_OK;
    return sw_text_add(comparison->out, "trial %" PRId64 ": %.*s: %.*s -> %.*s\n",
                       comparison->trial, (int) key.length, key.start, (int) before.length,
                       before.start, (int) after.length, after.start);
}

static struct piece shown(struct piece value) {
    static const char empty[] = "(empty)";
    return value.length > 0 ? value : (struct piece){empty, sizeof empty - 1};
}

static enum sw_status compare_trial(struct comparison *comparison, struct piece old_block,
                                    struct piece new_block) {
    static const char absent[] = "(no such setting)";
    const struct piece none = {absent, sizeof absent - 1};
    struct piece rest = old_block, line, key, before, after;
    if (is_equal(old_block, new_block)) return SW_OK;
    while (take_line(&rest, &line)) {
        split(line, &key, &before);
        bool found = find_key(new_block, key, &after);
        if (found && is_equal(before, after)) continue;
        SW_TRY(tell(comparison, key, shown(before), found ? shown(after) : none));
    }
    rest = new_block;
    while (take_line(&rest, &line)) {
        split(line, &key, &after);
        if (!find_key(old_block, key, &before)) SW_TRY(tell(comparison, key, none, shown(after)));
    }
    return SW_OK;
}

enum sw_status sw_plan_compare(const char *canonical_old, const char *canonical_new,
                               struct sw_text *differences) {
    struct comparison comparison = {.out = differences};
    struct piece old_rest = {canonical_old, strlen(canonical_old)};
    struct piece new_rest = {canonical_new, strlen(canonical_new)};
    struct piece old_block, new_block;
    int64_t n_old = 0, n_new = 0;
    for (;; comparison.trial++) {
        bool more_old = take_trial(&old_rest, &old_block);
        bool more_new = take_trial(&new_rest, &new_block);
        n_old += more_old;
        n_new += more_new;
        if (!more_old && !more_new) break;
        if (more_old && more_new) SW_TRY(compare_trial(&comparison, old_block, new_block));
    }
    if (comparison.lines > LINES_SHOWN)
        SW_TRY(
            sw_text_add(differences, "... and %" PRId64 " more\n", comparison.lines - LINES_SHOWN));
    if (n_old != n_new)
        SW_TRY(sw_text_add(differences, "trials: %" PRId64 " -> %" PRId64 "\n", n_old, n_new));
    return SW_OK;
}
