#include <stdio.h>
#include <string.h>

#include "plan_internal.h"

bool sw_plan_join_key(const char *prefix, const struct sw_plan_node *key, char *out) {
    if (key->length == 0 || strlen(key->text) != key->length) return false;
    int length = snprintf(out, SW_PLAN_KEY, "%s%s%s", prefix, *prefix != '\0' ? "." : "",
                          key->text);
    return length < SW_PLAN_KEY;
}

int64_t sw_plan_find_field(const struct sw_plan *plan, const char *key) {
    const struct sw_field *field = sw_spec_find_field(key);
    return field != NULL ? field - plan->fields : -1;
}

/* What stands behind "prefix." in a key; NULL when the key is not below the prefix. */
static const char *below(const char *key, const char *prefix) {
    size_t length = strlen(prefix);
    if (length == 0) return key;
    return strncmp(key, prefix, length) == 0 && key[length] == '.' ? key + length + 1 : NULL;
}

bool sw_plan_is_prefix(const struct sw_plan *plan, const char *key) {
    for (int64_t i = 0; i < plan->n_fields && *key != '\0'; i++)
        if (below(plan->fields[i].key, key) != NULL) return true;
    return false;
}

/* ---- unknown keys --------------------------------------------------------------------------- */

#define CHILDREN_MAX 128
static const char *const top_level[] = {"sweep", "store", "recipe", "grid"};

/* The distinct first components of the keys below a prefix. */
static size_t list_children(const struct sw_plan *plan, const char *prefix,
                            char names[CHILDREN_MAX][SW_PLAN_KEY],
                            const char *pointers[CHILDREN_MAX]) {
    size_t n = 0;
    for (size_t i = 0; *prefix == '\0' && i < sizeof top_level / sizeof *top_level; i++)
        (void) snprintf(names[n++], SW_PLAN_KEY, "%s", top_level[i]);
    for (int64_t i = 0; i < plan->n_fields && n < CHILDREN_MAX; i++) {
        const char *rest = below(plan->fields[i].key, prefix);
        if (rest == NULL) continue;
        (void) snprintf(names[n], SW_PLAN_KEY, "%.*s", (int) strcspn(rest, "."), rest);
        if (n == 0 || strcmp(names[n], names[n - 1]) != 0) n++;
    }
    for (size_t i = 0; i < n; i++)
        pointers[i] = names[i];
    return n;
}

/* A field whose last component is `word` or near it, wherever it stands; NULL when none is. */
static const char *find_elsewhere(const struct sw_plan *plan, const char *word) {
    const char *last[CHILDREN_MAX];
    size_t n = 0;
    for (int64_t i = 0; i < plan->n_fields && n < CHILDREN_MAX; i++, n++) {
        const char *dot = strrchr(plan->fields[i].key, '.');
        last[n] = dot != NULL ? dot + 1 : plan->fields[i].key;
    }
    const char *nearest = sw_text_nearest(word, last, n);
    for (size_t i = 0; i < n && nearest != NULL; i++)
        if (last[i] == nearest) return plan->fields[i].key;
    return NULL;
}

static const char *find_whole(const struct sw_plan *plan, const char *key) {
    const char *keys[CHILDREN_MAX];
    size_t n = 0;
    for (int64_t i = 0; i < plan->n_fields && n < CHILDREN_MAX; i++)
        keys[n++] = plan->fields[i].key;
    return sw_text_nearest(key, keys, n);
}

static void join_words(const char *const *words, size_t n, char *out, size_t size) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < n && used < size; i++)
        used += (size_t) snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "", words[i]);
}

/* Slips that make one key of two words: what to do instead, or NULL. */
static const char *find_slip(const char *key) {
    if (strcmp(key, "<<") == 0) return "merge keys are not allowed; write the settings out";
    if (strchr(key, '{') != NULL) return "a colon is missing in front of {";
    if (strchr(key, ':') != NULL) return "a blank is missing behind the colon";
    return NULL;
}

void sw_plan_report_unknown_key(struct sw_plan *plan, struct sw_plan_place place,
                                const char *prefix, const struct sw_plan_node *key) {
    char full[SW_PLAN_KEY], quoted[SW_PLAN_QUOTE], allowed[600];
    char names[CHILDREN_MAX][SW_PLAN_KEY];
    const char *children[CHILDREN_MAX];
    const char *dot = *prefix != '\0' ? "." : "";
    if (key->length > 0)
        (void) sw_plan_quote(key->text, key->length, quoted);
    else
        SW_TEXT_COPY(quoted, "\"\"");
    size_t n = list_children(plan, prefix, names, children);
    if (find_slip(key->text) != NULL) {
        sw_plan_report(plan, place, "%s%s%s: %s", prefix, dot, quoted, find_slip(key->text));
        return;
    }
    if (sw_plan_join_key(prefix, key, full)) {
        const char *near = sw_text_nearest(key->text, children, n);
        if (near != NULL) {
            sw_plan_report(plan, place, "%s%s%s: unknown key; did you mean %s%s%s?", prefix, dot,
                           quoted, prefix, dot, near);
            return;
        }
        near = find_whole(plan, full);
        if (near == NULL) near = find_elsewhere(plan, key->text);
        if (near != NULL) {
            sw_plan_report(plan, place, "%s%s%s: unknown key; did you mean %s?", prefix, dot,
                           quoted, near);
            return;
        }
    }
    join_words(children, n, allowed, sizeof allowed);
    sw_plan_report(plan, place, "%s%s%s: unknown key; allowed %s%s: %s", prefix, dot, quoted,
                   *prefix != '\0' ? "below " : "here", prefix, allowed);
}

/* ---- keys that occur twice ------------------------------------------------------------------ */

void sw_plan_check_duplicates(struct sw_plan *plan, const struct sw_plan_node *map) {
    int64_t looked_at = 0;
    for (struct sw_plan_node *node = map->first; node != NULL; node = node->next, looked_at++) {
        /* There are far fewer keys than that: whatever follows is unknown, and reported as such. */
        if (looked_at > 1000) return;
        for (const struct sw_plan_node *other = map->first; other != node; other = other->next) {
            if (other->key->length != node->key->length ||
                memcmp(other->key->text, node->key->text, node->key->length) != 0)
                continue;
            char quoted[SW_PLAN_QUOTE];
            sw_plan_report(plan, node->key->place, "key %s occurs twice; first on line %lld",
                           sw_plan_quote(node->key->text, node->key->length, quoted),
                           (long long) other->key->place.line);
            node->skip = true;
            break;
        }
    }
}
