/* Which units belong together: union-find over the layers. A layer with weights makes units; all others hand
 * on those that they read, and where a residual is added two of them become one. */
#include "layer.h"
#include "models.h"

/* What a layer gives. */
struct stream {
    int64_t maker; /* layer with weights that made its units, or SW_LAYER_INPUT */
    int64_t per;   /* features per unit */
};

struct search {
    const struct sw_model_desc *desc;
    int64_t prunable[SW_MODEL_MAX_LAYERS];
    struct stream gives[SW_MODEL_MAX_LAYERS];
    int64_t joined[SW_MODEL_MAX_LAYERS]; /* a maker that it is one with; itself: none */
};

static int64_t find_root(const struct search *search, int64_t maker) {
    while (maker >= 0 && search->joined[maker] != maker)
        maker = search->joined[maker];
    return maker;
}

/* The one whose weights come first among the parameters gives its name. */
static void join(struct search *search, int64_t a, int64_t b) {
    a = find_root(search, a);
    b = find_root(search, b);
    if (a < 0 || b < 0 || a == b) return;
    if (search->prunable[a] < search->prunable[b])
        search->joined[b] = a;
    else
        search->joined[a] = b;
}

static struct stream given(const struct search *search, int64_t l) {
    if (l == SW_LAYER_INPUT) return (struct stream){SW_LAYER_INPUT, 1};
    return search->gives[l];
}

static void follow(struct search *search, int64_t l) {
    const struct sw_layer_desc *layer = &search->desc->layers[l];
    search->joined[l] = l;
    search->gives[l] = given(search, layer->input);
    if (search->prunable[l] >= 0) search->gives[l] = (struct stream){l, 1};
    if (layer->kind == SW_LAYER_FLATTEN) search->gives[l].per = layer->height * layer->width;
    if (layer->residual >= 0)
        join(search, search->gives[l].maker, given(search, layer->residual).maker);
}

static int64_t name_of(const struct search *search, struct stream stream) {
    int64_t root = find_root(search, stream.maker);
    return root < 0 ? SW_UNITS_INPUT : search->prunable[root];
}

void sw_model_find_units(const struct sw_model_desc *desc, struct sw_param_units *out) {
    struct search search = {.desc = desc};
    int64_t first[SW_MODEL_MAX_LAYERS];
    (void) sw_model_number_params(desc, first);
    sw_model_number_weights(desc, first, search.prunable);
    for (int64_t l = 0; l < desc->n_layers; l++)
        follow(&search, l);
    for (int64_t l = 0; l < desc->n_layers; l++) {
        const struct sw_layer_desc *layer = &desc->layers[l];
        struct stream in = given(&search, layer->input);
        int64_t n = sw_layer_ops_of(layer->kind)->n_params(layer);
        for (int64_t i = 0; i < n; i++)
            out[first[l] + i] = (struct sw_param_units){
                .makes = name_of(&search, search.gives[l]),
                .reads = name_of(&search, in),
                .span = layer->kind == SW_LAYER_CONV ? layer->kernel * layer->kernel : in.per,
            };
    }
}
