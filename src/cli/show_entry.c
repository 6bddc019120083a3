/* One thing of this build, whatever it is: every word that some key of a sweep file may have, every backend,
 * every key. */
#include "show.h"

#include <stdio.h>
#include <string.h>

#include "sweepstake/net.h"
#include "sweepstake/plan.h"
#include "sweepstake/text.h"

/* ---- criteria ---------------------------------------------------------------------------------- */

void sw_cli_show_criterion(const struct sw_criterion *criterion) {
    const char *text = NULL;
    unsigned bit = 0;
    bool any = false;
    printf("    score:    %s\n    source:   %s\n", criterion->formula, criterion->source);
    for (size_t i = 0; (text = sw_score_need_at(i, &bit)) != NULL; i++) {
        if ((criterion->needs & bit) == 0) continue;
        printf("%s%s", any ? "; " : "    needs:    ", text);
        any = true;
    }
    printf("%s", any ? "\n" : "");
}

/* ---- words ------------------------------------------------------------------------------------- */

/* Summary of an entry that a name stands for; patterns of models stand for many. */
static const char *find_summary(enum sw_registry registry, const char *name) {
    const char *word = NULL, *summary = NULL;
    for (size_t i = 0; (word = sw_plan_registry_word(registry, i, &summary)) != NULL; i++)
        if (strcmp(word, name) == 0) return summary;
    const struct sw_model *model = sw_model_find(name);
    return registry == SW_REGISTRY_MODEL && model != NULL ? model->summary : NULL;
}

/* Several keys may take words of one registry; the first one stands for it. */
static bool is_first(const struct sw_field *fields, size_t at) {
    for (size_t i = 0; i < at; i++)
        if (fields[i].registry == fields[at].registry) return false;
    return fields[at].registry != SW_REGISTRY_NONE;
}

static enum sw_status show_word(const struct sw_field *field, const char *name,
                                const char *summary) {
    const struct sw_criterion *criterion = NULL;
    if (field->registry == SW_REGISTRY_CRITERION) criterion = sw_criterion_find(name);
    printf("%s, a value of %s\n    %s\n", name, field->key, summary);
    if (criterion != NULL) sw_cli_show_criterion(criterion);
    const char *const *options = sw_plan_plugin_options(field->registry, name);
    if (options == NULL || *options == NULL) return SW_OK;
    printf("    options:\n");
    return sw_cli_show_options(options);
}

static void show_backend(const struct sw_backend *backend) {
    printf("%s, a backend (run --backend)\n    %s\n", sw_backend_name(backend),
           sw_backend_summary(backend));
    bool usable = sw_backend_probe(backend) == SW_OK;
    printf("    %s%s\n",
           usable ? "usable here" : "not usable here: ", usable ? "" : sw_status_text());
}

/* ---- by name ----------------------------------------------------------------------------------- */

bool sw_cli_has_entry(const char *name) {
    size_t n = 0;
    const struct sw_field *fields = sw_spec_fields(&n);
    for (size_t i = 0; i < n; i++)
        if (is_first(fields, i) && find_summary(fields[i].registry, name) != NULL) return true;
    return sw_spec_find_field(name) != NULL || sw_backend_find(name) != NULL;
}

enum sw_status sw_cli_show_entry(const char *name) {
    size_t n = 0;
    const struct sw_field *fields = sw_spec_fields(&n), *key = sw_spec_find_field(name);
    const struct sw_backend *backend = sw_backend_find(name);
    for (size_t i = 0; i < n; i++) {
        const char *summary = is_first(fields, i) ? find_summary(fields[i].registry, name) : NULL;
        if (summary != NULL) SW_TRY(show_word(&fields[i], name, summary));
    }
    if (backend != NULL) show_backend(backend);
    return key != NULL ? sw_cli_show_key(key) : SW_OK;
}

#define NAMES_MAX 512

const char *sw_cli_nearest_entry(const char *name) {
    const char *names[NAMES_MAX], *word = NULL;
    size_t n_fields = 0, n = 0;
    const struct sw_field *fields = sw_spec_fields(&n_fields);
    for (size_t f = 0; f < n_fields && n < NAMES_MAX; f++) {
        names[n++] = fields[f].key;
        for (size_t i = 0; n < NAMES_MAX && is_first(fields, f) &&
                           (word = sw_plan_registry_word(fields[f].registry, i, NULL)) != NULL;
             i++)
            names[n++] = word;
    }
    return sw_text_nearest(name, names, n);
}
