/* prune.rates: "conv*=0.1 fc?=0.2", rates of layers by name. The first rule that fits a layer counts. */
#include "prune_internal.h"

#include <fnmatch.h>
#include <string.h>

#include "sweepstake/text.h"

#define RULE_MAX 255
#define SEPARATORS " ,"

struct rule {
    char pattern[RULE_MAX + 1], rate[RULE_MAX + 1];
};

/* The next rule of a text, moving on behind it; false at the end. Without "=" its rate is empty. */
static bool next_rule(const char **text, struct rule *out) {
    const char *at = *text + strspn(*text, SEPARATORS);
    size_t length = strcspn(at, SEPARATORS);
    size_t name = strcspn(at, "=" SEPARATORS);
    if (length == 0 || length > RULE_MAX) return false;
    memset(out, 0, sizeof *out);
    memcpy(out->pattern, at, name);
    if (name < length) memcpy(out->rate, at + name + 1, length - name - 1);
    *text = at + length;
    return true;
}

/* A layer answers to its parameter's name, "conv1.weight", and to its own, "conv1". */
static bool fits(const struct rule *rule, const struct sw_param *layer) {
    char name[sizeof layer->name];
    SW_TEXT_COPY(name, layer->name);
    char *dot = strrchr(name, '.');
    if (dot != NULL) *dot = '\0';
    return fnmatch(rule->pattern, name, 0) == 0 || fnmatch(rule->pattern, layer->name, 0) == 0;
}

bool sw_rules_find(const char *text, const struct sw_param *layer, double *rate) {
    struct rule rule;
    while (next_rule(&text, &rule))
        if (fits(&rule, layer)) return sw_text_to_real(rule.rate, rate);
    return false;
}

/* ---- checking ------------------------------------------------------------------------------- */

/* Does a rule of that number decide over a layer that is pruned? */
static bool is_used(const struct sw_trial_spec *spec, const struct sw_arch *arch, int number) {
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        const char *text = spec->prune_rates;
        struct rule rule;
        int first = 0;
        while (next_rule(&text, &rule) && !fits(&rule, layer))
            first++;
        if (first == number && sw_groups_count(sw_granularity_of(spec), arch, l) > 0) return true;
    }
    return false;
}

enum sw_status sw_rules_check(const struct sw_trial_spec *spec, const struct sw_arch *arch) {
    const char *text = spec->prune_rates;
    struct rule rule;
    double rate = 0;
    for (int i = 0; next_rule(&text, &rule); i++) {
        if (*rule.pattern == '\0' || !sw_text_to_real(rule.rate, &rate))
            return SW_FAIL(SW_CONFIG,
                           "prune.rates: got %s%s%s; right are rules NAME=RATE as in "
                           "\"conv*=0.1 fc1=0.2\"",
                           rule.pattern, *rule.rate != '\0' ? "=" : "", rule.rate);
        if (!(rate >= 0 && rate <= SW_RATE_MOST))
            return SW_FAIL(SW_CONFIG, "prune.rates: got %s for %s; allowed is 0 .. %g", rule.rate,
                           rule.pattern, SW_RATE_MOST);
        if (!is_used(spec, arch, i))
            return SW_FAIL(SW_CONFIG,
                           "prune.rates: %s is the first to fit no layer of %s that is pruned; "
                           "its layers are %s ... %s",
                           rule.pattern, arch->model, sw_arch_layer(arch, 0)->name,
                           sw_arch_layer(arch, arch->n_layers - 1)->name);
    }
    return SW_OK;
}
