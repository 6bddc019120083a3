/* Networks of every kind of layer against plain double arithmetic: logits, and gradients against differences
 * of the loss. The models here are this file's own: its sw_model_lay_out stands in for the program's. */
#include <math.h>
#include <string.h>

#include "../../src/net/models.h"
#include "../support/graph_double.h"
#include "../support/test_main.h"
#include "sweepstake/memory.h"

/* Float results are compared relative to the largest value of their kind. Gradients pass through up to eight
 * batch norms of few samples. */
#define LOGIT_TOLERANCE 5e-6
#define GRADIENT_TOLERANCE 2e-5
#define DIFFERENCE 1e-6
#define MAX_BATCH 24
#define CLASSES 5
#define MAX_FEATURES (3 * 11 * 9)
#define MAX_PARAMETERS 6000

/* ---- models --------------------------------------------------------------------------------- */

/* As the layer that was added last, with windows of another kind. */
static void change_pool(struct sw_layout *layout, enum sw_layer_kind kind, int64_t kernel,
                        int64_t stride) {
    struct sw_layer_desc *layer = &layout->desc->layers[layout->at];
    layer->kind = kind;
    layer->kernel = kernel;
    layer->stride = stride;
    layer->out_height = (layer->height - kernel) / stride + 1;
    layer->out_width = (layer->width - kernel) / stride + 1;
    sw_layout_go_back(layout, layout->at);
}

/* Overlapping windows, a kernel of 5, a block with a shortcut and one without, dropout. */
static void lay_out_blocks(struct sw_layout *layout) {
    sw_layout_conv(layout, "conv1", 4, 3, 1, 1, true);
    sw_layout_max_pool(layout);
    change_pool(layout, SW_LAYER_MAX_POOL, 3, 2);
    sw_layout_conv(layout, "conv2", 6, 5, 1, 2, false);
    sw_layout_norm(layout, "bn2", SW_LAYER_NONE, true);
    int64_t from = layout->at;
    sw_layout_conv(layout, "short", 8, 1, 2, 0, false);
    sw_layout_norm(layout, "shortbn", SW_LAYER_NONE, false);
    int64_t end = layout->at;
    layout->desc->layers[end].shortcut = layout->desc->layers[end - 1].shortcut = 1;
    sw_layout_go_back(layout, from);
    sw_layout_conv(layout, "conv3", 8, 3, 2, 1, false);
    sw_layout_norm(layout, "bn3", SW_LAYER_NONE, true);
    sw_layout_conv(layout, "conv4", 8, 3, 1, 1, false);
    sw_layout_norm(layout, "bn4", end, true);
    from = layout->at;
    sw_layout_conv(layout, "conv5", 8, 3, 1, 1, false);
    sw_layout_norm(layout, "bn5", SW_LAYER_NONE, true);
    sw_layout_conv(layout, "conv6", 8, 3, 1, 1, false);
    sw_layout_norm(layout, "bn6", from, true);
    sw_layout_conv(layout, "conv7", 7, 2, 1, 1, true);
    sw_layout_max_pool(layout);
    change_pool(layout, SW_LAYER_AVERAGE_POOL, 2, 1);
    sw_layout_flatten(layout);
    sw_layout_linear(layout, "fc1", 12, true);
    sw_layout_dropout(layout, 0.25);
    sw_layout_linear(layout, "fc2", CLASSES, false);
}

/* Windows that skip pixels, norms without ReLU, a kernel of 1 with a bias, a global pool. */
static void lay_out_strides(struct sw_layout *layout) {
    sw_layout_conv(layout, "conv1", 3, 4, 3, 1, false);
    sw_layout_norm(layout, "bn1", SW_LAYER_NONE, false);
    sw_layout_conv(layout, "conv2", 6, 1, 1, 0, true);
    sw_layout_conv(layout, "conv3", 5, 1, 2, 0, true);
    sw_layout_conv(layout, "conv4", 9, 2, 3, 2, true);
    sw_layout_global_pool(layout);
    sw_layout_linear(layout, "fc", CLASSES, false);
}

enum sw_status sw_model_lay_out(const char *name, const int64_t input_shape[3], int64_t classes,
                                struct sw_model_desc *out) {
    struct sw_layout layout;
    SW_TRY(sw_layout_begin(&layout, name, input_shape, classes, out));
    if (strcmp(name, "blocks") == 0)
        lay_out_blocks(&layout);
    else
        lay_out_strides(&layout);
    return sw_layout_end(&layout);
}

/* ---- set-up --------------------------------------------------------------------------------- */

/* A model and its double twin, with the same weights, samples and labels. */
struct lab {
    struct sw_arch arch;
    struct sw_model_desc desc;
    struct graph_double graph;
    uint8_t mask[MAX_PARAMETERS / 8 + 64];
    float theta[MAX_PARAMETERS];         /* nonsense where the mask removes */
    double theta_double[MAX_PARAMETERS]; /* 0 there */
    double differences[MAX_PARAMETERS];  /* NAN where none was taken */
    double x[MAX_BATCH * MAX_FEATURES];
    int64_t features;
    int32_t labels[MAX_BATCH];
    struct sw_hal *hal;
    struct sw_net *net;
};
static struct lab lab;

static double noise(uint64_t stream, int64_t index) {
    return sw_random_normal(99, SW_RANDOM_BENCH, stream, (uint64_t) index);
}

/* Keep about `density` of every layer, but at least one weight. */
static void draw_mask(double density) {
    for (int64_t l = 0; l < lab.arch.n_layers; l++) {
        const struct sw_param *param = sw_arch_layer(&lab.arch, l);
        uint8_t *mask = lab.mask + param->mask_offset;
        sw_mask_fill(mask, param->count);
        for (int64_t i = 1; i < param->count; i++)
            if (sw_random_uniform(5, SW_RANDOM_BENCH, (uint64_t) l, (uint64_t) i) >= density)
                sw_mask_clear_bit(mask, i);
    }
}

static bool is_kept(const struct sw_param *param, int64_t i) {
    return !param->prunable || sw_mask_get(lab.mask + param->mask_offset, i);
}

static double draw_value(const struct sw_param *param, int64_t at) {
    switch (param->role) {
    case SW_ROLE_WEIGHT:
        return 1.4 * noise(10, at) / sqrt((double) param->fan_in);
    case SW_ROLE_SCALE:
        return 1 + 0.3 * noise(10, at);
    case SW_ROLE_VARIANCE:
        return 0.5 + fabs(noise(10, at));
    default:
        return 0.2 * noise(10, at);
    }
}

static void draw_weights(void) {
    for (int64_t p = 0; p < lab.arch.n_params; p++) {
        const struct sw_param *param = &lab.arch.params[p];
        for (int64_t i = 0; i < param->count; i++) {
            int64_t at = param->offset + i;
            lab.theta[at] = (float) draw_value(param, at);
            lab.theta_double[at] = is_kept(param, i) ? lab.theta[at] : 0;
            if (!is_kept(param, i)) lab.theta[at] = 1e6f;
        }
    }
}

static void set_up(const char *model, double density) {
    static const int64_t shape[3] = {3, 11, 9};
    memset(&lab, 0, sizeof lab);
    SW_TEST_OK(sw_arch_create(model, shape, CLASSES, &lab.arch));
    SW_TEST_OK(sw_model_lay_out(model, shape, CLASSES, &lab.desc));
    CU_ASSERT_FATAL(lab.arch.parameters <= MAX_PARAMETERS);
    lab.features = shape[0] * shape[1] * shape[2];
    draw_mask(density);
    draw_weights();
    for (int64_t i = 0; i < MAX_BATCH * lab.features; i++)
        lab.x[i] = (float) noise(11, i);
    for (int64_t b = 0; b < MAX_BATCH; b++)
        lab.labels[b] = (int32_t) (sw_random_u64(99, SW_RANDOM_BENCH, 12, (uint64_t) b) % CLASSES);
    lab.graph = (struct graph_double){.desc = &lab.desc,
                                      .arch = &lab.arch,
                                      .theta = lab.theta_double,
                                      .mode = SW_NET_TRAIN,
                                      .seed = 3,
                                      .step = 17};
}

static void tear_down(void) {
    sw_arch_fini(&lab.arch);
}

static void build(const struct sw_backend *backend, enum sw_isa isa, int threads,
                  const enum sw_layer_format *format) {
    const struct sw_hal_options options = {.threads = threads, .isa = isa};
    SW_TEST_OK(sw_hal_open(backend, &options, &lab.hal));
    struct sw_net_storage storage = {.forced = format != NULL};
    if (format != NULL) storage.format = *format;
    SW_TEST_OK(sw_net_create_as(lab.hal, &lab.arch, lab.mask, MAX_BATCH, &storage, &lab.net));
    SW_TEST_OK(sw_net_set_theta(lab.net, lab.theta));
    sw_net_set_mode(lab.net, lab.graph.mode, lab.graph.seed, lab.graph.step);
}

static void destroy(void) {
    sw_net_destroy(&lab.net);
    sw_hal_close(&lab.hal);
}

/* Put samples first .. first + batch into the network, through the rows of a linear layer. */
static void feed(int64_t first, int64_t batch) {
    static float rows[MAX_FEATURES * MAX_BATCH];
    struct sw_buffer *staging = NULL;
    int64_t ld = sw_hal_lanes(batch), bytes = lab.features * ld * (int64_t) sizeof *rows;
    memset(rows, 0, sizeof rows);
    for (int64_t f = 0; f < lab.features; f++)
        for (int64_t b = 0; b < batch; b++)
            rows[f * ld + b] = (float) lab.x[(first + b) * lab.features + f];
    SW_TEST_OK(sw_hal_alloc(lab.hal, bytes, "rows", &staging));
    SW_TEST_OK(sw_hal_upload(staging, 0, rows, bytes));
    CU_ASSERT_PTR_NOT_NULL_FATAL(sw_net_input_planes(lab.net));
    SW_TEST_OK(sw_hal_unflatten(lab.hal, sw_net_input_planes(lab.net), staging, ld,
                                sw_net_input(lab.net)));
    SW_TEST_OK(sw_hal_upload(sw_net_labels(lab.net), 0, lab.labels + first,
                             batch * (int64_t) sizeof *lab.labels));
    sw_hal_free(&staging);
}

static double run_passes(int64_t batch) {
    double loss_sum = NAN;
    int64_t correct = -1;
    feed(0, batch);
    SW_TEST_OK(sw_net_forward(lab.net, batch));
    SW_TEST_OK(sw_net_loss(lab.net, batch, true, &loss_sum, &correct));
    SW_TEST_OK(sw_net_backward(lab.net, batch));
    return loss_sum / (double) batch;
}

/* ---- comparisons ---------------------------------------------------------------------------- */

static double largest_of(const double *values, int64_t n) {
    double largest = 0;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(values[i])) largest = fmax(largest, fabs(values[i]));
    return largest;
}

static void check_logits(int64_t first, int64_t batch) {
    float logits[CLASSES * MAX_BATCH];
    double expected[CLASSES * MAX_BATCH];
    SW_TEST_OK(sw_net_get_logits(lab.net, batch, logits));
    graph_double_logits(&lab.graph, lab.x + first * lab.features, batch, expected, NULL);
    double allowed = LOGIT_TOLERANCE * largest_of(expected, CLASSES * batch);
    for (int64_t b = 0; b < batch; b++)
        for (int64_t c = 0; c < CLASSES; c++)
            CU_ASSERT_DOUBLE_EQUAL(logits[c * sw_hal_lanes(batch) + b], expected[b * CLASSES + c],
                                   allowed);
}

/* Central differences of the loss over the first `batch` samples, for every third element of large
 * parameters and all of others. */
static void take_differences(int64_t batch) {
    for (int64_t p = 0; p < lab.arch.n_params; p++) {
        const struct sw_param *param = &lab.arch.params[p];
        for (int64_t i = 0; i < param->count; i++) {
            double *value = &lab.theta_double[param->offset + i], saved = *value;
            lab.differences[param->offset + i] = NAN;
            if (!is_kept(param, i) || !sw_role_is_trained(param->role)) continue;
            if (param->count > 100 && i % 3 != 0) continue;
            *value = saved + DIFFERENCE;
            double above = graph_double_loss(&lab.graph, lab.x, lab.labels, batch);
            *value = saved - DIFFERENCE;
            double below = graph_double_loss(&lab.graph, lab.x, lab.labels, batch);
            *value = saved;
            lab.differences[param->offset + i] = (above - below) / (2 * DIFFERENCE);
        }
    }
}

/* Gradients of a parameter's survivors stand in the order of its kept elements. */
static void check_param(const struct sw_net_param *param, double allowed) {
    static float gradients[MAX_PARAMETERS];
    int64_t next = 0;
    if (!sw_role_is_trained(param->param->role)) {
        CU_ASSERT_PTR_NULL(param->gradients);
        return;
    }
    CU_ASSERT_EQUAL(sw_hal_bytes(param->gradients), param->n * (int64_t) sizeof *gradients);
    SW_TEST_OK(
        sw_hal_download(param->gradients, 0, gradients, param->n * (int64_t) sizeof *gradients));
    for (int64_t i = 0; i < param->param->count; i++) {
        double expected = lab.differences[param->param->offset + i];
        if (!is_kept(param->param, i)) continue;
        if (!isnan(expected)) CU_ASSERT_DOUBLE_EQUAL(gradients[next], expected, allowed);
        next++;
    }
    CU_ASSERT_EQUAL(next, param->n);
}

static void check_gradients(int64_t batch) {
    int64_t n_params = 0;
    double loss = graph_double_loss(&lab.graph, lab.x, lab.labels, batch);
    CU_ASSERT_DOUBLE_EQUAL(run_passes(batch), loss, LOGIT_TOLERANCE * loss);
    check_logits(0, batch);
    const struct sw_net_param *params = sw_net_params(lab.net, &n_params);
    CU_ASSERT_EQUAL(n_params, lab.arch.n_params);
    double largest = largest_of(lab.differences, lab.arch.parameters);
    CU_ASSERT(largest > 0.01);
    for (int64_t p = 0; p < n_params; p++)
        check_param(&params[p], GRADIENT_TOLERANCE * largest);
}

/* Every backend that runs here, every instruction set, every way to multiply. */
static void check_everywhere(const char *model, double density, int64_t batch) {
    static const enum sw_layer_format formats[] = {SW_FORMAT_DENSE, SW_FORMAT_CSR};
    set_up(model, density);
    take_differences(batch);
    for (size_t i = 0; sw_backend_at(i) != NULL; i++) {
        if (sw_backend_probe(sw_backend_at(i)) != SW_OK) continue;
        for (int isa = SW_ISA_GENERIC; isa <= (int) sw_isa_detect(); isa++)
            for (int f = 0; f < 3; f++) {
                build(sw_backend_at(i), (enum sw_isa) isa, 1, f < 2 ? &formats[f] : NULL);
                for (int64_t l = 0; l < lab.arch.n_layers && f < 2 && density < 1; l++)
                    CU_ASSERT_EQUAL(sw_net_layer_format(lab.net, l), formats[f]);
                check_gradients(batch);
                destroy();
            }
    }
    tear_down();
}

/* ---- gradients ------------------------------------------------------------------------------ */

static void dense_networks_agree_with_differences(void) {
    check_everywhere("blocks", 1, 5);
    check_everywhere("strides", 1, 3);
}

static void pruned_networks_agree_in_every_format(void) {
    check_everywhere("blocks", 0.3, 5);
    check_everywhere("strides", 0.4, 8);
}

/* All values and gradients of a network, one after the other; returns how many. */
static int64_t collect(float *out) {
    int64_t n_params = 0, n = 0;
    const struct sw_net_param *params = sw_net_params(lab.net, &n_params);
    for (int64_t p = 0; p < n_params; p++) {
        int64_t bytes = params[p].n * (int64_t) sizeof *out;
        if (params[p].gradients == NULL) continue;
        SW_TEST_OK(sw_hal_download(params[p].gradients, 0, out + n, bytes));
        n += params[p].n;
    }
    return n;
}

/* What an earlier pass of another size left behind does not reach a later one. */
static void passes_do_not_depend_on_those_before(void) {
    static const int64_t batches[] = {13, 2, 24, 1, 13};
    static const char *const models[] = {"blocks", "strides"};
    static float fresh[MAX_PARAMETERS], again[MAX_PARAMETERS];
    for (int m = 0; m < 2; m++)
        for (size_t i = 0; sw_backend_at(i) != NULL; i++) {
            if (sw_backend_probe(sw_backend_at(i)) != SW_OK) continue;
            set_up(models[m], 0.5);
            build(sw_backend_at(i), sw_isa_detect(), 1, NULL);
            for (int b = 0; b < 5; b++) {
                (void) run_passes(batches[b]);
                int64_t n = collect(b == 0 ? fresh : again);
                CU_ASSERT(n > 100);
                if (b == 4) CU_ASSERT_EQUAL(memcmp(fresh, again, (size_t) n * sizeof *fresh), 0);
            }
            destroy();
            tear_down();
        }
}

static void results_do_not_depend_on_threads(void) {
    static float one[MAX_PARAMETERS], more[MAX_PARAMETERS];
    for (int threads = 1; threads <= 3; threads++) {
        set_up("blocks", 0.5);
        build(sw_backend_find("cpu"), sw_isa_detect(), threads, NULL);
        (void) run_passes(19);
        int64_t n = collect(threads == 1 ? one : more);
        if (threads > 1) CU_ASSERT_EQUAL(memcmp(one, more, (size_t) n * sizeof *one), 0);
        destroy();
        tear_down();
    }
}

/* ---- statistics ----------------------------------------------------------------------------- */

/* The survivors of the network where theta has them. */
static void get_theta(float *out) {
    static float survivors[MAX_PARAMETERS];
    int64_t next = 0;
    CU_ASSERT_FATAL(sw_net_survivors(lab.net) <= MAX_PARAMETERS);
    SW_TEST_OK(sw_net_get_survivors(lab.net, survivors));
    for (int64_t p = 0; p < lab.arch.n_params; p++)
        for (int64_t i = 0; i < lab.arch.params[p].count; i++)
            out[lab.arch.params[p].offset + i] = is_kept(&lab.arch.params[p], i) ? survivors[next++]
                                                                                 : 0;
    CU_ASSERT_EQUAL(next, sw_net_survivors(lab.net));
}

/* Statistics are `expected`, everything else as it was set. */
static void check_theta(const double *expected) {
    static float now[MAX_PARAMETERS];
    get_theta(now);
    for (int64_t p = 0; p < lab.arch.n_params; p++) {
        const struct sw_param *param = &lab.arch.params[p];
        for (int64_t at = param->offset; at < param->offset + param->count; at++)
            if (sw_role_is_trained(param->role)) {
                CU_ASSERT_EQUAL(now[at], (float) lab.theta_double[at]);
            } else {
                CU_ASSERT_DOUBLE_EQUAL(now[at], expected[at], 1e-5 * (1 + fabs(expected[at])));
            }
    }
}

static void training_moves_running_statistics_by_a_tenth(void) {
    static double batch[MAX_PARAMETERS], expected[MAX_PARAMETERS];
    double logits[CLASSES * MAX_BATCH];
    set_up("blocks", 0.5);
    build(sw_backend_find("cpu"), sw_isa_detect(), 1, NULL);
    CU_ASSERT(sw_net_has_statistics(lab.net));
    graph_double_logits(&lab.graph, lab.x, 7, logits, batch);
    for (int64_t i = 0; i < lab.arch.parameters; i++)
        expected[i] = 0.9 * lab.theta_double[i] + 0.1 * batch[i];
    feed(0, 7);
    SW_TEST_OK(sw_net_forward(lab.net, 7));
    check_theta(expected);
    destroy();
    tear_down();
}

static void evaluation_uses_running_statistics_and_leaves_them(void) {
    set_up("blocks", 0.5);
    lab.graph.mode = SW_NET_EVALUATE;
    build(sw_backend_find("cpu"), sw_isa_detect(), 1, NULL);
    feed(3, 9);
    SW_TEST_OK(sw_net_forward(lab.net, 9));
    check_logits(3, 9);
    check_theta(lab.theta_double);
    destroy();
    tear_down();
}

static void recalibration_takes_the_mean_over_its_passes(void) {
    static double batch[MAX_PARAMETERS], sum[MAX_PARAMETERS];
    double logits[CLASSES * MAX_BATCH];
    set_up("strides", 0.6);
    lab.graph.mode = SW_NET_RECALIBRATE;
    build(sw_backend_find("cpu"), sw_isa_detect(), 1, NULL);
    for (int again = 0; again < 2; again++) {
        memset(sum, 0, sizeof sum);
        sw_net_set_mode(lab.net, SW_NET_RECALIBRATE, 0, 0);
        for (int pass = 0; pass < 3; pass++) {
            int64_t first = 4 * pass + again;
            graph_double_logits(&lab.graph, lab.x + first * lab.features, 8, logits, batch);
            for (int64_t i = 0; i < lab.arch.parameters; i++)
                sum[i] += batch[i] / 3;
            feed(first, 8);
            SW_TEST_OK(sw_net_forward(lab.net, 8));
            check_logits(first, 8);
        }
        check_theta(sum);
    }
    destroy();
    tear_down();
}

static void dropout_is_drawn_for_every_step_while_training_only(void) {
    float logits[3][CLASSES * MAX_BATCH];
    set_up("blocks", 1);
    build(sw_backend_find("cpu"), sw_isa_detect(), 1, NULL);
    feed(0, 8);
    for (int i = 0; i < 3; i++) {
        sw_net_set_mode(lab.net, SW_NET_TRAIN, 3, i == 1 ? 18 : 17);
        SW_TEST_OK(sw_net_forward(lab.net, 8));
        SW_TEST_OK(sw_net_get_logits(lab.net, 8, logits[i]));
    }
    CU_ASSERT_NOT_EQUAL(memcmp(logits[0], logits[1], CLASSES * 8 * sizeof **logits), 0);
    CU_ASSERT_EQUAL(memcmp(logits[0], logits[2], CLASSES * 8 * sizeof **logits), 0);
    lab.graph.mode = SW_NET_RECALIBRATE; /* statistics of the batch, nothing dropped */
    sw_net_set_mode(lab.net, SW_NET_RECALIBRATE, 3, 17);
    SW_TEST_OK(sw_net_forward(lab.net, 8));
    check_logits(0, 8);
    destroy();
    tear_down();
}

/* ---- what does not go ----------------------------------------------------------------------- */

static void there_are_no_gradients_through_running_statistics(void) {
    double loss_sum = 0;
    int64_t correct = 0;
    set_up("blocks", 1);
    lab.graph.mode = SW_NET_EVALUATE;
    build(sw_backend_find("cpu"), sw_isa_detect(), 1, NULL);
    feed(0, 4);
    SW_TEST_OK(sw_net_forward(lab.net, 4));
    SW_TEST_OK(sw_net_loss(lab.net, 4, true, &loss_sum, &correct));
    SW_TEST_FAILS(sw_net_backward(lab.net, 4), SW_INTERNAL);
    sw_net_set_mode(lab.net, SW_NET_TRAIN, 0, 0); /* and not for a pass of another mode */
    SW_TEST_FAILS(sw_net_backward(lab.net, 4), SW_INTERNAL);
    destroy();
    tear_down();
}

static void a_mask_that_empties_a_convolution_is_refused(void) {
    const struct sw_hal_options options = {.threads = 1, .isa = SW_ISA_GENERIC};
    set_up("blocks", 1);
    const struct sw_param *param = sw_arch_layer(&lab.arch, 4);
    for (int64_t i = 0; i < param->count; i++)
        sw_mask_clear_bit(lab.mask + param->mask_offset, i);
    SW_TEST_OK(sw_hal_open(sw_backend_find("cpu"), &options, &lab.hal));
    SW_TEST_FAILS(sw_net_create(lab.hal, &lab.arch, lab.mask, 4, &lab.net), SW_CONFIG);
    CU_ASSERT_PTR_NULL(lab.net);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), param->name));
    destroy();
    tear_down();
}

static CU_TestInfo gradients[] = {
    {"dense_networks_agree_with_differences", dense_networks_agree_with_differences},
    {"pruned_networks_agree_in_every_format", pruned_networks_agree_in_every_format},
    {"passes_do_not_depend_on_those_before", passes_do_not_depend_on_those_before},
    {"results_do_not_depend_on_threads", results_do_not_depend_on_threads},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo modes[] = {
    {"training_moves_running_statistics_by_a_tenth", training_moves_running_statistics_by_a_tenth},
    {"evaluation_uses_running_statistics_and_leaves_them",
     evaluation_uses_running_statistics_and_leaves_them},
    {"recalibration_takes_the_mean_over_its_passes", recalibration_takes_the_mean_over_its_passes},
    {"dropout_is_drawn_for_every_step_while_training_only",
     dropout_is_drawn_for_every_step_while_training_only},
    {"there_are_no_gradients_through_running_statistics",
     there_are_no_gradients_through_running_statistics},
    {"a_mask_that_empties_a_convolution_is_refused", a_mask_that_empties_a_convolution_is_refused},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"gradients", NULL, NULL, NULL, NULL, gradients},
    {"modes", NULL, NULL, NULL, NULL, modes},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_net_conv", suites);
}
