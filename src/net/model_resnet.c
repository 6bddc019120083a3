/* He et al. 2016 for small images: a stem of 3 x 3, stages of basic blocks, a global average pool, one
 * linear layer. Where a block changes the shape, its shortcut is a convolution of 1 x 1 with batch norm
 * (option B, as torchvision's resnet18 has it, whose parameter names these are). */
#include "models.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 254 }; /* 6 n + 2, and its layers still fit into SW_MODEL_MAX_LAYERS */

static bool matches_resnet(const char *name) {
    return strncmp(name, "resnet-", 7) == 0;
}

/* Three stages of n blocks have 6 n + 2 layers with weights; by 50 and 152 people mean other networks, for
 * large images. */
static bool is_small(int64_t depth) {
    return depth >= 8 && depth % 6 == 2 && depth != 50 && depth != 152;
}

/* The part `suffix` of a block, as "layer3.41", which is the longest. */
static void conv(struct sw_layout *layout, const char *block, const char *suffix, int64_t out,
                 int64_t kernel, int64_t stride) {
    char name[24];
    (void) snprintf(name, sizeof name, "%.9s.%s", block, suffix);
    sw_layout_conv(layout, name, out, kernel, stride, kernel / 2, false);
}

static void norm(struct sw_layout *layout, const char *block, const char *suffix, int64_t residual,
                 bool relu) {
    char name[24];
    (void) snprintf(name, sizeof name, "%.9s.%s", block, suffix);
    sw_layout_norm(layout, name, residual, relu);
}

/* The shortcut's two layers; where the network went on before it is where it goes on again. */
static int64_t add_shortcut(struct sw_layout *layout, const char *block, int64_t width,
                            int64_t stride) {
    struct sw_layer_desc *layers = layout->desc->layers;
    const int64_t from = layout->at;
    conv(layout, block, "downsample.0", width, 1, stride);
    norm(layout, block, "downsample.1", SW_LAYER_NONE, false);
    const int64_t end = layout->at;
    layers[end].shortcut = layers[end - 1].shortcut = 1;
    sw_layout_go_back(layout, from);
    return end;
}

static void add_block(struct sw_layout *layout, const char *block, int64_t width, int64_t stride) {
    int64_t residual = layout->at;
    if (stride != 1 || layout->channels != width)
        residual = add_shortcut(layout, block, width, stride);
    conv(layout, block, "conv1", width, 3, stride);
    norm(layout, block, "bn1", SW_LAYER_NONE, true);
    conv(layout, block, "conv2", width, 3, 1);
    norm(layout, block, "bn2", residual, true);
}

static enum sw_status describe_resnet(const char *name, const int64_t input_shape[3],
                                      int64_t classes, struct sw_model_desc *out) {
    struct sw_layout layout;
    int64_t depth = 0;
    char block[16];
    const char *rest = sw_model_parse_number(name + strlen("resnet-"), MAX_DEPTH, &depth);
    bool wide = depth == 18;
    if (rest == NULL || *rest != '\0' || (!wide && !is_small(depth)))
        return SW_FAIL(
            SW_CONFIG,
            "model '%s' is not known; resnet-18 is, and resnet-N for N = 6 n + 2 from 8 "
            "to %d but not 50 and 152, as resnet-20, resnet-32, resnet-56 and resnet-110",
            name, MAX_DEPTH);
    const int64_t stages = wide ? 4 : 3, blocks = wide ? 2 : (depth - 2) / 6;
    const int64_t width = wide ? 64 : 16;
    SW_TRY(sw_layout_begin(&layout, name, input_shape, classes, out));
    sw_layout_conv(&layout, "conv1", width, 3, 1, 1, false);
    sw_layout_norm(&layout, "bn1", SW_LAYER_NONE, true);
    for (int64_t stage = 0; stage < stages; stage++)
        for (int64_t i = 0; i < blocks; i++) {
            (void) snprintf(block, sizeof block, "layer%d.%d", (int) (stage + 1), (int) i);
            add_block(&layout, block, width << stage, stage > 0 && i == 0 ? 2 : 1);
        }
    sw_layout_global_pool(&layout);
    sw_layout_linear(&layout, "fc", classes, false);
    return sw_layout_end(&layout);
}

extern const struct sw_model sw_model_resnet;
const struct sw_model sw_model_resnet = {
    .name = "resnet-N",
    .summary =
        "residual network for small images. N = 18: four stages of two blocks, 64 to 512 "
        "channels; N = 6 n + 2 (20, 32, 44, 56, 110): three stages of n blocks, 16, 32, 64 "
        "channels; shortcuts are 1 x 1 convolutions with batch norm where the shape changes; "
        "parameters as torchvision's resnet18",
    .matches = matches_resnet,
    .describe = describe_resnet,
};
