/* The words of model.norm_scale. */
#include <string.h>

#include "sweepstake/net.h"

static const char *const words[][2] = {
    {"one", "all 1, as PyTorch"},
    {"uniform", "uniform between 0 and 1, as OpenLTH"},
};

const char *sw_norm_scale_at(size_t index, const char **summary) {
    if (index >= sizeof words / sizeof *words) return NULL;
    if (summary != NULL) *summary = words[index][1];
    return words[index][0];
}

bool sw_norm_scale_is_uniform(const char *word) {
    return strcmp(word, "uniform") == 0;
}
