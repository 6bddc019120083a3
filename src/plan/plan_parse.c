#include <inttypes.h>
#include <libfyaml.h>
#include <stdio.h>
#include <string.h>

#include "plan_internal.h"

/* The parser's events become our own nodes: so anchors, aliases and tags are seen where they stand,
 * duplicate keys are ours to find, and depth is bounded. */
struct reader {
    struct sw_plan *plan;
    struct sw_plan_place where; /* of the first character */
    const char *text, *end;
    struct sw_plan_node *open[SW_PLAN_DEPTH]; /* lists and maps around here */
    struct sw_plan_node *key[SW_PLAN_DEPTH];  /* key that waits for its value */
    bool flow[SW_PLAN_DEPTH];                 /* written with brackets */
    int64_t depth;
    struct sw_plan_node *root;
    bool stop; /* reading on would make no sense */
};

/* ---- places --------------------------------------------------------------------------------- */

static struct sw_plan_place place_at(const struct reader *reader, int64_t line, int64_t column) {
    struct sw_plan_place place = reader->where;
    place.column = line == 0 ? place.column + column : column + 1;
    place.line += line;
    return place;
}

/* A place without a mark (a value that was left out): that of what is around it. */
static struct sw_plan_place place_around(const struct reader *reader) {
    if (reader->depth == 0) return reader->where;
    const struct sw_plan_node *key = reader->key[reader->depth - 1];
    return key != NULL ? key->place : reader->open[reader->depth - 1]->place;
}

/* `before`: characters of the indicator in front of the mark. */
static struct sw_plan_place place_of(const struct reader *reader, const struct fy_mark *mark,
                                     int before) {
    if (mark == NULL) return place_around(reader);
    return place_at(reader, mark->line, mark->column >= before ? mark->column - before : 0);
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static enum sw_status add_node(struct reader *reader, enum sw_plan_node_kind kind,
                               struct sw_plan_place place, struct sw_plan_node **out) {
    void *memory = NULL;
    SW_TRY(sw_plan_arena_take(&reader->plan->arena, sizeof(struct sw_plan_node), &memory));
    struct sw_plan_node *node = memory;
    node->kind = kind;
    node->place = place;
    *out = node;
    if (reader->depth == 0) {
        reader->root = node;
        return SW_OK;
    }
    struct sw_plan_node *parent = reader->open[reader->depth - 1];
    struct sw_plan_node **key = &reader->key[reader->depth - 1];
    if (parent->kind == SW_PLAN_MAP && *key == NULL) {
        *key = node;
        if (kind == SW_PLAN_SCALAR) return SW_OK;
        char got[SW_PLAN_DESCRIPTION];
        sw_plan_report(reader->plan, place, "a key must be a word, not %s",
                       sw_plan_describe(node, got));
        reader->stop = true;
        return SW_OK;
    }
    node->key = *key;
    *key = NULL;
    if (parent->last != NULL) {
        parent->last->next = node;
    } else {
        parent->first = node;
    }
    parent->last = node;
    parent->count++;
    return SW_OK;
}

static void refuse_decoration(struct reader *reader, struct fy_event *event) {
    struct fy_token *anchor = fy_event_get_anchor_token(event);
    struct fy_token *tag = fy_event_get_tag_token(event);
    if (anchor != NULL)
        sw_plan_report(reader->plan, place_of(reader, fy_token_start_mark(anchor), 1),
                       "anchors (&name) are not allowed; write the value out");
    if (tag != NULL)
        sw_plan_report(reader->plan, place_of(reader, fy_token_start_mark(tag), 0),
                       "tags (!name) are not allowed; types follow from the key");
}

static enum sw_status read_scalar(struct reader *reader, struct fy_event *event) {
    enum fy_node_style style = fy_event_get_node_style(event);
    bool quoted = style == FYNS_SINGLE_QUOTED || style == FYNS_DOUBLE_QUOTED;
    struct sw_plan_node *node = NULL;
    refuse_decoration(reader, event);
    SW_TRY(add_node(reader, SW_PLAN_SCALAR,
                    place_of(reader, fy_event_start_mark(event), quoted ? 1 : 0), &node));
    size_t length = 0;
    const char *text = fy_token_get_text(event->scalar.value, &length);
    if (text == NULL) length = 0;
    node->plain = style == FYNS_PLAIN || style == FYNS_ANY;
    node->length = length;
    return sw_plan_arena_copy(&reader->plan->arena, text, length, &node->text);
}

static enum sw_status read_alias(struct reader *reader, struct fy_event *event) {
    struct sw_plan_node *node = NULL;
    struct sw_plan_place place = place_of(reader, fy_event_start_mark(event), 1);
    sw_plan_report(reader->plan, place, "aliases (*name) are not allowed; write the value out");
    SW_TRY(add_node(reader, SW_PLAN_SCALAR, place, &node));
    node->text = "";
    return SW_OK;
}

static enum sw_status open_node(struct reader *reader, struct fy_event *event,
                                enum sw_plan_node_kind kind) {
    struct sw_plan_node *node = NULL;
    struct sw_plan_place place = place_of(reader, fy_event_start_mark(event), 0);
    refuse_decoration(reader, event);
    if (reader->depth == SW_PLAN_DEPTH) {
        sw_plan_report(reader->plan, place, "more than %d levels of maps and lists", SW_PLAN_DEPTH);
        reader->stop = true;
        return SW_OK;
    }
    SW_TRY(add_node(reader, kind, place, &node));
    reader->open[reader->depth] = node;
    reader->key[reader->depth] = NULL;
    reader->flow[reader->depth] = fy_event_get_node_style(event) == FYNS_FLOW;
    reader->depth++;
    return SW_OK;
}

static void open_document(struct reader *reader, struct fy_event *event) {
    if (reader->root == NULL) return;
    sw_plan_report(reader->plan, place_of(reader, fy_event_start_mark(event), 0),
                   "a second document begins here; a sweep file holds one");
    reader->stop = true;
}

static enum sw_status read_event(struct reader *reader, struct fy_event *event) {
    switch (event->type) {
    case FYET_DOCUMENT_START:
        open_document(reader, event);
        return SW_OK;
    case FYET_MAPPING_START:
        return open_node(reader, event, SW_PLAN_MAP);
    case FYET_SEQUENCE_START:
        return open_node(reader, event, SW_PLAN_LIST);
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        reader->depth--;
        return SW_OK;
    case FYET_SCALAR:
        return read_scalar(reader, event);
    case FYET_ALIAS:
        return read_alias(reader, event);
    default:
        return SW_OK;
    }
}

/* ---- the parser ----------------------------------------------------------------------------- */

/* Line and column (from 1) of the parser's complaint lie behind the last character. */
static bool is_at_end(const struct reader *reader, int64_t line) {
    const char *newline = reader->text;
    for (int64_t at = 1; at < line && newline != NULL; at++) {
        newline = memchr(newline, '\n', (size_t) (reader->end - newline));
        if (newline != NULL) newline++;
    }
    return newline == NULL || newline == reader->end;
}

/* What the parser complained about. It notices an unclosed bracket only at the end or some lines
 * on; where the bracket was opened says more. */
static void report_syntax(struct reader *reader, struct fy_diag *diag) {
    void *iterator = NULL;
    const struct fy_diag_error *error = fy_diag_errors_iterate(diag, &iterator);
    if (error == NULL) {
        sw_plan_report(reader->plan, place_around(reader), "this is not YAML");
        return;
    }
    int64_t line = error->line > 0 ? error->line - 1 : 0;
    int64_t column = error->column > 0 ? error->column - 1 : 0;
    struct sw_plan_place place = place_at(reader, line, column);
    int64_t innermost = reader->depth - 1;
    const char *meaning = sw_plan_explain_syntax(error->msg);
    bool open = innermost >= 0 && reader->flow[innermost];
    if (open && is_at_end(reader, error->line)) {
        sw_plan_report(reader->plan, reader->open[innermost]->place,
                       "not valid YAML: the bracket that opens here is not closed");
    } else if (open && reader->open[innermost]->place.line != place.line) {
        sw_plan_report(reader->plan, place,
                       "not valid YAML: %s; a bracket is open since line %" PRId64, meaning,
                       reader->open[innermost]->place.line);
    } else {
        sw_plan_report(reader->plan, place, "not valid YAML: %s", meaning);
    }
}

static enum sw_status read_events(struct reader *reader, struct fy_parser *parser,
                                  struct fy_diag *diag) {
    enum sw_status status = SW_OK;
    struct fy_event *event = NULL;
    while (status == SW_OK && !reader->stop && (event = fy_parser_parse(parser)) != NULL) {
        status = read_event(reader, event);
        fy_parser_event_free(parser, event);
    }
    if (status == SW_OK && !reader->stop && fy_parser_get_stream_error(parser))
        report_syntax(reader, diag);
    return status;
}

/* Errors are collected; the library prints nothing. */
static struct fy_diag *create_diag(void) {
    struct fy_diag_cfg config;
    fy_diag_cfg_default(&config);
    config.fp = NULL;
    struct fy_diag *diag = fy_diag_create(&config);
    if (diag != NULL) fy_diag_set_collect_errors(diag, true);
    return diag;
}

enum sw_status sw_plan_parse(struct sw_plan *plan, struct sw_plan_place where, const char *text,
                             size_t bytes, struct sw_plan_node **out) {
    int64_t before = plan->n_errors;
    struct reader reader = {.plan = plan, .where = where, .text = text, .end = text + bytes};
    struct fy_diag *diag = create_diag();
    struct fy_parse_cfg config = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE |
                                           FYPCF_DEFAULT_VERSION_1_2 | FYPCF_ALLOW_DUPLICATE_KEYS,
                                  .diag = diag};
    struct fy_parser *parser = diag != NULL ? fy_parser_create(&config) : NULL;
    enum sw_status status = SW_OK;
    if (parser == NULL || fy_parser_set_string(parser, text, bytes) != 0) {
        status = SW_FAIL(SW_NOMEM, "no memory for the YAML parser");
        goto cleanup;
    }
    SW_TRY_TO(read_events(&reader, parser, diag), status, cleanup);
    *out = plan->n_errors == before ? reader.root : NULL;

cleanup:
    if (parser != NULL) fy_parser_destroy(parser);
    if (diag != NULL) fy_diag_destroy(diag);
    return status;
}

/* ---- nodes for others ----------------------------------------------------------------------- */

bool sw_plan_is_null(const struct sw_plan_node *node) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    if (node->kind != SW_PLAN_SCALAR || !node->plain) return false;
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        if (node->length == strlen(nulls[i]) && strcmp(node->text, nulls[i]) == 0) return true;
    return false;
}

const char *sw_plan_describe(const struct sw_plan_node *node, char out[SW_PLAN_DESCRIPTION]) {
    char quoted[SW_PLAN_QUOTE];
    if (node->kind == SW_PLAN_LIST) return "a list";
    if (node->kind == SW_PLAN_MAP) return "a map";
    if (node->length == 0) return node->plain ? "nothing" : "an empty text";
    const char *mark = node->plain ? "" : "\"";
    (void) snprintf(out, SW_PLAN_DESCRIPTION, "%s%s%s", mark,
                    sw_plan_quote(node->text, node->length, quoted), mark);
    return out;
}
