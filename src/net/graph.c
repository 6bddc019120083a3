#include "graph.h"

#include <string.h>

/* ---- tensors -------------------------------------------------------------------------------- */

/* While it is planned. */
struct planning {
    struct sw_graph *graph;
    struct sw_planes tensor[SW_MODEL_MAX_LAYERS + 1];
    int64_t slot_of[SW_MODEL_MAX_LAYERS + 1]; /* of a tensor's gradient; -1: not yet */
    /* Of every slot: */
    bool is_taken[SW_GRAPH_MAX_SLOTS];
    struct sw_planes holds[SW_GRAPH_MAX_SLOTS]; /* what was there last */
    int64_t first_user[SW_GRAPH_MAX_SLOTS];     /* layer whose dx was there first */
    struct sw_planes first[SW_GRAPH_MAX_SLOTS];
};

static bool is_same(const struct sw_planes *a, const struct sw_planes *b) {
    return a->channels == b->channels && a->height == b->height && a->width == b->width &&
           a->border == b->border;
}

/* Planes without border; rows of features are planes of one pixel. */
static struct sw_planes shape(int64_t channels, int64_t height, int64_t width) {
    return (struct sw_planes){channels, height > 0 ? height : 1, width > 0 ? width : 1, 0};
}

static int64_t tensor_of(int64_t layer) {
    return layer + 1; /* SW_LAYER_INPUT is -1 */
}

static void widen(struct sw_planes *planes, int64_t border) {
    if (planes->border < border) planes->border = border;
}

/* Both get the wider border of the two. Is that news? */
static bool share_border(struct sw_planes *a, struct sw_planes *b) {
    bool differ = a->border != b->border;
    widen(a, b->border);
    widen(b, a->border);
    return differ;
}

/* Tensors that share their gradient need the same planes: an output and the residual that was added, and what
 * is changed in place. */
static void share_borders(struct planning *planning) {
    const struct sw_graph *graph = planning->graph;
    bool again = true;
    while (again) {
        again = false;
        for (int64_t l = 0; l < graph->desc.n_layers; l++) {
            const struct sw_layer_desc *layer = &graph->desc.layers[l];
            struct sw_planes *out = &planning->tensor[tensor_of(l)];
            if (sw_layer_ops_of(layer->kind)->in_place)
                again |= share_border(out, &planning->tensor[tensor_of(layer->input)]);
            if (layer->residual >= 0)
                again |= share_border(out, &planning->tensor[tensor_of(layer->residual)]);
        }
    }
}

static void shape_tensors(struct planning *planning) {
    const struct sw_model_desc *desc = &planning->graph->desc;
    const struct sw_layer_desc *first = &desc->layers[0];
    planning->tensor[SW_GRAPH_INPUT] = shape(first->in, first->height, first->width);
    for (int64_t l = 0; l < desc->n_layers; l++) {
        const struct sw_layer_desc *layer = &desc->layers[l];
        planning->tensor[tensor_of(l)] = shape(layer->out, layer->out_height, layer->out_width);
    }
    for (int64_t l = 0; l < desc->n_layers; l++) {
        const struct sw_layer_ops *ops = sw_layer_ops_of(desc->layers[l].kind);
        int64_t in = 0, out = 0;
        if (ops->need_borders != NULL) ops->need_borders(&desc->layers[l], &in, &out);
        widen(&planning->tensor[tensor_of(desc->layers[l].input)], in);
        /* The border of the output is for the gradient of the input. */
        if (desc->layers[l].input != SW_LAYER_INPUT) widen(&planning->tensor[tensor_of(l)], out);
    }
    share_borders(planning);
}

static void place_layers(struct planning *planning) {
    struct sw_graph *graph = planning->graph;
    const struct sw_model_desc *desc = &graph->desc;
    int64_t first_param[SW_MODEL_MAX_LAYERS], prunable[SW_MODEL_MAX_LAYERS];
    (void) sw_model_number_params(desc, first_param);
    sw_model_number_weights(desc, first_param, prunable);
    for (int64_t l = 0; l < desc->n_layers; l++) {
        const struct sw_layer_desc *layer = &desc->layers[l];
        struct sw_layer_place *place = &graph->place[l];
        place->first_param = first_param[l];
        place->input = tensor_of(layer->input);
        place->residual = layer->residual >= 0 ? tensor_of(layer->residual) : -1;
        place->output = tensor_of(l);
        place->in = planning->tensor[place->input];
        place->out = planning->tensor[place->output];
        if (place->residual >= 0) place->other = planning->tensor[place->residual];
        place->prunable = prunable[l];
    }
}

/* ---- slots of gradients --------------------------------------------------------------------- */

/* How well a free slot suits: that it need not grow, or then little, matters most; then that nothing has to be
 * cleared. Less is better. */
static int64_t unsuitability(const struct planning *planning, int64_t slot,
                             const struct sw_planes *planes) {
    int64_t floats = sw_planes_floats(planes, SW_HAL_LANES);
    int64_t there = planning->graph->slot_floats[slot];
    int64_t growth = floats > there ? floats - there : 0;
    return 2 * growth + !is_same(&planning->holds[slot], planes);
}

/* A slot for the gradient of a tensor, which layer `l` writes first (or the loss: n_layers). */
static enum sw_status take_slot(struct planning *planning, int64_t tensor, int64_t l) {
    struct sw_graph *graph = planning->graph;
    const struct sw_planes *planes = &planning->tensor[tensor];
    int64_t floats = sw_planes_floats(planes, SW_HAL_LANES), best = -1;
    for (int64_t s = 0; s < graph->n_slots; s++)
        if (!planning->is_taken[s] && (best < 0 || unsuitability(planning, s, planes) <
                                                       unsuitability(planning, best, planes)))
            best = s;
    if (best < 0) {
        if (graph->n_slots == SW_GRAPH_MAX_SLOTS)
            return SW_FAIL(SW_INTERNAL, "more than %d gradients at a time", SW_GRAPH_MAX_SLOTS);
        best = graph->n_slots++;
        planning->holds[best] = planning->first[best] = *planes;
        planning->first_user[best] = l;
    }
    if (l < graph->desc.n_layers)
        graph->place[l].clear = planes->border > 0 && !is_same(&planning->holds[best], planes);
    if (graph->slot_floats[best] < floats) graph->slot_floats[best] = floats;
    planning->holds[best] = *planes;
    planning->is_taken[best] = true;
    planning->slot_of[tensor] = best;
    return SW_OK;
}

/* Where the gradient of the input goes; the slot of the output's is free after that unless it goes on as the
 * gradient of another tensor. */
static enum sw_status plan_layer(struct planning *planning, int64_t l) {
    struct sw_graph *graph = planning->graph;
    struct sw_layer_place *place = &graph->place[l];
    const struct sw_layer_ops *ops = sw_layer_ops_of(graph->desc.layers[l].kind);
    int64_t *input = &planning->slot_of[place->input];
    bool goes_on = false;
    place->dy = planning->slot_of[place->output];
    place->dx = -1;
    if (place->dy < 0) return SW_FAIL(SW_INTERNAL, "nothing reads what layer %d gives", (int) l);
    if (place->residual > SW_GRAPH_INPUT) {
        if (planning->slot_of[place->residual] >= 0)
            return SW_FAIL(SW_INTERNAL, "the residual of layer %d is read after it", (int) l);
        planning->slot_of[place->residual] = place->dy;
        goes_on = true;
    }
    if (place->input > SW_GRAPH_INPUT) {
        place->add = *input >= 0;
        if (place->add && !ops->adds)
            return SW_FAIL(SW_INTERNAL, "layer %d cannot add to a gradient", (int) l);
        if (ops->in_place) {
            *input = place->dy;
            goes_on = true;
        } else if (!place->add) {
            SW_TRY(take_slot(planning, place->input, l));
        }
        place->dx = *input;
    }
    planning->is_taken[place->dy] = goes_on;
    return SW_OK;
}

/* Do readers other than layer `l` need the tensor's gradient? */
static bool has_other_reader(const struct sw_graph *graph, int64_t tensor, int64_t l) {
    for (int64_t other = 0; other < graph->desc.n_layers; other++) {
        const struct sw_layer_place *place = &graph->place[other];
        if (place->residual == tensor || (other != l && place->input == tensor)) return true;
    }
    return false;
}

/* Where the only reader of a ReLU's output can stop the gradient in passing. */
static void plan_stops(struct sw_graph *graph) {
    for (int64_t l = 0; l < graph->desc.n_layers; l++) {
        struct sw_layer_place *place = &graph->place[l];
        int64_t from = graph->desc.layers[l].input;
        if (!sw_layer_ops_of(graph->desc.layers[l].kind)->stops || from == SW_LAYER_INPUT ||
            !graph->desc.layers[from].relu || has_other_reader(graph, place->input, l))
            continue;
        place->stops = graph->place[from].stopped = true;
    }
}

/* Each pass begins with what the one before it left in the slots. */
static void close_circle(struct planning *planning) {
    struct sw_graph *graph = planning->graph;
    for (int64_t s = 0; s < graph->n_slots; s++) {
        int64_t l = planning->first_user[s];
        if (l < graph->desc.n_layers)
            graph->place[l].clear = planning->first[s].border > 0 &&
                                    !is_same(&planning->first[s], &planning->holds[s]);
    }
}

enum sw_status sw_graph_plan(const struct sw_model_desc *desc, struct sw_graph *out) {
    struct planning planning = {.graph = out};
    int64_t n = desc->n_layers;
    memset(out, 0, sizeof *out);
    out->desc = *desc;
    for (int64_t t = 0; t <= n; t++)
        planning.slot_of[t] = -1;
    shape_tensors(&planning);
    place_layers(&planning);
    out->input = planning.tensor[SW_GRAPH_INPUT];
    out->input_is_planes = desc->layers[0].height > 0;
    SW_TRY(take_slot(&planning, tensor_of(n - 1), n));
    for (int64_t l = n - 1; l >= 0; l--)
        SW_TRY(plan_layer(&planning, l));
    close_circle(&planning);
    plan_stops(out);
    return SW_OK;
}
