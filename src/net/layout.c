/* Lists of layers, and which of them fit. */
#include "models.h"

#include <stdio.h>
#include <string.h>

static enum sw_status check_input(const int64_t shape[3]) {
    int64_t product = 1;
    for (int i = 0; i < 3; i++) {
        if (shape[i] < 1 || shape[i] > INT32_MAX / product)
            return SW_FAIL(
                SW_CONFIG,
                "an input of %lld x %lld x %lld values is not possible; 1 to %d values are",
                (long long) shape[0], (long long) shape[1], (long long) shape[2], INT32_MAX);
        product *= shape[i];
    }
    return SW_OK;
}

enum sw_status sw_layout_begin(struct sw_layout *layout, const char *model,
                               const int64_t input_shape[3], int64_t classes,
                               struct sw_model_desc *out) {
    SW_TRY(check_input(input_shape));
    if (classes < 1 || classes > INT32_MAX)
        return SW_FAIL(SW_CONFIG, "%lld classes are not possible; 1 to %d are", (long long) classes,
                       INT32_MAX);
    memset(out, 0, sizeof *out);
    *layout = (struct sw_layout){.model = model, .classes = classes, .desc = out};
    memcpy(layout->input_shape, input_shape, sizeof layout->input_shape);
    sw_layout_go_back(layout, SW_LAYER_INPUT);
    return SW_OK;
}

void sw_layout_go_back(struct sw_layout *layout, int64_t l) {
    layout->at = l;
    layout->channels = layout->input_shape[0];
    layout->height = layout->input_shape[1];
    layout->width = layout->input_shape[2];
    if (l == SW_LAYER_INPUT) return;
    layout->channels = layout->desc->layers[l].out;
    layout->height = layout->desc->layers[l].out_height;
    layout->width = layout->desc->layers[l].out_width;
}

/* A layer with the shape of its input as shape of its output. Families know how many layers they have:
 * SW_MODEL_MAX_LAYERS holds them. */
static struct sw_layer_desc *append(struct sw_layout *layout, enum sw_layer_kind kind,
                                    const char *name) {
    struct sw_layer_desc *layer = &layout->desc->layers[layout->desc->n_layers];
    *layer = (struct sw_layer_desc){.kind = kind,
                                    .input = layout->at,
                                    .residual = SW_LAYER_NONE,
                                    .in = layout->channels,
                                    .out = layout->channels,
                                    .height = layout->height,
                                    .width = layout->width,
                                    .out_height = layout->height,
                                    .out_width = layout->width};
    (void) snprintf(layer->name, sizeof layer->name, "%s", name);
    return layer;
}

/* The appended layer is complete: the next one reads it. */
static void finish(struct sw_layout *layout) {
    sw_layout_go_back(layout, layout->desc->n_layers++);
    /* Counts no further once it is too large, so that nothing overflows. */
    if (layout->height > 0 && layout->values <= INT32_MAX)
        layout->values += layout->channels * layout->height * layout->width;
}

/* Side of the output of windows over `side` pixels; at least 1, so that the list goes on. */
static int64_t slide(struct sw_layout *layout, const struct sw_layer_desc *layer, int64_t side) {
    int64_t room = side + 2 * layer->padding - layer->kernel;
    if (room < 0) layout->is_too_small = true;
    return room < 0 ? 1 : room / layer->stride + 1;
}

static void slide_window(struct sw_layout *layout, struct sw_layer_desc *layer, int64_t kernel,
                         int64_t stride, int64_t padding) {
    layer->kernel = kernel;
    layer->stride = stride;
    layer->padding = padding;
    layer->out_height = slide(layout, layer, layer->height);
    layer->out_width = slide(layout, layer, layer->width);
}

void sw_layout_conv(struct sw_layout *layout, const char *name, int64_t out, int64_t kernel,
                    int64_t stride, int64_t padding, bool bias_and_relu) {
    struct sw_layer_desc *layer = append(layout, SW_LAYER_CONV, name);
    layer->out = out;
    layer->bias = layer->relu = bias_and_relu;
    slide_window(layout, layer, kernel, stride, padding);
    finish(layout);
}

void sw_layout_norm(struct sw_layout *layout, const char *name, int64_t residual, bool relu) {
    struct sw_layer_desc *layer = append(layout, SW_LAYER_NORM, name);
    layer->residual = residual;
    layer->relu = relu;
    finish(layout);
}

void sw_layout_max_pool(struct sw_layout *layout) {
    slide_window(layout, append(layout, SW_LAYER_MAX_POOL, ""), 2, 2, 0);
    finish(layout);
}

void sw_layout_global_pool(struct sw_layout *layout) {
    struct sw_layer_desc *layer = append(layout, SW_LAYER_GLOBAL_POOL, "");
    layer->out_height = layer->out_width = 0;
    finish(layout);
}

void sw_layout_flatten(struct sw_layout *layout) {
    struct sw_layer_desc *layer = append(layout, SW_LAYER_FLATTEN, "");
    layer->out = layer->in * layer->height * layer->width;
    layer->out_height = layer->out_width = 0;
    finish(layout);
}

void sw_layout_dropout(struct sw_layout *layout, double rate) {
    append(layout, SW_LAYER_DROPOUT, "")->rate = rate;
    finish(layout);
}

void sw_layout_linear(struct sw_layout *layout, const char *name, int64_t out, bool relu) {
    struct sw_layer_desc *layer = append(layout, SW_LAYER_LINEAR, name);
    if (layer->height > 0) layer->in *= layer->height * layer->width;
    layer->height = layer->width = layer->out_height = layer->out_width = 0;
    layer->out = out;
    layer->bias = 1;
    layer->relu = relu;
    finish(layout);
}

void sw_layout_linears(struct sw_layout *layout, const int64_t *hidden, int64_t n_hidden,
                       double dropout) {
    char name[sizeof layout->desc->layers->name];
    for (int64_t l = 0; l <= n_hidden; l++) {
        bool last = l == n_hidden;
        (void) snprintf(name, sizeof name, "fc%d", (int) (l + 1));
        sw_layout_linear(layout, name, last ? layout->classes : hidden[l], !last);
        if (!last && dropout > 0) sw_layout_dropout(layout, dropout);
    }
}

/* ---- what cannot be ------------------------------------------------------------------------- */

/* Smallest side of an input whose images last up to the last layer. */
static int64_t smallest_side(const struct sw_model_desc *desc) {
    int64_t side = 1;
    for (int64_t l = desc->n_layers - 1; l >= 0; l = desc->layers[l].input) {
        const struct sw_layer_desc *layer = &desc->layers[l];
        if (layer->kernel == 0) continue;
        side = (side - 1) * layer->stride + layer->kernel - 2 * layer->padding;
        if (side < 1) side = 1;
    }
    return side;
}

enum sw_status sw_layout_end(const struct sw_layout *layout) {
    int64_t side = smallest_side(layout->desc);
    if (layout->is_too_small)
        return SW_FAIL(SW_CONFIG,
                       "model '%s' needs images of at least %lld x %lld pixels, not %lld x %lld",
                       layout->model, (long long) side, (long long) side,
                       (long long) layout->input_shape[1], (long long) layout->input_shape[2]);
    if (layout->values > INT32_MAX)
        return SW_FAIL(SW_UNSUPPORTED,
                       "model '%s' has more than %d values between its layers for images of %lld x "
                       "%lld pixels",
                       layout->model, INT32_MAX, (long long) layout->input_shape[1],
                       (long long) layout->input_shape[2]);
    return SW_OK;
}
