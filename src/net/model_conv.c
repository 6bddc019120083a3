/* Frankle and Carbin 2019, figure 2: VGG's stages of two convolutions, scaled down for CIFAR-10. The
 * paper's dropout (appendix H) has rate 0.5; here it acts on the hidden fully connected layers. */
#include "models.h"

#include <stdio.h>
#include <string.h>

static const char dropout_suffix[] = "-dropout";

static bool matches_conv(const char *name) {
    return strncmp(name, "conv-", 5) == 0;
}

static enum sw_status describe_conv(const char *name, const int64_t input_shape[3], int64_t classes,
                                    struct sw_model_desc *out) {
    struct sw_layout layout;
    char layer[24];
    int64_t convs = 0;
    const char *rest = sw_model_parse_number(name + strlen("conv-"), 6, &convs);
    bool dropout = rest != NULL && strcmp(rest, dropout_suffix) == 0;
    if (rest == NULL || convs % 2 != 0 || (*rest != '\0' && !dropout))
        return SW_FAIL(SW_CONFIG,
                       "model '%s' is not known; conv-2, conv-4 and conv-6 are, each also with %s "
                       "behind its name",
                       name, dropout_suffix);
    SW_TRY(sw_layout_begin(&layout, name, input_shape, classes, out));
    for (int64_t i = 0; i < convs; i++) {
        (void) snprintf(layer, sizeof layer, "conv%d", (int) (i + 1));
        sw_layout_conv(&layout, layer, (int64_t) 64 << i / 2, 3, 1, 1, true);
        if (i % 2 == 1) sw_layout_max_pool(&layout);
    }
    sw_layout_flatten(&layout);
    sw_layout_linears(&layout, (const int64_t[]){256, 256}, 2, dropout ? 0.5 : 0);
    return sw_layout_end(&layout);
}

extern const struct sw_model sw_model_conv;
const struct sw_model sw_model_conv = {
    .name = "conv-N",
    .summary = "N = 2, 4 or 6 convolutions (3 x 3) of 64, 64, 128, 128, 256, 256 channels, a max "
               "pool after every second, then 256 and 256 units, ReLU; parameters conv1 .. convN, "
               "fc1, fc2, fc3; conv-N-dropout: with dropout of 0.5 after fc1 and fc2",
    .matches = matches_conv,
    .describe = describe_conv,
};
