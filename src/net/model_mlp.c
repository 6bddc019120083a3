#include "models.h"

#include <stdio.h>
#include <string.h>

/* ---- layers --------------------------------------------------------------------------------- */

/* Values of one flattened sample. */
static enum sw_status count_features(const int64_t input_shape[3], int64_t *features) {
    int64_t product = 1;
    for (int i = 0; i < 3; i++) {
        if (input_shape[i] < 1 || input_shape[i] > INT32_MAX / product)
            return SW_FAIL(
                SW_CONFIG,
                "an input of %lld x %lld x %lld values is not possible; 1 to %d values are",
                (long long) input_shape[0], (long long) input_shape[1], (long long) input_shape[2],
                INT32_MAX);
        product *= input_shape[i];
    }
    *features = product;
    return SW_OK;
}

enum sw_status sw_mlp_lay_out(const int64_t *hidden, int64_t n_hidden, const int64_t input_shape[3],
                              int64_t classes, struct sw_model_desc *out) {
    int64_t in = 0;
    SW_TRY(count_features(input_shape, &in));
    if (classes < 1 || classes > INT32_MAX)
        return SW_FAIL(SW_CONFIG, "%lld classes are not possible; 1 to %d are", (long long) classes,
                       INT32_MAX);
    memset(out, 0, sizeof *out);
    out->n_layers = n_hidden + 1;
    for (int64_t l = 0; l <= n_hidden; l++) {
        struct sw_layer_desc *layer = &out->layers[l];
        layer->kind = SW_LAYER_LINEAR;
        (void) snprintf(layer->name, sizeof layer->name, "fc%d", (int) (l + 1));
        layer->in = in;
        layer->out = l < n_hidden ? hidden[l] : classes;
        layer->relu = l < n_hidden;
        in = layer->out;
    }
    return SW_OK;
}

/* ---- mlp-A-B-... ---------------------------------------------------------------------------- */

static bool matches_mlp(const char *name) {
    return strncmp(name, "mlp", 3) == 0 && (name[3] == '-' || name[3] == '\0');
}

/* One width: digits only and no leading zero, so that a network has one name. NULL when malformed.
 */
static const char *parse_width(const char *text, int64_t *width) {
    if (*text < '1' || *text > '9') return NULL;
    for (*width = 0; *text >= '0' && *text <= '9'; text++) {
        *width = *width * 10 + (*text - '0');
        if (*width > SW_MLP_MAX_WIDTH) return NULL;
    }
    return *text == '-' || *text == '\0' ? text : NULL;
}

static enum sw_status describe_mlp(const char *name, const int64_t input_shape[3], int64_t classes,
                                   struct sw_model_desc *out) {
    int64_t hidden[SW_MLP_MAX_HIDDEN], n_hidden = 0;
    const char *rest = name + strlen("mlp");
    while (*rest == '-') {
        if (n_hidden == SW_MLP_MAX_HIDDEN)
            return SW_FAIL(SW_CONFIG, "model '%s' has more than %d hidden layers", name,
                           SW_MLP_MAX_HIDDEN);
        const char *end = parse_width(rest + 1, &hidden[n_hidden++]);
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
    return sw_mlp_lay_out(hidden, n_hidden, input_shape, classes, out);
}

extern const struct sw_model sw_model_mlp;
const struct sw_model sw_model_mlp = {
    .name = "mlp-A-B-...",
    .summary = "fully connected, hidden layers of A, B, ... units, ReLU",
    .matches = matches_mlp,
    .describe = describe_mlp,
};
