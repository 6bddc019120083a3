/* Module: net
 * Purpose: model name -> parameters (struct sw_arch) -> a network on a device with sparse layers.
 * Takes: masks and weights in host memory. Gives: forward, loss, backward; parameters as compact
 * arrays of survivors that an optimizer walks over. A layer's kept weights live in one compact
 * array (values, row order); gradients and optimizer state exist for those only. Whether a layer
 * multiplies through CSR kernels or scatters into a dense matrix for the BLAS is
 * sw_hal_choose_format's decision. */
#pragma once

#include "sweepstake/data.h"
#include "sweepstake/hal.h"
#include "sweepstake/random.h"
#include "sweepstake/sweep.h"

/* ---- models --------------------------------------------------------------------------------- */

/* A layer as a model lists it. Linear layers for now; the kind chooses the row of layers.def. */
enum sw_layer_kind { SW_LAYER_LINEAR };
struct sw_layer_desc {
    enum sw_layer_kind kind;
    char name[24]; /* "fc1": its parameters are fc1.weight and fc1.bias */
    int64_t in, out;
    int relu; /* 1: ReLU after it */
};
#define SW_MODEL_MAX_LAYERS 64
struct sw_model_desc {
    int64_t n_layers;
    struct sw_layer_desc layers[SW_MODEL_MAX_LAYERS];
};

/* A family of models: one line in src/net/models.def. */
struct sw_model {
    const char *name; /* "lenet-300-100", or a pattern to show people: "mlp-A-B-..." */
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

/* Fill theta[arch->parameters]: weights from the distribution, biases 0. Keyed by (seed, purpose,
 * round, parameter number, element): SW_RANDOM_INIT with round 0, SW_RANDOM_REINIT with the round.
 */
void sw_init_weights(const struct sw_arch *arch, const struct sw_init *init, uint64_t seed,
                     enum sw_random_purpose purpose, int64_t round, float *theta);
/* The same, but a weight that `mask` (arch->mask_bytes; NULL: it keeps all) does not keep is left as it
 * is, and costs nothing. */
void sw_init_kept(const struct sw_arch *arch, const struct sw_init *init, uint64_t seed,
                  enum sw_random_purpose purpose, int64_t round, const uint8_t *mask, float *theta);

/* ---- network on a device -------------------------------------------------------------------- */

struct sw_net; /* opaque */

/* A parameter as the optimizer sees it: n values that train. */
struct sw_net_param {
    const struct sw_param *param; /* borrowed from the arch */
    int64_t n;                    /* survivors; of a bias all elements whose unit is there */
    struct sw_buffer *values;     /* float[n] */
    struct sw_buffer *gradients;  /* float[n], of the last backward */
};

struct sw_net_memory {
    int64_t weights, gradients, activations, workspace; /* bytes allocated on the device */
};

/* Build the network for a mask (NULL keeps all) and batches of up to max_batch samples. A mask that
 * removes whole hidden units and nothing else (their weights and those that read them) makes a smaller
 * dense network; its survivors are still those of the whole one, with the biases of removed units. `hal` and
 * `arch` are borrowed and outlive it. Errors: SW_NOMEM, SW_CONFIG (a batch below 1 or above 2^20, a
 * mask that keeps no weight of a layer). */
enum sw_status sw_net_create(struct sw_hal *hal, const struct sw_arch *arch, const uint8_t *mask,
                             int64_t max_batch, struct sw_net **out) SW_NODISCARD;
/* The same with every layer in one format, whatever the table says: for comparing formats. */
enum sw_status sw_net_create_in_format(struct sw_hal *hal, const struct sw_arch *arch,
                                       const uint8_t *mask, int64_t max_batch,
                                       enum sw_layer_format format,
                                       struct sw_net **out) SW_NODISCARD;
void sw_net_destroy(struct sw_net **net);

/* Set all values from a dense theta[arch->parameters]; removed weights are not looked at. */
enum sw_status sw_net_set_theta(struct sw_net *net, const float *theta) SW_NODISCARD;
/* Copy the survivors out, parameters in order: float[survivors]; and in from such an array. */
enum sw_status sw_net_get_survivors(const struct sw_net *net, float *out) SW_NODISCARD;
enum sw_status sw_net_set_survivors(struct sw_net *net, const float *survivors) SW_NODISCARD;
int64_t sw_net_survivors(const struct sw_net *net);

/* Input buffer float[features, L] and label buffer int32[L] to gather a batch into; borrowed. */
struct sw_buffer *sw_net_input(struct sw_net *net);
struct sw_buffer *sw_net_labels(struct sw_net *net);

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

/* The bytes that sw_net_create will allocate, in advance: those of sw_net_memory afterwards. */
void sw_net_predict_memory(const struct sw_arch *arch, const int64_t *kept, int64_t max_batch,
                           enum sw_isa isa, struct sw_net_memory *out);
/* The same for a mask that removes whole hidden units. */
void sw_net_predict_unit_memory(const struct sw_arch *arch, const int64_t *kept, int64_t max_batch,
                                enum sw_isa isa, struct sw_net_memory *out);
