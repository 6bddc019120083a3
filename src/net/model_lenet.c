#include "models.h"

#include <string.h>

/* ---- LeCun et al. 1998, as Frankle and Carbin 2019 train it: two hidden layers --------------- */

static bool matches_300_100(const char *name) {
    return strcmp(name, "lenet-300-100") == 0;
}

static enum sw_status describe_300_100(const char *name, const int64_t input_shape[3],
                                       int64_t classes, struct sw_model_desc *out) {
    struct sw_layout layout;
    SW_TRY(sw_layout_begin(&layout, name, input_shape, classes, out));
    sw_layout_linears(&layout, (const int64_t[]){300, 100}, 2, 0);
    return sw_layout_end(&layout);
}

extern const struct sw_model sw_model_lenet_300_100;
const struct sw_model sw_model_lenet_300_100 = {
    .name = "lenet-300-100",
    .summary = "fully connected, hidden layers of 300 and 100 units, ReLU",
    .matches = matches_300_100,
    .describe = describe_300_100,
};

/* ---- LeCun et al. 1998, with the ReLU and the max pools of today ----------------------------- */

static bool matches_5(const char *name) {
    return strcmp(name, "lenet-5") == 0;
}

static enum sw_status describe_5(const char *name, const int64_t input_shape[3], int64_t classes,
                                 struct sw_model_desc *out) {
    struct sw_layout layout;
    SW_TRY(sw_layout_begin(&layout, name, input_shape, classes, out));
    sw_layout_conv(&layout, "conv1", 6, 5, 1, 2, true);
    sw_layout_max_pool(&layout);
    sw_layout_conv(&layout, "conv2", 16, 5, 1, 0, true);
    sw_layout_max_pool(&layout);
    sw_layout_flatten(&layout);
    sw_layout_linears(&layout, (const int64_t[]){120, 84}, 2, 0);
    return sw_layout_end(&layout);
}

extern const struct sw_model sw_model_lenet_5;
const struct sw_model sw_model_lenet_5 = {
    .name = "lenet-5",
    .summary = "convolutions of 6 and 16 channels (5 x 5), each with a max pool, then 120 and 84 "
               "units, ReLU; parameters conv1, conv2, fc1, fc2, fc3",
    .matches = matches_5,
    .describe = describe_5,
};
