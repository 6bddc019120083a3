/* Gradients of the loss of a parent on a few training samples, and products with its Hessian: what SNIP, GraSP
 * and the gradient criterion look at. Samples are drawn without replacement by (seed, round), passed through
 * the network in batches of train.batch, and their gradients summed in double, in that order. Batch norm takes
 * the statistics of each pass, nothing is dropped, images are shown as they are stored. */
#include "prune_internal.h"

#include <math.h>
#include <string.h>

#include "sweepstake/feed.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

struct looker {
    const struct sw_scorer *scorer;
    const uint8_t *mask;
    struct sw_net *net;
    struct sw_feed feed;
    int32_t *order;  /* [training samples] */
    float *moved;    /* [parameters] the weights of a pass */
    float *kept;     /* gradients of one parameter */
    double *forward; /* [parameters] gradient at one of two weights, when there is a product */
    double temperature;
    int64_t samples;
};

/* ---- set-up --------------------------------------------------------------------------------- */

/* The parent's network, stored as its own round stored it: a conversion has groups that the parent has not. */
static enum sw_status create_net(struct looker *looker, int64_t batch) {
    const struct sw_scorer *scorer = looker->scorer;
    struct sw_net_storage storage;
    struct sw_trial_spec stage;
    sw_prune_stage(scorer->spec, sw_prune_parent_round(scorer->spec, scorer->round), &stage);
    sw_prune_storage(&stage, SW_CONTROL_TICKET, &storage);
    return sw_net_create_as(scorer->source->hal, scorer->arch, looker->mask, batch, &storage,
                            &looker->net);
}

static enum sw_status begin(struct looker *looker) {
    const struct sw_scorer *scorer = looker->scorer;
    const struct sw_data *data = scorer->source->data;
    int64_t train = data->count[SW_SPLIT_TRAIN], batch = scorer->spec->train_batch;
    looker->samples = sw_prune_samples(scorer->spec, scorer->arch->classes);
    if (looker->samples > train) looker->samples = train;
    if (looker->samples < 1)
        return SW_FAIL(SW_CONFIG, "data set '%s' has no training images", data->info.name);
    SW_TRY(create_net(looker, batch < looker->samples ? batch : looker->samples));
    SW_TRY(sw_feed_init(looker->net, data, SW_SPLIT_TRAIN, &looker->feed));
    SW_TRY(SW_ALLOC(&looker->order, (size_t) train, "sample order"));
    SW_TRY(SW_ALLOC(&looker->moved, (size_t) scorer->arch->parameters, "weights of a pass"));
    SW_TRY(SW_ALLOC(&looker->kept, (size_t) scorer->arch->parameters, "gradients of a pass"));
    if (scorer->product != NULL)
        SW_TRY(SW_ALLOC(&looker->forward, (size_t) scorer->arch->parameters, "a gradient"));
    sw_random_permutation((uint64_t) scorer->spec->seed, SW_RANDOM_SCORE, (uint64_t) scorer->round,
                          looker->order, train);
    return SW_OK;
}

static void end(struct looker *looker) {
    sw_feed_fini(&looker->feed);
    sw_net_destroy(&looker->net);
    SW_FREE(&looker->order);
    SW_FREE(&looker->moved);
    SW_FREE(&looker->kept);
    SW_FREE(&looker->forward);
}

/* ---- temperature ---------------------------------------------------------------------------- */

/* Logits are divided by the temperature: so are the weights and the bias of the output layer, and the
 * gradient with respect to the weights as they were is that of the divided ones, divided. */
static double divisor_of(const struct looker *looker, int64_t p) {
    const struct sw_param *params = looker->scorer->arch->params;
    bool output = params[p].output || (p > 0 && params[p - 1].output && params[p].rank == 1);
    return output ? looker->temperature : 1;
}

/* ---- one gradient --------------------------------------------------------------------------- */

/* The weights of the pass: theta + step * direction. */
static void move(struct looker *looker, double step, const double *direction) {
    const struct sw_arch *arch = looker->scorer->arch;
    const float *theta = looker->scorer->theta;
    for (int64_t p = 0; p < arch->n_params; p++) {
        double divisor = divisor_of(looker, p);
        int64_t first = arch->params[p].offset;
        for (int64_t i = first; i < first + arch->params[p].count; i++) {
            double moved = theta[i];
            if (direction != NULL && arch->params[p].prunable) moved += step * direction[i];
            looker->moved[i] = (float) (moved / divisor);
        }
    }
}

/* Add `share` times the gradient of each kept weight. */
static enum sw_status add_gradients(struct looker *looker, double share, double *sum) {
    int64_t n_params = 0;
    const struct sw_net_param *params = sw_net_params(looker->net, &n_params);
    for (int64_t p = 0; p < n_params; p++) {
        const struct sw_param *param = params[p].param;
        const float *next = looker->kept;
        if (!param->prunable) continue;
        SW_TRY(sw_hal_download(params[p].gradients, 0, looker->kept,
                               params[p].n * (int64_t) sizeof *looker->kept));
        for (int64_t i = 0; i < param->count; i++)
            if (sw_mask_get(looker->mask + param->mask_offset, i))
                sum[param->offset + i] += share / divisor_of(looker, p) * (double) *next++;
    }
    return SW_OK;
}

/* Mean gradient over the samples at theta + step * direction; 0 where nothing is kept. */
static enum sw_status differentiate(struct looker *looker, double step, const double *direction,
                                    double *gradient) {
    const struct sw_prune_source *source = looker->scorer->source;
    int64_t most = looker->scorer->spec->train_batch, batch = 0;
    move(looker, step, direction);
    memset(gradient, 0, (size_t) looker->scorer->arch->parameters * sizeof *gradient);
    SW_TRY(sw_net_set_theta(looker->net, looker->moved));
    sw_net_set_mode(looker->net, SW_NET_RECALIBRATE, 0, 0);
    for (int64_t first = 0; first < looker->samples; first += batch) {
        double loss = 0;
        int64_t correct = 0;
        batch = looker->samples - first < most ? looker->samples - first : most;
        SW_TRY(sw_feed_pass(&looker->feed, looker->net, looker->order + first, NULL, batch, true,
                            &loss, &correct));
        SW_TRY(sw_net_backward(looker->net, batch));
        SW_TRY(add_gradients(looker, (double) batch / (double) looker->samples, gradient));
        if (source->alive != NULL) source->alive(source->context);
    }
    return SW_OK;
}

/* ---- product -------------------------------------------------------------------------------- */

static double norm_of(const struct sw_scorer *scorer, bool weights) {
    double sum = 0;
    for (int64_t l = 0; l < scorer->arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(scorer->arch, l);
        for (int64_t i = layer->offset; i < layer->offset + layer->count; i++) {
            double x = weights ? (double) scorer->theta[i] : scorer->gradient[i];
            sum += x * x;
        }
    }
    return sqrt(sum);
}

/* H g by central differences: floats carry a gradient to about 1e-6, and a step of a thousandth of the
 * weights changes it by about a thousandth. ReLU units that switch within the step count, as they do not in a
 * Hessian by automatic differentiation. */
static enum sw_status multiply(struct looker *looker) {
    const struct sw_scorer *scorer = looker->scorer;
    double gradient = norm_of(scorer, false);
    size_t n = (size_t) scorer->arch->parameters;
    memset(scorer->product, 0, n * sizeof *scorer->product);
    if (!(gradient > 0)) return SW_OK;
    double step = 1e-3 * norm_of(scorer, true) / gradient;
    if (!(step > 0)) return SW_OK;
    SW_TRY(differentiate(looker, step, scorer->gradient, looker->forward));
    SW_TRY(differentiate(looker, -step, scorer->gradient, scorer->product));
    for (size_t i = 0; i < n; i++)
        scorer->product[i] = (looker->forward[i] - scorer->product[i]) / (2 * step);
    return SW_OK;
}

enum sw_status sw_score_gradient(struct sw_scorer *scorer, const uint8_t *mask) {
    bool wants_product = scorer->product != NULL;
    struct looker looker = {.scorer = scorer,
                            .mask = mask,
                            .temperature = wants_product ? scorer->spec->prune_score_temperature
                                                         : 1};
    enum sw_status status = begin(&looker);
    if (status == SW_OK) status = differentiate(&looker, 0, NULL, scorer->gradient);
    if (status == SW_OK && wants_product) status = multiply(&looker);
    end(&looker);
    return status;
}
