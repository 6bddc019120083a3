/* The plan of tensors, borders and gradient slots, walked through as the passes do. */
#include <stdio.h>
#include <string.h>

#include "../../src/net/graph.h"
#include "../support/test_main.h"

static const char *const models[] = {"lenet-300-100", "lenet-5",   "conv-2",    "conv-6-dropout",
                                     "vgg-16",        "resnet-18", "resnet-20", "resnet-254"};
#define N_MODELS (sizeof models / sizeof *models)

static struct sw_model_desc desc;
static struct sw_graph graph;

static void plan(const char *model, int64_t height, int64_t width) {
    SW_TEST_OK(sw_model_lay_out(model, (int64_t[3]){3, height, width}, 10, &desc));
    SW_TEST_OK(sw_graph_plan(&desc, &graph));
}

static bool is_same(const struct sw_planes *a, const struct sw_planes *b) {
    return a->channels == b->channels && a->height == b->height && a->width == b->width &&
           a->border == b->border;
}

/* What the slots hold, layer after layer, in two passes one after the other. */
struct walk {
    int64_t owner[SW_GRAPH_MAX_SLOTS]; /* tensor whose gradient is there; -1: nobody's */
    struct sw_planes planes[SW_GRAPH_MAX_SLOTS];
    bool written[SW_GRAPH_MAX_SLOTS]; /* ever */
};

static void give(struct walk *walk, int64_t slot, int64_t tensor, const struct sw_planes *planes) {
    CU_ASSERT_FATAL(slot >= 0 && slot < graph.n_slots);
    CU_ASSERT(graph.slot_floats[slot] >= sw_planes_floats(planes, SW_HAL_LANES));
    walk->owner[slot] = tensor;
    walk->planes[slot] = *planes;
    walk->written[slot] = true;
}

static void walk_layer(struct walk *walk, int64_t l) {
    const struct sw_layer_place *place = &graph.place[l];
    bool in_place = sw_layer_ops_of(desc.layers[l].kind)->in_place;
    CU_ASSERT_EQUAL(walk->owner[place->dy], place->output);
    CU_ASSERT(is_same(&walk->planes[place->dy], &place->out));
    CU_ASSERT_EQUAL(place->dx < 0, place->input == SW_GRAPH_INPUT);
    if (place->dx >= 0 && !in_place) {
        bool other = !is_same(&walk->planes[place->dx], &place->in);
        CU_ASSERT_NOT_EQUAL(place->dx, place->dy);
        CU_ASSERT_EQUAL(walk->owner[place->dx], place->add ? place->input : -1);
        if (walk->written[place->dx] && other && place->in.border > 0) CU_ASSERT(place->clear);
        if (place->add) CU_ASSERT(!place->clear && !other);
        give(walk, place->dx, place->input, &place->in);
    }
    if (in_place) {
        CU_ASSERT_EQUAL(place->dx, place->dy);
        CU_ASSERT(is_same(&place->in, &place->out));
    }
    walk->owner[place->dy] = in_place ? place->input : place->residual; /* -1 without */
    if (place->residual >= 0) CU_ASSERT(is_same(&place->other, &place->out));
}

static void check_slots(void) {
    struct walk walk = {0};
    for (int s = 0; s < SW_GRAPH_MAX_SLOTS; s++)
        walk.owner[s] = -1;
    for (int pass = 0; pass < 2; pass++) {
        const struct sw_layer_place *last = &graph.place[desc.n_layers - 1];
        CU_ASSERT_EQUAL(walk.owner[last->dy], -1);
        give(&walk, last->dy, last->output, &last->out);
        for (int64_t l = desc.n_layers - 1; l >= 0; l--)
            walk_layer(&walk, l);
        for (int s = 0; s < SW_GRAPH_MAX_SLOTS; s++)
            CU_ASSERT_EQUAL(walk.owner[s], -1);
    }
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void no_gradient_is_overwritten_while_it_is_needed(void) {
    for (size_t i = 0; i < N_MODELS; i++) {
        plan(models[i], 32, 32);
        check_slots();
        plan(models[i], 37, 50);
        check_slots();
    }
}

static void few_gradients_live_at_a_time(void) {
    for (size_t i = 0; i < N_MODELS; i++) {
        plan(models[i], 32, 32);
        CU_ASSERT_EQUAL(graph.n_slots, strncmp(models[i], "resnet", 6) == 0 ? 3 : 2);
    }
}

static void tensors_have_the_borders_that_their_readers_need(void) {
    for (size_t i = 0; i < N_MODELS; i++) {
        plan(models[i], 33, 32);
        for (int64_t l = 0; l < desc.n_layers; l++) {
            const struct sw_layer_desc *layer = &desc.layers[l];
            const struct sw_layer_place *place = &graph.place[l];
            int64_t from = layer->input;
            CU_ASSERT_EQUAL(place->input, from + 1);
            CU_ASSERT(is_same(&place->in,
                              from == SW_LAYER_INPUT ? &graph.input : &graph.place[from].out));
            if (layer->kind != SW_LAYER_CONV) continue;
            struct sw_conv conv = {place->in, place->out, layer->kernel, layer->stride,
                                   layer->padding};
            CU_ASSERT(place->in.border >= layer->padding);
            CU_ASSERT(place->dx < 0 || place->out.border >= sw_conv_gradient_border(&conv));
            CU_ASSERT(place->in.border <= 4 && place->out.border <= 4);
        }
    }
}

static void the_input_is_rows_for_linear_networks_only(void) {
    plan("lenet-300-100", 28, 28);
    CU_ASSERT_FALSE(graph.input_is_planes);
    CU_ASSERT_EQUAL(sw_planes_floats(&graph.input, 8), 3 * 28 * 28 * 8);
    plan("lenet-5", 28, 28);
    CU_ASSERT_TRUE(graph.input_is_planes);
    CU_ASSERT_EQUAL(graph.input.border, 2);
}

/* A shortcut runs before the norm that adds it, and its parameters stand behind. */
static void parameters_are_numbered_as_the_arch_has_them(void) {
    struct sw_arch arch;
    for (size_t i = 0; i < N_MODELS; i++) {
        plan(models[i], 32, 32);
        SW_TEST_OK(sw_arch_create(models[i], (int64_t[3]){3, 32, 32}, 10, &arch));
        for (int64_t l = 0; l < desc.n_layers; l++) {
            const struct sw_layer_place *place = &graph.place[l];
            char name[48];
            if (sw_layer_ops_of(desc.layers[l].kind)->n_params(&desc.layers[l]) == 0) continue;
            snprintf(name, sizeof name, "%s.weight", desc.layers[l].name);
            CU_ASSERT_STRING_EQUAL(arch.params[place->first_param].name, name);
            if (place->prunable >= 0)
                CU_ASSERT_PTR_EQUAL(sw_arch_layer(&arch, place->prunable),
                                    &arch.params[place->first_param]);
        }
        sw_arch_fini(&arch);
    }
}

/* ---- lists that the passes cannot run ------------------------------------------------------- */

static void append(enum sw_layer_kind kind, int64_t input, int64_t residual) {
    struct sw_layer_desc *layer = &desc.layers[desc.n_layers++];
    *layer = (struct sw_layer_desc){.kind = kind,
                                    .input = input,
                                    .residual = residual,
                                    .in = 4,
                                    .out = 4,
                                    .height = 4,
                                    .width = 4,
                                    .out_height = 4,
                                    .out_width = 4,
                                    .kernel = 1,
                                    .stride = 1};
}

/* A stem that two readers follow. */
static void begin(void) {
    memset(&desc, 0, sizeof desc);
    append(SW_LAYER_CONV, SW_LAYER_INPUT, SW_LAYER_NONE);
    append(SW_LAYER_NORM, 0, SW_LAYER_NONE);
}

static void lists_that_would_need_other_sums_are_refused(void) {
    begin();
    append(SW_LAYER_CONV, 1, SW_LAYER_NONE);
    append(SW_LAYER_MAX_POOL, 1, SW_LAYER_NONE);
    append(SW_LAYER_NORM, 2, 3);
    SW_TEST_OK(sw_graph_plan(&desc, &graph)); /* the convolution adds to what the pool gave */
    check_slots();
    desc.layers[2].kind = SW_LAYER_MAX_POOL;
    SW_TEST_FAILS(sw_graph_plan(&desc, &graph), SW_INTERNAL); /* a pool cannot */
    begin();
    append(SW_LAYER_NORM, 1, SW_LAYER_NONE);
    append(SW_LAYER_NORM, 2, 1);
    SW_TEST_FAILS(sw_graph_plan(&desc, &graph), SW_INTERNAL);
    begin();
    append(SW_LAYER_CONV, 1, SW_LAYER_NONE);
    append(SW_LAYER_NORM, 2, 1);
    SW_TEST_OK(sw_graph_plan(&desc, &graph));
    append(SW_LAYER_NORM, 3, 1);
    SW_TEST_FAILS(sw_graph_plan(&desc, &graph), SW_INTERNAL); /* two residuals of one tensor */
}

static void a_layer_that_nobody_reads_is_refused(void) {
    begin();
    append(SW_LAYER_CONV, 1, SW_LAYER_NONE);
    append(SW_LAYER_CONV, 1, SW_LAYER_NONE);
    SW_TEST_FAILS(sw_graph_plan(&desc, &graph), SW_INTERNAL);
}

static CU_TestInfo plans[] = {
    {"no_gradient_is_overwritten_while_it_is_needed",
     no_gradient_is_overwritten_while_it_is_needed},
    {"few_gradients_live_at_a_time", few_gradients_live_at_a_time},
    {"tensors_have_the_borders_that_their_readers_need",
     tensors_have_the_borders_that_their_readers_need},
    {"the_input_is_rows_for_linear_networks_only", the_input_is_rows_for_linear_networks_only},
    {"parameters_are_numbered_as_the_arch_has_them", parameters_are_numbered_as_the_arch_has_them},
    {"lists_that_would_need_other_sums_are_refused", lists_that_would_need_other_sums_are_refused},
    {"a_layer_that_nobody_reads_is_refused", a_layer_that_nobody_reads_is_refused},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"plans", NULL, NULL, NULL, NULL, plans},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_net_graph", suites);
}
