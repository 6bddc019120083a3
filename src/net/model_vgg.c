/* Simonyan and Zisserman 2015 with batch norm, and for the head one linear layer, as networks for CIFAR
 * have it. Parameters are named as torchvision's vgg16_bn, whose activations and pools count too. */
#include "models.h"

#include <stdio.h>
#include <string.h>

enum { N_STAGES = 5 };
static const int64_t widths[N_STAGES] = {64, 128, 256, 512, 512};
static const struct {
    int64_t depth;
    int convs[N_STAGES];
} variants[] = {
    {11, {1, 1, 2, 2, 2}},
    {13, {2, 2, 2, 2, 2}},
    {16, {2, 2, 3, 3, 3}},
    {19, {2, 2, 4, 4, 4}},
};
enum { N_VARIANTS = sizeof variants / sizeof *variants };

static bool matches_vgg(const char *name) {
    return strncmp(name, "vgg-", 4) == 0;
}

/* NULL when there is none of that depth. */
static const int *find_convs(const char *name) {
    int64_t depth = 0;
    const char *rest = sw_model_parse_number(name + strlen("vgg-"), 99, &depth);
    for (size_t v = 0; rest != NULL && *rest == '\0' && v < N_VARIANTS; v++)
        if (variants[v].depth == depth) return variants[v].convs;
    return NULL;
}

static void add_conv(struct sw_layout *layout, int number, int64_t width) {
    char name[24];
    (void) snprintf(name, sizeof name, "features.%d", number);
    sw_layout_conv(layout, name, width, 3, 1, 1, false);
    (void) snprintf(name, sizeof name, "features.%d", number + 1);
    sw_layout_norm(layout, name, SW_LAYER_NONE, true);
}

static enum sw_status describe_vgg(const char *name, const int64_t input_shape[3], int64_t classes,
                                   struct sw_model_desc *out) {
    struct sw_layout layout;
    const int *convs = find_convs(name);
    int number = 0;
    if (convs == NULL)
        return SW_FAIL(SW_CONFIG, "model '%s' is not known; vgg-11, vgg-13, vgg-16 and vgg-19 are",
                       name);
    SW_TRY(sw_layout_begin(&layout, name, input_shape, classes, out));
    for (int stage = 0; stage < N_STAGES; stage++) {
        for (int i = 0; i < convs[stage]; i++, number += 3)
            add_conv(&layout, number, widths[stage]);
        sw_layout_max_pool(&layout);
        number++;
    }
    sw_layout_global_pool(&layout);
    sw_layout_linear(&layout, "classifier", classes, false);
    return sw_layout_end(&layout);
}

extern const struct sw_model sw_model_vgg;
const struct sw_model sw_model_vgg = {
    .name = "vgg-N",
    .summary = "VGG with batch norm for small images, N = 11, 13, 16 or 19: five stages of "
               "convolutions (3 x 3) of 64 to 512 channels, each with a max pool, a global average "
               "pool, one linear layer; parameters as torchvision's vggN_bn, and classifier",
    .matches = matches_vgg,
    .describe = describe_vgg,
};
