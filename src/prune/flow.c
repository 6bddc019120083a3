/* The flow through a network (Tanaka et al. 2020): R, the sum of its outputs for an input of ones when every
 * weight is replaced by its absolute value, and the gradient of R.
 * Nothing is negative, so ReLU passes everything on. Biases and batch norm would add flow that goes through
 * no weight: biases are left out, batch norm passes on its input (and adds its residual), dropout likewise. Then
 * the scores |w| dR/d|w| of every layer without a way around it sum up to R.
 * One sample in double on the host, in one thread, for kept weights only: R of a deep network does not fit into
 * floats, and the same bits are needed everywhere. */
#include "prune_internal.h"

#include <math.h>

#include "sweepstake/memory.h"

struct flow {
    struct sw_model_desc desc;
    const struct sw_param *weights[SW_MODEL_MAX_LAYERS]; /* NULL for layers without */
    double *output[SW_MODEL_MAX_LAYERS];                 /* [channels, height, width] */
    double *change[SW_MODEL_MAX_LAYERS];                 /* dR/doutput, the same */
    double *input;
    int64_t inputs;
    const float *theta;
    double *gradient;
};

static int64_t pixels_of(int64_t height, int64_t width) {
    return height > 0 ? height * width : 1;
}

static int64_t values_of(const struct sw_layer_desc *layer) {
    return layer->out * pixels_of(layer->out_height, layer->out_width);
}

/* ---- a product ------------------------------------------------------------------------------ */

/* Output pixels along one side that see the input through place k of a kernel: first .. end, which read
 * first * stride + k - padding and on. */
struct span {
    int64_t first, end;
};

static struct span span_of(const struct sw_layer_desc *layer, int64_t k, int64_t in, int64_t out) {
    int64_t shift = k - layer->padding, stride = layer->stride;
    struct span span = {shift < 0 ? (-shift + stride - 1) / stride : 0, 0};
    int64_t last = in - 1 - shift;
    span.end = last < 0 ? 0 : last / stride + 1;
    if (span.end > out) span.end = out;
    return span;
}

/* One weight of a convolution: y += w x, or dx += w dy with the sum of x dy returned (dx may be NULL). */
struct tap {
    const struct sw_layer_desc *layer;
    struct span rows, columns;
    int64_t down, right; /* of the input's pixel from the output's */
};

static struct tap tap_of(const struct sw_layer_desc *layer, int64_t k) {
    int64_t row = k / layer->kernel, column = k % layer->kernel;
    return (struct tap){.layer = layer,
                        .rows = span_of(layer, row, layer->height, layer->out_height),
                        .columns = span_of(layer, column, layer->width, layer->out_width),
                        .down = row - layer->padding,
                        .right = column - layer->padding};
}

static int64_t place_of(const struct tap *tap, int64_t row, int64_t column) {
    const struct sw_layer_desc *layer = tap->layer;
    return (row * layer->stride + tap->down) * layer->width + column * layer->stride + tap->right;
}

static void push(const struct tap *tap, double w, const double *x, double *y) {
    const int64_t stride = tap->layer->stride, first = tap->columns.first;
    for (int64_t row = tap->rows.first; row < tap->rows.end; row++) {
        const double *from = x + place_of(tap, row, first);
        double *to = y + row * tap->layer->out_width + first;
        for (int64_t i = 0; i < tap->columns.end - first; i++)
            to[i] += w * from[i * stride];
    }
}

static double pull(const struct tap *tap, double w, const double *x, const double *dy, double *dx) {
    const int64_t stride = tap->layer->stride, first = tap->columns.first;
    double sum = 0;
    for (int64_t row = tap->rows.first; row < tap->rows.end; row++) {
        int64_t at = place_of(tap, row, first);
        const double *change = dy + row * tap->layer->out_width + first;
        for (int64_t i = 0; i < tap->columns.end - first; i++)
            sum += x[at + i * stride] * change[i];
        for (int64_t i = 0; dx != NULL && i < tap->columns.end - first; i++)
            dx[at + i * stride] += w * change[i];
    }
    return sum;
}

/* ---- layers --------------------------------------------------------------------------------- */

static const double *input_of(const struct flow *flow, int64_t l) {
    int64_t from = flow->desc.layers[l].input;
    return from == SW_LAYER_INPUT ? flow->input : flow->output[from];
}

static double *change_of(const struct flow *flow, int64_t l) {
    int64_t from = flow->desc.layers[l].input;
    return from == SW_LAYER_INPUT ? NULL : flow->change[from];
}

/* A linear layer is a convolution whose images have one pixel. */
static struct sw_layer_desc as_conv(const struct sw_layer_desc *layer) {
    struct sw_layer_desc conv = *layer;
    if (layer->kind == SW_LAYER_CONV) return conv;
    conv.height = conv.width = conv.out_height = conv.out_width = 1;
    conv.kernel = conv.stride = 1;
    conv.padding = 0;
    return conv;
}

/* One weight of every pair of planes: forwards into y, backwards from its change. */
static void multiply_tap(struct flow *flow, int64_t l, const struct sw_layer_desc *conv, int64_t k,
                         bool back) {
    const int64_t taps = conv->kernel * conv->kernel, area = conv->height * conv->width;
    const int64_t out_area = conv->out_height * conv->out_width;
    const struct tap tap = tap_of(conv, k);
    const double *input = input_of(flow, l);
    double *dx = back ? change_of(flow, l) : NULL;
    int64_t at = flow->weights[l]->offset + k;
    for (int64_t o = 0; o < conv->out; o++)
        for (int64_t c = 0; c < conv->in; c++, at += taps) {
            double w = fabs((double) flow->theta[at]);
            if (w == 0) continue;
            if (back)
                flow->gradient[at] = pull(&tap, w, input + c * area, flow->change[l] + o * out_area,
                                          dx != NULL ? dx + c * area : NULL);
            else
                push(&tap, w, input + c * area, flow->output[l] + o * out_area);
        }
}

static void multiply(struct flow *flow, int64_t l, bool back) {
    const struct sw_layer_desc conv = as_conv(&flow->desc.layers[l]);
    for (int64_t k = 0; k < conv.kernel * conv.kernel; k++)
        multiply_tap(flow, l, &conv, k, back);
}

/* The pixel that a max pool takes from a window: the first of the largest. */
static int64_t largest_of(const struct sw_layer_desc *layer, const double *x, int64_t corner) {
    int64_t best = corner;
    for (int64_t i = 1; i < layer->kernel * layer->kernel; i++) {
        int64_t at = corner + i / layer->kernel * layer->width + i % layer->kernel;
        if (x[at] > x[best]) best = at;
    }
    return best;
}

/* One window of a pool: its value, or its change handed back; the first of equal maxima takes all. */
static void pool_window(const struct sw_layer_desc *layer, const double *x, int64_t corner,
                        double *y, double *dx) {
    const int64_t area = layer->kernel * layer->kernel;
    if (layer->kind == SW_LAYER_MAX_POOL) {
        int64_t best = largest_of(layer, x, corner);
        if (dx != NULL)
            dx[best] += *y;
        else
            *y = x[best];
        return;
    }
    for (int64_t i = 0; i < area; i++) {
        int64_t at = corner + i / layer->kernel * layer->width + i % layer->kernel;
        if (dx != NULL)
            dx[at] += *y / (double) area;
        else
            *y += x[at] / (double) area;
    }
}

static void pool(struct flow *flow, int64_t l, bool back) {
    const struct sw_layer_desc *layer = &flow->desc.layers[l];
    const double *x = input_of(flow, l);
    double *y = back ? flow->change[l] : flow->output[l];
    double *dx = back ? change_of(flow, l) : NULL;
    if (back && dx == NULL) return;
    for (int64_t c = 0; c < layer->in; c++)
        for (int64_t row = 0; row < layer->out_height; row++)
            for (int64_t column = 0; column < layer->out_width; column++)
                pool_window(layer, x,
                            (c * layer->height + row * layer->stride) * layer->width +
                                column * layer->stride,
                            y++, dx);
}

static void global_pool(struct flow *flow, int64_t l, bool back) {
    const struct sw_layer_desc *layer = &flow->desc.layers[l];
    const int64_t area = layer->height * layer->width;
    const double *x = input_of(flow, l);
    double *dx = back ? change_of(flow, l) : NULL;
    for (int64_t i = 0; i < layer->in * area; i++) {
        if (!back)
            flow->output[l][i / area] += x[i] / (double) area;
        else if (dx != NULL)
            dx[i] += flow->change[l][i / area] / (double) area;
    }
}

/* Norm, flatten, dropout; norms add a residual. */
static void pass_on(struct flow *flow, int64_t l, bool back) {
    const struct sw_layer_desc *layer = &flow->desc.layers[l];
    const int64_t n = values_of(layer);
    const double *x = input_of(flow, l);
    double *dx = back ? change_of(flow, l) : NULL;
    bool adds = layer->kind == SW_LAYER_NORM && layer->residual >= 0;
    for (int64_t i = 0; i < n && !back; i++)
        flow->output[l][i] = x[i] + (adds ? flow->output[layer->residual][i] : 0);
    for (int64_t i = 0; i < n && dx != NULL; i++)
        dx[i] += flow->change[l][i];
    for (int64_t i = 0; i < n && back && adds; i++)
        flow->change[layer->residual][i] += flow->change[l][i];
}

static void run_layer(struct flow *flow, int64_t l, bool back) {
    switch (flow->desc.layers[l].kind) {
    case SW_LAYER_LINEAR:
    case SW_LAYER_CONV:
        multiply(flow, l, back);
        break;
    case SW_LAYER_MAX_POOL:
    case SW_LAYER_AVERAGE_POOL:
        pool(flow, l, back);
        break;
    case SW_LAYER_GLOBAL_POOL:
        global_pool(flow, l, back);
        break;
    case SW_LAYER_NORM:
    case SW_LAYER_FLATTEN:
    case SW_LAYER_DROPOUT:
        pass_on(flow, l, back);
        break;
    }
}

/* ---- passes --------------------------------------------------------------------------------- */

static void clear(double *values, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        values[i] = 0;
}

/* R for an input of `unit`; not finite when it is too large. */
static double run_forward(struct flow *flow, double unit) {
    double sum = 0;
    int64_t last = flow->desc.n_layers - 1;
    for (int64_t i = 0; i < flow->inputs; i++)
        flow->input[i] = unit;
    for (int64_t l = 0; l <= last; l++) {
        clear(flow->output[l], values_of(&flow->desc.layers[l]));
        run_layer(flow, l, false);
    }
    for (int64_t i = 0; i < values_of(&flow->desc.layers[last]); i++)
        sum += flow->output[last][i];
    return sum;
}

static void run_backward(struct flow *flow, double unit) {
    int64_t last = flow->desc.n_layers - 1;
    for (int64_t l = 0; l <= last; l++)
        clear(flow->change[l], values_of(&flow->desc.layers[l]));
    for (int64_t i = 0; i < values_of(&flow->desc.layers[last]); i++)
        flow->change[last][i] = unit;
    for (int64_t l = last; l >= 0; l--)
        run_layer(flow, l, true);
}

/* ---- set-up --------------------------------------------------------------------------------- */

static enum sw_status prepare(const struct sw_arch *arch, struct flow *flow) {
    SW_TRY(sw_model_find(arch->model)
               ->describe(arch->model, arch->input_shape, arch->classes, &flow->desc));
    flow->inputs = arch->input_shape[0] * arch->input_shape[1] * arch->input_shape[2];
    SW_TRY(SW_ALLOC(&flow->input, (size_t) flow->inputs, "an input of ones"));
    for (int64_t l = 0; l < flow->desc.n_layers; l++) {
        size_t n = (size_t) values_of(&flow->desc.layers[l]);
        flow->weights[l] = sw_find_param(arch, &flow->desc.layers[l], SW_ROLE_WEIGHT);
        SW_TRY(SW_ALLOC(&flow->output[l], n, "flow through a layer"));
        SW_TRY(SW_ALLOC(&flow->change[l], n, "change of the flow"));
    }
    return SW_OK;
}

static void release(struct flow *flow) {
    SW_FREE(&flow->input);
    for (int64_t l = 0; l < flow->desc.n_layers; l++) {
        SW_FREE(&flow->output[l]);
        SW_FREE(&flow->change[l]);
    }
}

int64_t sw_flow_bytes(const struct sw_arch *arch) {
    struct sw_model_desc desc;
    int64_t values = arch->input_shape[0] * arch->input_shape[1] * arch->input_shape[2];
    if (sw_model_find(arch->model)
            ->describe(arch->model, arch->input_shape, arch->classes, &desc) != SW_OK)
        return 0;
    for (int64_t l = 0; l < desc.n_layers; l++)
        values += 2 * values_of(&desc.layers[l]);
    return values * (int64_t) sizeof(double) + (int64_t) sizeof(struct flow);
}

/* Flows above the largest double are tried once more with an input and a change of the output that are
 * 2^-600 instead of 1: everything scales alike. */
static enum sw_status compute(const struct sw_arch *arch, struct flow *flow) {
    const double units[] = {1, 0x1p-600};
    double flows = INFINITY, unit = 1;
    for (size_t i = 0; i < sizeof units / sizeof *units && !isfinite(flows); i++)
        flows = run_forward(flow, unit = units[i]);
    if (!isfinite(flows))
        return SW_FAIL(SW_UNSUPPORTED, "prune.criterion: the flow through %s is above all numbers",
                       arch->model);
    run_backward(flow, unit);
    for (int64_t i = 0; i < arch->parameters && flows > 0; i++)
        flow->gradient[i] /= unit * flows;
    return SW_OK;
}

enum sw_status sw_flow_gradient(const struct sw_arch *arch, const float *theta, double *gradient) {
    struct flow *flow = NULL;
    enum sw_status status = SW_OK;
    clear(gradient, arch->parameters);
    SW_TRY(SW_ALLOC(&flow, 1, "the flow through a network"));
    flow->theta = theta;
    flow->gradient = gradient;
    status = prepare(arch, flow);
    if (status == SW_OK) status = compute(arch, flow);
    release(flow);
    SW_FREE(&flow);
    return status;
}
