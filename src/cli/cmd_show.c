/* sweepstake show: what this build has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "show.h"
#include "sweepstake/monitor.h"
#include "sweepstake/plan.h"
#include "sweepstake/prune.h"
#include "sweepstake/text.h"
#include "sweepstake/train.h"

/* ---- registries ------------------------------------------------------------------------------------------ */

static enum sw_status print_entry(const char *name, const char *summary, const char *const *keys) {
    printf("%-16s  %s\n", name, summary);
    return sw_cli_show_options(keys);
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
        printf("%-22s  %s\n", criterion->name, criterion->summary);
        sw_cli_show_criterion(criterion);
        SW_TRY(sw_cli_show_options(criterion->options));
    }
    return SW_OK;
}

static enum sw_status show_keys(void) {
    return sw_cli_show_keys();
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
    const char *name = NULL, *summary = NULL;
    for (size_t i = 0; (name = sw_prune_schedule_at(i, &summary)) != NULL; i++) {
        SW_TRY(print_entry(name, summary, sw_prune_schedule_options(name)));
        printf("    source: %s\n", sw_prune_schedule_source(i));
    }
    return SW_OK;
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
static enum sw_status show_group_scores(void) {
    return print_words(SW_REGISTRY_GROUP_SCORE);
}
static enum sw_status show_controls(void) {
    return print_words(SW_REGISTRY_CONTROL);
}

static enum sw_status show_recipes(void) {
    const struct sw_recipe *recipe = NULL;
    for (size_t i = 0; (recipe = sw_recipe_at(i)) != NULL; i++) {
        printf("%s%s: %s\n", i > 0 ? "\n" : "", recipe->name, recipe->summary);
        for (const struct sw_recipe_row *row = recipe->rows; row->help != NULL; row++)
            if (row->key == NULL)
                printf("  unavailable: %s\n", row->help);
            else
                printf("  %-30s %-16s %-12s %s\n", row->key, row->value,
                       row->range != NULL ? row->range : "", row->help);
    }
    return SW_OK;
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
    X(recipes, "named sets of settings (recipe)")                                                  \
    X(controls, "trainings beside every ticket (control)")                                         \
    X(group_scores, "scores of blocks and units (prune.group_score)")

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

static const struct topic *find_topic(const char *name) {
    for (size_t i = 0; i < N_TOPICS; i++)
        if (strcmp(topics[i].name, name) == 0) return &topics[i];
    return NULL;
}

/* Topics, keys and entries that are spelled nearly like it. */
static error_t fail_unknown(struct argp_state *state, const char *name) {
    const char *names[N_TOPICS + 1];
    for (size_t i = 0; i < N_TOPICS; i++)
        names[i] = topics[i].name;
    names[N_TOPICS] = sw_cli_nearest_entry(name);
    const char *nearest = sw_text_nearest(name, names, N_TOPICS + (names[N_TOPICS] != NULL));
    return SW_CLI_WRONG(state, "unknown topic '%s'%s%s%s", name,
                        nearest != NULL ? ": did you mean '" : "", nearest != NULL ? nearest : "",
                        nearest != NULL ? "'?" : "");
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    const char **name = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (*name != NULL) return SW_CLI_WRONG(state, "one topic only, not also '%s'", arg);
        if (find_topic(arg) == NULL && !sw_cli_has_entry(arg)) return fail_unknown(state, arg);
        *name = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        return SW_CLI_WRONG(state, "which topic?");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int sw_cli_show(int argc, char **argv) {
    char doc[2048] =
        "Show what this build has, or what one thing is: a criterion, a model, a key, ..."
        "\vTopics (or NAME, one of what they list):\n";
    for (size_t i = 0; i < N_TOPICS; i++)
        sw_cli_add_topic(doc, sizeof doc, topics[i].name, topics[i].summary);
    const struct argp argp = {.parser = parse_option, .args_doc = "TOPIC|NAME", .doc = doc};
    const char *name = NULL;
    sw_cli_parse(&argp, argc, argv, &name);
    const struct topic *topic = find_topic(name);
    enum sw_status status = topic != NULL ? topic->show() : sw_cli_show_entry(name);
    return status == SW_OK ? 0 : sw_cli_fail(status);
}
