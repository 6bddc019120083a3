/* sweepstake show: what this build has. */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "sweepstake/monitor.h"
#include "sweepstake/plan.h"
#include "sweepstake/prune.h"
#include "sweepstake/text.h"
#include "sweepstake/train.h"

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

static enum sw_status add_key(struct sw_cli_table *table, const struct sw_field *field) {
    struct sw_text allowed = {0};
    enum sw_status status = add_allowed(field, &allowed);
    bool list = field->kind == SW_KIND_NAMES || field->kind == SW_KIND_NUMBERS;
    const char *preset = field->preset[0] != '\0'      ? field->preset
                         : list                        ? "[]"
                         : field->kind == SW_KIND_TEXT ? "\"\""
                                                       : "null";
    const char *words[] = {field->key, kind_name(field->kind), preset, sw_text_get(&allowed),
                           field->help};
    if (status == SW_OK) status = sw_cli_table_row(table, words);
    sw_text_fini(&allowed);
    return status;
}

static const char *const key_head[] = {"key", "type", "default", "allowed", "meaning"};

static enum sw_status show_keys(void) {
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

/* ---- registries ------------------------------------------------------------------------------------------ */

/* The keys that one implementation uses, below its line. */
static enum sw_status print_options(const char *const *keys) {
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

static enum sw_status print_entry(const char *name, const char *summary, const char *const *keys) {
    printf("%-16s  %s\n", name, summary);
    return print_options(keys);
}

/* Registries that have words and summaries only. */
static enum sw_status print_words(enum sw_registry registry) {
    const char *word = NULL, *summary = NULL;
    for (size_t i = 0; (word = sw_plan_registry_word(registry, i, &summary)) != NULL; i++)
        SW_TRY(print_entry(word, summary, NULL));
    return SW_OK;
}

static enum sw_status show_backends(void) {
    const struct sw_backend *backend = NULL;
    for (size_t i = 0; (backend = sw_backend_at(i)) != NULL; i++) {
        bool usable = sw_backend_probe(backend) == SW_OK;
        printf("%-16s  %s; %s%s\n", sw_backend_name(backend), sw_backend_summary(backend),
               usable ? "usable here" : "not usable here: ", usable ? "" : sw_status_text());
    }
    printf("\nThe cpu backend uses the instruction set %s here; OpenBLAS runs its %s kernels.\n",
           sw_isa_name(sw_isa_detect()), sw_isa_openblas_core(sw_isa_detect()));
    return SW_OK;
}

static enum sw_status show_data(void) {
    const struct sw_dataset *dataset = NULL;
    for (size_t i = 0; (dataset = sw_dataset_at(i)) != NULL; i++)
        SW_TRY(print_entry(dataset->name, dataset->summary, dataset->options));
    return SW_OK;
}

static enum sw_status show_criteria(void) {
    const struct sw_criterion *criterion = NULL;
    for (size_t i = 0; (criterion = sw_criterion_at(i)) != NULL; i++) {
        SW_TRY(print_entry(criterion->name, criterion->summary, criterion->options));
        if (criterion->source != NULL && *criterion->source != '\0')
            printf("    source: %s\n", criterion->source);
    }
    return SW_OK;
}

static enum sw_status show_allocations(void) {
    const char *name = NULL, *summary = NULL, *source = NULL;
    for (size_t i = 0; (name = sw_allocation_at(i, &summary, &source)) != NULL; i++) {
        SW_TRY(print_entry(name, summary, sw_allocation_options(name)));
        printf("    source: %s\n", source);
    }
    return SW_OK;
}

static enum sw_status show_optimizers(void) {
    const struct sw_optimizer *optimizer = NULL;
    for (size_t i = 0; (optimizer = sw_optimizer_at(i)) != NULL; i++)
        SW_TRY(print_entry(optimizer->name, optimizer->summary, optimizer->options));
    return SW_OK;
}

static enum sw_status show_schedules(void) {
    const struct sw_lr_schedule *schedule = NULL;
    printf("Schedules of the learning rate (train.schedule):\n");
    for (size_t i = 0; (schedule = sw_lr_schedule_at(i)) != NULL; i++)
        SW_TRY(print_entry(schedule->name, schedule->summary, schedule->options));
    printf("\nSchedules of the sparsity (prune.schedule):\n");
    return print_words(SW_REGISTRY_PRUNE_SCHEDULE);
}

static enum sw_status show_monitors(void) {
    const struct sw_monitor *monitor = NULL;
    for (size_t i = 0; (monitor = sw_monitor_at(i)) != NULL; i++)
        SW_TRY(print_entry(monitor->name, monitor->summary, NULL));
    return SW_OK;
}

static enum sw_status show_models(void) {
    return print_words(SW_REGISTRY_MODEL);
}
static enum sw_status show_inits(void) {
    return print_words(SW_REGISTRY_INIT);
}
static enum sw_status show_scopes(void) {
    return print_words(SW_REGISTRY_SCOPE);
}
static enum sw_status show_granularities(void) {
    return print_words(SW_REGISTRY_GRANULARITY);
}
static enum sw_status show_formats(void) {
    return print_words(SW_REGISTRY_FORMAT);
}
static enum sw_status show_controls(void) {
    return print_words(SW_REGISTRY_CONTROL);
}

static enum sw_status show_schema(void) {
    struct sw_text text = {0};
    enum sw_status status = sw_store_describe_schema(&text);
    if (status == SW_OK) fputs(sw_text_get(&text), stdout);
    sw_text_fini(&text);
    return status;
}

/* ---- the command -------------------------------------------------------------------------------------------- */

#define TOPICS(X)                                                                                  \
    X(backends, "where trainings run, and whether they can run here")                              \
    X(models, "networks (model.name)")                                                             \
    X(data, "data sets (data.name) and their keys")                                                \
    X(criteria, "scores for pruning (prune.criterion)")                                            \
    X(optimizers, "optimizers (train.optimizer) and their keys")                                   \
    X(schedules, "schedules of the learning rate and of the sparsity")                             \
    X(monitors, "what watches a training (monitor)")                                               \
    X(schema, "every dataset and column of a store")                                               \
    X(keys, "every key of a sweep file")                                                           \
    X(inits, "distributions of initial weights (model.init)")                                      \
    X(scopes, "which weights compete (prune.scope)")                                               \
    X(allocations, "how the layers share the pruning (prune.allocation) and the keys of each")     \
    X(granularities, "what is removed as one (prune.granularity)")                                 \
    X(formats, "how pruned layers store their weights (train.format)")                             \
    X(controls, "trainings beside every ticket (control)")

struct topic {
    const char *name, *summary;
    enum sw_status (*show)(void);
};
static const struct topic topics[] = {
#define TOPIC(name, summary) {#name, summary, show_##name},
    TOPICS(TOPIC)
#undef TOPIC
};
enum { N_TOPICS = sizeof topics / sizeof *topics };

static const struct topic *find_topic(struct argp_state *state, const char *name) {
    const char *names[N_TOPICS];
    for (size_t i = 0; i < N_TOPICS; i++) {
        if (strcmp(topics[i].name, name) == 0) return &topics[i];
        names[i] = topics[i].name;
    }
    const char *nearest = sw_text_nearest(name, names, N_TOPICS);
    argp_error(state, "unknown topic '%s'%s%s%s", name, nearest != NULL ? ": did you mean '" : "",
               nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
    return NULL;
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    const struct topic **topic = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (*topic != NULL) return SW_CLI_WRONG(state, "one topic only, not also '%s'", arg);
        *topic = find_topic(state, arg);
        return *topic != NULL ? 0 : EINVAL;
    case ARGP_KEY_NO_ARGS:
        return SW_CLI_WRONG(state, "which topic?");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int sw_cli_show(int argc, char **argv) {
    char doc[2048] = "Show what this build has.\vTopics:\n";
    for (size_t i = 0; i < N_TOPICS; i++)
        sw_cli_add_topic(doc, sizeof doc, topics[i].name, topics[i].summary);
    const struct argp argp = {.parser = parse_option, .args_doc = "TOPIC", .doc = doc};
    const struct topic *topic = NULL;
    sw_cli_parse(&argp, argc, argv, &topic);
    enum sw_status status = topic->show();
    return status == SW_OK ? 0 : sw_cli_fail(status);
}
