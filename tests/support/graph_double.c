#include "graph_double.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One pass: the layer at hand, and what all layers gave. */
struct run {
    const struct graph_double *graph;
    const double *input;
    int64_t batch;
    double *output[SW_MODEL_MAX_LAYERS];
    double *statistics;
};

/* Offset of a parameter of a layer in theta; -1 when there is none of that name. */
static int64_t find(const struct run *run, const struct sw_layer_desc *layer, const char *suffix) {
    const struct sw_arch *arch = run->graph->arch;
    char name[64];
    (void) snprintf(name, sizeof name, "%s.%s", layer->name, suffix);
    for (int64_t p = 0; p < arch->n_params; p++)
        if (strcmp(arch->params[p].name, name) == 0) return arch->params[p].offset;
    return -1;
}

static double param(const struct run *run, const struct sw_layer_desc *layer, const char *suffix,
                    int64_t i) {
    int64_t offset = find(run, layer, suffix);
    return offset < 0 ? 0 : run->graph->theta[offset + i];
}

static int64_t pixels_of(int64_t height, int64_t width) {
    return height > 0 ? height * width : 1;
}

static const double *tensor(const struct run *run, int64_t layer) {
    return layer == SW_LAYER_INPUT ? run->input : run->output[layer];
}

static double relu(const struct sw_layer_desc *layer, double value) {
    return layer->relu && value < 0 ? 0 : value;
}

/* ---- layers --------------------------------------------------------------------------------- */

static void linear(const struct run *run, const struct sw_layer_desc *layer, const double *x,
                   double *y) {
    const double *w = run->graph->theta + find(run, layer, "weight");
    for (int64_t b = 0; b < run->batch; b++)
        for (int64_t o = 0; o < layer->out; o++) {
            double sum = param(run, layer, "bias", o);
            for (int64_t i = 0; i < layer->in; i++)
                sum += w[o * layer->in + i] * x[b * layer->in + i];
            y[b * layer->out + o] = relu(layer, sum);
        }
}

/* Sum of products of the kernel of output o at (row, column) of one image. */
static double correlate(const struct sw_layer_desc *layer, const double *w, const double *image,
                        int64_t o, int64_t row, int64_t column) {
    const int64_t k = layer->kernel;
    double sum = 0;
    for (int64_t c = 0; c < layer->in; c++)
        for (int64_t i = 0; i < k * k; i++) {
            int64_t y = row * layer->stride - layer->padding + i / k;
            int64_t x = column * layer->stride - layer->padding + i % k;
            if (y >= 0 && y < layer->height && x >= 0 && x < layer->width)
                sum += w[(o * layer->in + c) * k * k + i] *
                       image[(c * layer->height + y) * layer->width + x];
        }
    return sum;
}

static void conv(const struct run *run, const struct sw_layer_desc *layer, const double *x,
                 double *y) {
    const double *w = run->graph->theta + find(run, layer, "weight");
    for (int64_t b = 0; b < run->batch; b++)
        for (int64_t o = 0; o < layer->out; o++) {
            const double *image = x + b * layer->in * layer->height * layer->width;
            double bias = param(run, layer, "bias", o);
            for (int64_t row = 0; row < layer->out_height; row++)
                for (int64_t column = 0; column < layer->out_width; column++)
                    *y++ = relu(layer, bias + correlate(layer, w, image, o, row, column));
        }
}

/* Mean and biased variance of channel c of a batch. */
static void measure(const struct run *run, const struct sw_layer_desc *layer, const double *x,
                    int64_t c, double *mean, double *variance) {
    int64_t pixels = layer->height * layer->width, n = run->batch * pixels;
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[(i / pixels * layer->in + c) * pixels + i % pixels];
    *mean = sum / (double) n;
    for (int64_t i = 0; i < n; i++)
        squares += pow(x[(i / pixels * layer->in + c) * pixels + i % pixels] - *mean, 2);
    *variance = squares / (double) n;
    if (run->statistics == NULL) return;
    run->statistics[find(run, layer, "running_mean") + c] = *mean;
    run->statistics[find(run, layer, "running_var") + c] = squares / (double) (n - 1);
}

static void norm(const struct run *run, const struct sw_layer_desc *layer, const double *x,
                 double *y) {
    int64_t pixels = layer->height * layer->width;
    for (int64_t c = 0; c < layer->in; c++) {
        double mean = param(run, layer, "running_mean", c);
        double variance = param(run, layer, "running_var", c);
        if (run->graph->mode != SW_NET_EVALUATE) measure(run, layer, x, c, &mean, &variance);
        double scale = param(run, layer, "weight", c) / sqrt(variance + 1e-5);
        double shift = param(run, layer, "bias", c);
        for (int64_t i = 0; i < run->batch * pixels; i++) {
            int64_t at = (i / pixels * layer->in + c) * pixels + i % pixels;
            double other = layer->residual >= 0 ? tensor(run, layer->residual)[at] : 0;
            y[at] = relu(layer, (x[at] - mean) * scale + shift + other);
        }
    }
}

/* The largest or the mean value of each window. */
static void pool(const struct run *run, const struct sw_layer_desc *layer, const double *x,
                 double *y) {
    const int64_t k = layer->kernel;
    for (int64_t plane = 0; plane < run->batch * layer->in; plane++)
        for (int64_t row = 0; row < layer->out_height; row++)
            for (int64_t column = 0; column < layer->out_width; column++) {
                double largest = -INFINITY, sum = 0;
                for (int64_t i = 0; i < k * k; i++) {
                    int64_t from = row * layer->stride + i / k;
                    double value = x[(plane * layer->height + from) * layer->width +
                                     column * layer->stride + i % k];
                    largest = fmax(largest, value);
                    sum += value;
                }
                *y++ = layer->kind == SW_LAYER_MAX_POOL ? largest : sum / (double) (k * k);
            }
}

static void global_pool(const struct run *run, const struct sw_layer_desc *layer, const double *x,
                        double *y) {
    int64_t pixels = layer->height * layer->width;
    for (int64_t plane = 0; plane < run->batch * layer->in; plane++) {
        double sum = 0;
        for (int64_t i = 0; i < pixels; i++)
            sum += x[plane * pixels + i];
        y[plane] = sum / (double) pixels;
    }
}

/* Is element (feature, sample) of a row of features kept? As planes.h numbers them. */
static bool is_kept(const struct run *run, int64_t l, int64_t feature, int64_t sample) {
    const struct graph_double *graph = run->graph;
    uint64_t i = (uint64_t) (feature * sw_hal_lanes(run->batch) + sample);
    struct sw_random_words draw = sw_random_draw(
        graph->seed, SW_RANDOM_DROPOUT, (uint64_t) graph->step << 16 | (uint64_t) l, i / 4);
    return draw.word[i % 4] / 4294967296.0 >= graph->desc->layers[l].rate;
}

static void dropout(const struct run *run, int64_t l, const double *x, double *y) {
    const struct sw_layer_desc *layer = &run->graph->desc->layers[l];
    for (int64_t b = 0; b < run->batch; b++)
        for (int64_t f = 0; f < layer->in; f++) {
            int64_t at = b * layer->in + f;
            y[at] = x[at];
            if (run->graph->mode == SW_NET_TRAIN)
                y[at] = is_kept(run, l, f, b) ? x[at] / (1 - layer->rate) : 0;
        }
}

/* ---- passes --------------------------------------------------------------------------------- */

static void run_layer(struct run *run, int64_t l) {
    const struct sw_layer_desc *layer = &run->graph->desc->layers[l];
    const double *x = tensor(run, layer->input);
    int64_t n = run->batch * layer->out * pixels_of(layer->out_height, layer->out_width);
    double *y = run->output[l] = calloc((size_t) n, sizeof *y);
    if (y == NULL) abort();
    switch (layer->kind) {
    case SW_LAYER_LINEAR:
        linear(run, layer, x, y);
        break;
    case SW_LAYER_CONV:
        conv(run, layer, x, y);
        break;
    case SW_LAYER_NORM:
        norm(run, layer, x, y);
        break;
    case SW_LAYER_MAX_POOL:
    case SW_LAYER_AVERAGE_POOL:
        pool(run, layer, x, y);
        break;
    case SW_LAYER_GLOBAL_POOL:
        global_pool(run, layer, x, y);
        break;
    case SW_LAYER_FLATTEN: /* the order is the same */
        memcpy(y, x, (size_t) n * sizeof *y);
        break;
    case SW_LAYER_DROPOUT:
        dropout(run, l, x, y);
        break;
    }
}

void graph_double_logits(const struct graph_double *graph, const double *x, int64_t batch,
                         double *logits, double *statistics) {
    static struct run run;
    int64_t n = graph->desc->n_layers, classes = graph->desc->layers[n - 1].out;
    run = (struct run){.graph = graph, .input = x, .batch = batch, .statistics = statistics};
    for (int64_t l = 0; l < n; l++)
        run_layer(&run, l);
    memcpy(logits, run.output[n - 1], (size_t) (batch * classes) * sizeof *logits);
    for (int64_t l = 0; l < n; l++)
        free(run.output[l]);
}

double graph_double_loss(const struct graph_double *graph, const double *x, const int32_t *labels,
                         int64_t batch) {
    int64_t classes = graph->arch->classes;
    double *logits = calloc((size_t) (batch * classes), sizeof *logits), loss = 0;
    if (logits == NULL) abort();
    graph_double_logits(graph, x, batch, logits, NULL);
    for (int64_t b = 0; b < batch; b++) {
        double largest = -INFINITY, sum = 0;
        for (int64_t c = 0; c < classes; c++)
            largest = fmax(largest, logits[b * classes + c]);
        for (int64_t c = 0; c < classes; c++)
            sum += exp(logits[b * classes + c] - largest);
        loss += log(sum) + largest - logits[b * classes + labels[b]];
    }
    free(logits);
    return loss / (double) batch;
}
