#include "models.h"

#include <string.h>

static bool matches_mlp(const char *name) {
    return strncmp(name, "mlp", 3) == 0 && (name[3] == '-' || name[3] == '\0');
}

static enum sw_status describe_mlp(const char *name, const int64_t input_shape[3], int64_t classes,
                                   struct sw_model_desc *out) {
    struct sw_layout layout;
    int64_t hidden[SW_MLP_MAX_HIDDEN], n_hidden = 0;
    const char *rest = name + strlen("mlp");
    while (*rest == '-') {
        if (n_hidden == SW_MLP_MAX_HIDDEN)
            return SW_FAIL(SW_CONFIG, "model '%s' has more than %d hidden layers", name,
                           SW_MLP_MAX_HIDDEN);
        const char *end = sw_model_parse_number(rest + 1, SW_MLP_MAX_WIDTH, &hidden[n_hidden++]);
        if (end == NULL)
            return SW_FAIL(
                SW_CONFIG,
                "model '%s': hidden layer %d must be a whole number of units from 1 to %d, "
                "as in mlp-300-100",
                name, (int) n_hidden, SW_MLP_MAX_WIDTH);
        rest = end;
    }
    if (n_hidden == 0)
        return SW_FAIL(SW_CONFIG, "model '%s' names no hidden layer; write for example mlp-300-100",
                       name);
    SW_TRY(sw_layout_begin(&layout, name, input_shape, classes, out));
    sw_layout_linears(&layout, hidden, n_hidden, 0);
    return sw_layout_end(&layout);
}

extern const struct sw_model sw_model_mlp;
const struct sw_model sw_model_mlp = {
    .name = "mlp-A-B-...",
    .summary = "fully connected, hidden layers of A, B, ... units, ReLU",
    .matches = matches_mlp,
    .describe = describe_mlp,
};
