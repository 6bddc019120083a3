/* Module: net
 * Purpose: model name -> parameters (struct sw_arch) -> a network on a device with sparse layers.
 * Takes: masks and weights in host memory. Gives: forward, loss, backward; parameters as compact
 * arrays of survivors that an optimizer walks over. A layer's kept weights live in one compact
 * array (values, row order); gradients and optimizer state exist for those only. How a layer multiplies,
 * with sparse kernels or scattered into a dense matrix for the BLAS, is sw_hal_choose_format's decision
 * unless struct sw_net_storage says otherwise. */
#pragma once

#include "sweepstake/data.h"
#include "sweepstake/planes.h"
#include "sweepstake/random.h"
#include "sweepstake/sweep.h"

/* ---- models --------------------------------------------------------------------------------- */

/* A layer as a model lists it; the kind chooses the row of layers.def. Layers stand in the order in
 * which they run; each reads the output of an earlier one. */
enum sw_layer_kind {
    SW_LAYER_LINEAR,   /* [in, L] -> [out, L] */
    SW_LAYER_CONV,     /* planes of `in` channels -> planes of `out` channels */
    SW_LAYER_NORM,     /* batch norm of planes, a residual, ReLU */
    SW_LAYER_MAX_POOL, /* planes -> planes */
    SW_LAYER_AVERAGE_POOL,
    SW_LAYER_GLOBAL_POOL, /* planes -> [channels, L] */
    SW_LAYER_FLATTEN,     /* planes -> [channels height width, L] */
    SW_LAYER_DROPOUT      /* as its input */
};
#define SW_LAYER_INPUT (-1) /* the network's input instead of a layer */
#define SW_LAYER_NONE (-2)
struct sw_layer_desc {
    enum sw_layer_kind kind;
    char name[24];    /* "fc1", "layer1.0.conv1": its parameters are NAME.weight, NAME.bias, ...;
                           "" for layers without */
    int64_t input;    /* layer whose output it reads, or SW_LAYER_INPUT */
    int64_t residual; /* NORM: layer whose output is added before the ReLU, or SW_LAYER_NONE */
    int64_t in, out;  /* features of LINEAR; channels of all others */
    int64_t height, width;         /* of the input planes; 0 for LINEAR */
    int64_t out_height, out_width; /* of the output planes; 0 where the output has none */
    int64_t kernel, stride, padding;
    int bias;     /* LINEAR, CONV: 1 with a bias */
    int relu;     /* LINEAR, CONV, NORM: 1: ReLU after it */
    int shortcut; /* CONV, NORM: 1: on a residual's way; their parameters stand, as in PyTorch, behind
                     those of the NORM that adds the residual */
    double rate; /* DROPOUT: share that is dropped */
};
#define SW_MODEL_MAX_LAYERS 512
struct sw_model_desc {
    int64_t n_layers;
    struct sw_layer_desc layers[SW_MODEL_MAX_LAYERS];
};

/* A family of models: one line in src/net/models.def. */
struct sw_model {
    const char *name; /* "lenet-300-100", or a pattern to show people: "mlp-A-B-...", "vgg-N" */
    const char *summary;
    bool (*matches)(const char *name);
    /* Lay out the network for an input of [channels, height, width] and `classes`.
     * Errors: SW_CONFIG with what is wrong about the name. */
    enum sw_status (*describe)(const char *name, const int64_t input_shape[3], int64_t classes,
                               struct sw_model_desc *out);
};
const struct sw_model *sw_model_at(size_t index);
const struct sw_model *sw_model_find(const char *name);

/* Parameters of a model: names, shapes, offsets, mask offsets. Free with sw_arch_fini.
 * Errors: SW_CONFIG (unknown or malformed name), SW_UNSUPPORTED (too many layers), SW_NOMEM. */
enum sw_status sw_arch_create(const char *model, const int64_t input_shape[3], int64_t classes,
                              struct sw_arch *out) SW_NODISCARD;
void sw_arch_fini(struct sw_arch *arch);
/* The l-th prunable parameter. */
const struct sw_param *sw_arch_layer(const struct sw_arch *arch, int64_t layer);
/* Its units. */
const struct sw_param_units *sw_arch_units(const struct sw_arch *arch, int64_t layer);
/* The values that a mask keeps (sw_net_get_survivors) into theta[parameters]; 0 where it does not. */
void sw_arch_scatter(const struct sw_arch *arch, const uint8_t *mask, const float *survivors,
                     float *theta);

/* ---- initialisation ------------------------------------------------------------------------- */

/* Distributions: one line each in src/net/inits.def. deviation = f(fan_in, fan_out). */
struct sw_init {
    const char *name;
    const char *summary;
    int uniform; /* 1: uniform in +-sqrt(3) deviation; 0: normal */
    double (*deviation)(double fan_in, double fan_out);
};
const struct sw_init *sw_init_at(size_t index);
const struct sw_init *sw_init_find(const char *name);

/* Words of model.norm_scale; NULL past the end. */
const char *sw_norm_scale_at(size_t index, const char **summary);
/* Are scales drawn from 0..1? */
bool sw_norm_scale_is_uniform(const char *word);

/* Fill theta[arch->parameters]: weights from the distribution, biases and shifts 0, scales of batch norm
 * 1 or, with `uniform_scale`, uniform in 0..1 (SW_RANDOM_SCALE), running means 0, running variances 1.
 * Keyed by (seed, purpose, round, parameter number, element): SW_RANDOM_INIT with round 0,
 * SW_RANDOM_REINIT with the round. */
void sw_init_weights(const struct sw_arch *arch, const struct sw_init *init, bool uniform_scale,
                     uint64_t seed, enum sw_random_purpose purpose, int64_t round, float *theta);
/* The same, but a weight that `mask` (arch->mask_bytes; NULL: it keeps all) does not keep is left as it
 * is, and costs nothing. */
void sw_init_kept(const struct sw_arch *arch, const struct sw_init *init, bool uniform_scale,
                  uint64_t seed, enum sw_random_purpose purpose, int64_t round, const uint8_t *mask,
                  float *theta);

/* Words of model.sparse_init; NULL past the end. */
const char *sw_sparse_init_at(size_t index, const char **summary);
/* Does it act on such a training? */
bool sw_sparse_init_acts(const struct sw_trial_spec *spec, int64_t round, enum sw_control control);
/* Has the trial a training that it acts on, and initial weights there? Errors: SW_CONFIG, with *key. */
enum sw_status sw_sparse_init_check(const struct sw_trial_spec *spec,
                                    const char **key) SW_NODISCARD;
/* Give initial weights theta[arch->parameters], of the distribution model.init, the deviation that
 * follows from the mask: what the mask keeps is multiplied. */
void sw_sparse_init_scale(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                          const uint8_t *mask, float *theta);

/* ---- network on a device -------------------------------------------------------------------- */

struct sw_net; /* opaque */

/* A parameter as the optimizer sees it: n values that train. */
struct sw_net_param {
    const struct sw_param *param; /* borrowed from the arch */
    int64_t n;                    /* survivors; of a bias all elements whose unit is there */
    struct sw_buffer *values;     /* float[n] */
    struct sw_buffer *gradients;  /* float[n], of the last backward; NULL for a statistic */
};

struct sw_net_memory {
    int64_t weights, gradients, activations, workspace; /* bytes allocated on the device */
};

/* Build the network for a mask (NULL keeps all) and batches of up to max_batch samples. A mask that
 * removes whole hidden units or filters and nothing else (their weights and those that read them) makes a
 * smaller dense network; its survivors are still those of the whole one, with the biases of removed units, and
 * batch norm's values of removed channels as they were set. `hal` and
 * `arch` are borrowed and outlive it. Errors: SW_NOMEM, SW_CONFIG (a batch below 1 or above 2^20, a
 * mask that keeps no weight of a layer). */
enum sw_status sw_net_create(struct sw_hal *hal, const struct sw_arch *arch, const uint8_t *mask,
                             int64_t max_batch, struct sw_net **out) SW_NODISCARD;
/* How the layers of a network store their weights. All zero, as for sw_net_create: what is fastest for
 * each, blocks included where a mask is made of them. */
struct sw_net_storage {
    bool
        forced; /* `format` for every layer that is pruned, whatever the table says; others are dense, and
                    removed units stay in their matrices */
    bool whole; /* removed units stay in their matrices, whatever the mask: it is one of many */
    enum sw_layer_format format;
    int64_t
        block; /* not forced: side of the only blocks to look for, 1 none; 0: the largest there are */
};
/* The same, stored like that. Errors: SW_UNSUPPORTED too, for a mask that does not keep or remove BSR's
 * blocks whole; SW_CONFIG for convolutions in other formats than dense and CSR. */
enum sw_status sw_net_create_as(struct sw_hal *hal, const struct sw_arch *arch, const uint8_t *mask,
                                int64_t max_batch, const struct sw_net_storage *storage,
                                struct sw_net **out) SW_NODISCARD;
void sw_net_destroy(struct sw_net **net);

/* The mask that it was built for, [mask_bytes]; borrowed until the next sw_net_reshape. */
const uint8_t *sw_net_mask(const struct sw_net *net);
/* Rebuild it for another mask, in place: its buffers are new, and so are its formats. What both masks
 * keep has its value, what only the new one keeps is 0. Errors: those of sw_net_create_as; the net can
 * then only be destroyed. */
enum sw_status sw_net_reshape(struct sw_net *net, const uint8_t *mask) SW_NODISCARD;

/* Set all values from a dense theta[arch->parameters]; removed weights are not looked at. */
enum sw_status sw_net_set_theta(struct sw_net *net, const float *theta) SW_NODISCARD;
/* Copy the survivors out, parameters in order: float[survivors]; and in from such an array. */
enum sw_status sw_net_get_survivors(const struct sw_net *net, float *out) SW_NODISCARD;
enum sw_status sw_net_set_survivors(struct sw_net *net, const float *survivors) SW_NODISCARD;
int64_t sw_net_survivors(const struct sw_net *net);

/* Input buffer float[features, L] and label buffer int32[L] to gather a batch into; borrowed. */
struct sw_buffer *sw_net_input(struct sw_net *net);
struct sw_buffer *sw_net_labels(struct sw_net *net);

/* Planes of the input buffer (sw_hal_gather_planes), or NULL when it is [features, L] (sw_hal_gather). */
const struct sw_planes *sw_net_input_planes(const struct sw_net *net);

/* How the passes that follow run. A new network evaluates. */
enum sw_net_mode {
    SW_NET_EVALUATE,   /* running statistics, no dropout */
    SW_NET_TRAIN,      /* statistics of the batch, which move the running ones; dropout */
    SW_NET_RECALIBRATE /* statistics of the batch; the running ones become the mean over all passes of
                          this mode since it was set */
};
/* `seed` and `step` choose what dropout drops. */
void sw_net_set_mode(struct sw_net *net, enum sw_net_mode mode, uint64_t seed, int64_t step);
/* Has the network batch norm? */
bool sw_net_has_statistics(const struct sw_net *net);

/* Logits of the batch in the input buffer. batch in 1..max_batch. The passes have to follow each
 * other: forward, loss, backward, each for the same batch. Errors: SW_INTERNAL. */
enum sw_status sw_net_forward(struct sw_net *net, int64_t batch) SW_NODISCARD;
/* Loss of the logits; when `backward` is true also their gradient. */
enum sw_status sw_net_loss(struct sw_net *net, int64_t batch, bool backward, double *loss_sum,
                           int64_t *correct) SW_NODISCARD;
/* Gradients of all parameters (mean over the batch), after forward and loss of the same batch. */
enum sw_status sw_net_backward(struct sw_net *net, int64_t batch) SW_NODISCARD;
/* Logits as host floats [classes, L] (for tests and inference). */
enum sw_status sw_net_get_logits(const struct sw_net *net, int64_t batch, float *out) SW_NODISCARD;

const struct sw_net_param *sw_net_params(const struct sw_net *net, int64_t *n_params);
struct sw_hal *sw_net_hal(const struct sw_net *net);
const struct sw_arch *sw_net_arch(const struct sw_net *net); /* borrowed */
enum sw_layer_format sw_net_layer_format(const struct sw_net *net, int64_t layer);
void sw_net_memory(const struct sw_net *net, struct sw_net_memory *out);

/* Multiplications and additions of one forward pass of one sample, and of its forward and backward
 * (the first layer has no gradient towards its input), for layers with kept[l] weights. */
double sw_net_forward_flops(const struct sw_arch *arch, const int64_t *kept);
double sw_net_step_flops(const struct sw_arch *arch, const int64_t *kept);

/* The bytes that sw_net_create_as will allocate, in advance: those of sw_net_memory afterwards, but for
 * BSR's blocks that an edge cuts. Where blocks are looked for, none are taken to be found. */
void sw_net_predict_memory(const struct sw_arch *arch, const int64_t *kept, int64_t max_batch,
                           enum sw_isa isa, const struct sw_net_storage *storage,
                           struct sw_net_memory *out);
/* The same for a mask that removes whole hidden units or filters, with nothing forced. */
void sw_net_predict_unit_memory(const struct sw_arch *arch, const int64_t *kept, int64_t max_batch,
                                enum sw_isa isa, struct sw_net_memory *out);
