/* Allocations that say what share of its remaining groups a layer loses per round. */
#include "prune_internal.h"

#include <math.h>
#include <string.h>

static bool is_convolution(const struct sw_param *layer) {
    return layer->rank == 4;
}

static bool is_global(const struct sw_trial_spec *spec) {
    return strcmp(spec->prune_scope, "global") == 0;
}

/* Output layer and shortcuts have a share of the rate. */
static double scale(const struct sw_trial_spec *spec, const struct sw_param *layer, double rate) {
    if (layer->output) return rate * spec->prune_output_rate;
    return layer->shortcut ? rate * spec->prune_shortcut_rate : rate;
}

/* ---- rates ---------------------------------------------------------------------------------- */

static double rate_as_set(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                          const struct sw_param *layer, double base) {
    double rate = base;
    (void) arch;
    if (sw_rules_find(spec->prune_rates, layer, &rate)) return rate;
    if (is_convolution(layer) && !isnan(spec->prune_conv_rate)) rate = spec->prune_conv_rate;
    return scale(spec, layer, rate);
}

static enum sw_status check_rates(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                  const char **key) {
    bool given = *spec->prune_rates != '\0';
    if (is_global(spec) && (given || !isnan(spec->prune_conv_rate))) {
        *key = given ? "prune.rates" : "prune.conv_rate";
        return SW_FAIL(SW_CONFIG,
                       "%s: with prune.scope global all that compete have one rate, prune.rate; "
                       "use scope layer or leave this out",
                       *key);
    }
    *key = "prune.rates";
    return sw_rules_check(spec, arch);
}

static const char *const rates_options[] = {"prune.rate",      "prune.output_rate",
                                            "prune.conv_rate", "prune.shortcut_rate",
                                            "prune.rates",     NULL};

const struct sw_allocation sw_allocation_rates = {
    .name = "rates",
    .summary =
        "per round every layer loses the rate that is set for it: prune.rate, times its share, or prune.rates",
    .source =
        "Frankle and Carbin 2019, arXiv 1803.03635, section 2 (output layers at half the rate)",
    .options = rates_options,
    .rate = rate_as_set,
    .check = check_rates,
};

/* ---- lth ------------------------------------------------------------------------------------ */

/* Per-round rates of the literature's networks; shortcuts stay whole. */
static const struct {
    const char *model; /* a name, or what it begins with when that ends in "-" */
    double convolution, linear, output;
} known[] = {
    {"lenet-300-100", 0, 0.2, 0.1}, {"conv-2", 0.1, 0.2, 0.1}, {"conv-4", 0.1, 0.2, 0.1},
    {"conv-6", 0.15, 0.2, 0.1},     {"resnet-", 0.2, 0, 0},    {"vgg-", 0.2, 0, 0},
};
#define N_KNOWN (sizeof known / sizeof *known)

static size_t find_known(const char *model) {
    size_t i = 0;
    for (; i < N_KNOWN; i++) {
        size_t length = strlen(known[i].model);
        bool family = known[i].model[length - 1] == '-';
        if (family ? strncmp(model, known[i].model, length) == 0
                   : strcmp(model, known[i].model) == 0)
            break;
    }
    return i;
}

static double rate_of_literature(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                 const struct sw_param *layer, double base) {
    size_t i = find_known(arch->model);
    (void) spec;
    (void) base;
    if (i == N_KNOWN || layer->shortcut) return 0;
    if (layer->output) return known[i].output;
    return is_convolution(layer) ? known[i].convolution : known[i].linear;
}

static enum sw_status check_lth(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                const char **key) {
    size_t i = find_known(arch->model);
    *key = "prune.allocation";
    if (i == N_KNOWN)
        return SW_FAIL(SW_CONFIG,
                       "prune.allocation: lth has no rates for %s; it has them for lenet-300-100, "
                       "conv-2, conv-4, conv-6, resnet-N and vgg-N",
                       arch->model);
    if (is_global(spec) && known[i].linear > 0 && known[i].convolution > 0)
        return SW_FAIL(SW_CONFIG,
                       "prune.allocation: lth prunes %s at different rates, layer by layer; use "
                       "prune.scope layer",
                       arch->model);
    return SW_OK;
}

static const char *const no_options[] = {NULL};

const struct sw_allocation sw_allocation_lth = {
    .name = "lth",
    .summary =
        "the literature's rates: LeNet 0.2, output 0.1; Conv-2/4/6 convolutions 0.1/0.1/0.15, linear 0.2, output 0.1; "
        "ResNet and VGG convolutions 0.2, shortcuts and linear layers whole",
    .source = "Frankle and Carbin 2019, arXiv 1803.03635, figure 2; "
              "uber-research/deconstructing-lottery-tickets",
    .options = no_options,
    .rate = rate_of_literature,
    .check = check_lth,
};

/* ---- seed_rate_ratio ------------------------------------------------------------------------ */

static double rate_by_ratio(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                            const struct sw_param *layer, double base) {
    (void) arch;
    return scale(spec, layer, is_convolution(layer) ? base * spec->prune_ratio : base);
}

static enum sw_status check_rate_ratio(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                       const char **key) {
    SW_TRY(sw_allocation_check_kinds(spec, arch, key));
    double rate = spec->prune_rate * spec->prune_ratio;
    *key = "prune.ratio";
    if (rate > SW_RATE_MOST)
        return SW_FAIL(SW_CONFIG,
                       "prune.ratio: %g times prune.rate %g is %g; a round can remove less than "
                       "all of the convolutions",
                       spec->prune_ratio, spec->prune_rate, rate);
    return SW_OK;
}

static const char *const ratio_options[] = {"prune.rate", "prune.ratio", "prune.output_rate",
                                            "prune.shortcut_rate", NULL};

const struct sw_allocation sw_allocation_seed_rate_ratio = {
    .name = "seed_rate_ratio",
    .summary = "per round linear layers lose prune.rate, convolutions prune.ratio times that",
    .source =
        "the engineering guide's rule (1.5 to 2), read as rates per round; the literature prunes convolutions less",
    .options = ratio_options,
    .rate = rate_by_ratio,
    .check = check_rate_ratio,
};
