#include "models.h"

#include <string.h>

/* LeCun et al. 1998, as Frankle and Carbin 2019 train it: two hidden layers. */
static const int64_t hidden[] = {300, 100};

static bool matches_lenet(const char *name) {
    return strcmp(name, "lenet-300-100") == 0;
}

static enum sw_status describe_lenet(const char *name, const int64_t input_shape[3],
                                     int64_t classes, struct sw_model_desc *out) {
    (void) name;
    return sw_mlp_lay_out(hidden, sizeof hidden / sizeof *hidden, input_shape, classes, out);
}

extern const struct sw_model sw_model_lenet_300_100;
const struct sw_model sw_model_lenet_300_100 = {
    .name = "lenet-300-100",
    .summary = "fully connected, hidden layers of 300 and 100 units, ReLU",
    .matches = matches_lenet,
    .describe = describe_lenet,
};
