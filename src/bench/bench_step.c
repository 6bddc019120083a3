/* A whole training step, the same work that a PyTorch user's masked step does. */
#include <math.h>
#include <string.h>

#include "bench.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/random.h"
#include "sweepstake/train.h"

enum { WARMUP_STEPS = 2, BATCHES = 8, MAX_STATES = 4 };

/* The optimizer's buffers for one parameter. */
struct states {
    struct sw_buffer *buffers[MAX_STATES];
};

/* Everything that a step touches. */
struct bench {
    const struct sw_bench_step_options *options;
    struct sw_trial_spec spec;
    const struct sw_optimizer *optimizer;
    struct sw_arch arch;
    int64_t features, plane, samples;
    int64_t kept[SW_MAX_LAYERS];
    uint8_t *mask;
    float *theta;
    uint8_t *images, *labels;
    float *table;
    int32_t *index;
    struct sw_hal *hal;
    struct sw_net *net;
    struct sw_buffer *device_images, *device_labels, *device_table;
    int n_states;
    int64_t n_params;
    struct states *states; /* [n_params] */
    double *times;         /* [options->steps] */
    double loss;
};

static void fini(struct bench *bench) {
    for (int64_t i = 0; bench->states != NULL && i < bench->n_params; i++)
        for (int s = 0; s < bench->n_states; s++)
            sw_hal_free(&bench->states[i].buffers[s]);
    SW_FREE(&bench->states);
    sw_hal_free(&bench->device_images);
    sw_hal_free(&bench->device_labels);
    sw_hal_free(&bench->device_table);
    sw_net_destroy(&bench->net);
    sw_hal_close(&bench->hal);
    SW_FREE(&bench->mask);
    SW_FREE(&bench->theta);
    SW_FREE(&bench->images);
    SW_FREE(&bench->labels);
    SW_FREE(&bench->table);
    SW_FREE(&bench->index);
    SW_FREE(&bench->times);
    sw_arch_fini(&bench->arch);
}

static enum sw_status describe_model(struct bench *bench) {
    const struct sw_bench_step_options *options = bench->options;
    int64_t shape[3];
    sw_bench_input_shape(options->model, shape);
    if (options->input_shape[0] > 0) memcpy(shape, options->input_shape, sizeof shape);
    SW_TRY(sw_arch_create(options->model, shape, options->classes, &bench->arch));
    if (bench->arch.n_layers > SW_MAX_LAYERS)
        return SW_FAIL(SW_UNSUPPORTED, "%s has %lld layers; %d can be timed", options->model,
                       (long long) bench->arch.n_layers, SW_MAX_LAYERS);
    bench->plane = shape[1] * shape[2];
    bench->features = shape[0] * bench->plane;
    bench->samples = BATCHES * options->batch;
    return SW_OK;
}

static enum sw_status make_mask(struct bench *bench) {
    const struct sw_arch *arch = &bench->arch;
    SW_TRY(sw_bench_prune(arch, bench->options->granularity, bench->options->sparsity, bench->theta,
                          bench->mask));
    for (int64_t layer = 0; layer < arch->n_layers; layer++)
        bench->kept[layer] = sw_mask_count(bench->mask + sw_arch_layer(arch, layer)->mask_offset,
                                           sw_arch_layer(arch, layer)->count);
    return SW_OK;
}

static enum sw_status make_weights(struct bench *bench) {
    const struct sw_arch *arch = &bench->arch;
    SW_TRY(SW_ALLOC(&bench->mask, (size_t) arch->mask_bytes, "mask"));
    SW_TRY(SW_ALLOC(&bench->theta, (size_t) arch->parameters, "weights"));
    const struct sw_init *init = sw_init_find(bench->spec.model_init);
    if (init == NULL) return SW_FAIL(SW_INTERNAL, "no init '%s'", bench->spec.model_init);
    sw_init_weights(arch, init, false, 1, SW_RANDOM_INIT, 0, bench->theta);
    return make_mask(bench);
}

static enum sw_status make_samples(struct bench *bench) {
    size_t pixels = (size_t) (bench->samples * bench->features);
    int64_t channels = bench->features / bench->plane;
    SW_TRY(SW_ALLOC(&bench->images, pixels, "images"));
    SW_TRY(SW_ALLOC(&bench->labels, (size_t) bench->samples, "labels"));
    SW_TRY(SW_ALLOC(&bench->table, (size_t) channels * 256, "pixel table"));
    SW_TRY(SW_ALLOC(&bench->index, (size_t) bench->samples, "order"));
    for (size_t i = 0; i < pixels; i += 8) {
        uint64_t word = sw_random_u64(1, SW_RANDOM_BENCH, 1000, i / 8);
        memcpy(bench->images + i, &word, pixels - i < 8 ? pixels - i : 8);
    }
    for (int64_t i = 0; i < bench->samples; i++)
        bench->labels[i] = (uint8_t) (i % bench->options->classes);
    for (int64_t i = 0; i < channels * 256; i++)
        bench->table[i] = (float) (i % 256) / 255.0f;
    sw_random_permutation(1, SW_RANDOM_BENCH, 1001, bench->index, bench->samples);
    return SW_OK;
}

static enum sw_status open_device(struct bench *bench) {
    const struct sw_bench_step_options *options = bench->options;
    int64_t channels = bench->features / bench->plane;
    SW_TRY(sw_bench_open_hal(options->backend, options->threads, options->isa, &bench->hal));
    SW_TRY(sw_net_create_as(bench->hal, &bench->arch, bench->mask, options->batch,
                            &options->storage, &bench->net));
    SW_TRY(sw_net_set_theta(bench->net, bench->theta));
    SW_TRY(sw_hal_wrap(bench->hal, bench->images, bench->samples * bench->features,
                       &bench->device_images));
    SW_TRY(sw_hal_wrap(bench->hal, bench->labels, bench->samples, &bench->device_labels));
    return sw_hal_wrap(bench->hal, bench->table, channels * 256 * (int64_t) sizeof(float),
                       &bench->device_table);
}

static enum sw_status make_optimizer(struct bench *bench) {
    bench->optimizer = sw_optimizer_find("sgd");
    if (bench->optimizer == NULL) return SW_FAIL(SW_INTERNAL, "this build has no sgd");
    bench->n_states = bench->optimizer->n_states(&bench->spec);
    if (bench->n_states > MAX_STATES) return SW_FAIL(SW_INTERNAL, "sgd has too many states");
    const struct sw_net_param *params = sw_net_params(bench->net, &bench->n_params);
    SW_TRY(SW_ALLOC(&bench->states, (size_t) bench->n_params, "states"));
    for (int64_t i = 0; i < bench->n_params; i++)
        for (int s = 0; s < bench->n_states && params[i].gradients != NULL; s++)
            SW_TRY(sw_hal_alloc(bench->hal, params[i].n * (int64_t) sizeof(float), "momentum",
                                &bench->states[i].buffers[s]));
    return SW_OK;
}

static enum sw_status update(struct bench *bench, int64_t step) {
    const struct sw_net_param *params = sw_net_params(bench->net, &bench->n_params);
    for (int64_t i = 0; i < bench->n_params; i++)
        if (params[i].gradients != NULL)
            SW_TRY(bench->optimizer->update(bench->hal, &bench->spec, &params[i],
                                            bench->states[i].buffers, step,
                                            bench->spec.train_optimizer_lr));
    return SW_OK;
}

static enum sw_status gather(struct bench *bench, const int32_t *index, int64_t batch) {
    const struct sw_planes *planes = sw_net_input_planes(bench->net);
    if (planes != NULL)
        return sw_hal_gather_planes(bench->hal, bench->device_images, bench->device_labels,
                                    bench->device_table, index, NULL, planes, batch,
                                    sw_net_input(bench->net), sw_net_labels(bench->net));
    return sw_hal_gather(bench->hal, bench->device_images, bench->device_labels,
                         bench->device_table, index, bench->features, bench->plane, batch,
                         sw_net_input(bench->net), sw_net_labels(bench->net));
}

static enum sw_status run_step(struct bench *bench, int64_t step) {
    int64_t batch = bench->options->batch, correct = 0;
    const int32_t *index = bench->index + (step % BATCHES) * batch;
    SW_TRY(gather(bench, index, batch));
    sw_net_set_mode(bench->net, SW_NET_TRAIN, 1, step);
    SW_TRY(sw_net_forward(bench->net, batch));
    SW_TRY(sw_net_loss(bench->net, batch, true, &bench->loss, &correct));
    SW_TRY(sw_net_backward(bench->net, batch));
    return update(bench, step + 1);
}

static enum sw_status run_steps(struct bench *bench, int64_t *n_timed) {
    const struct sw_bench_step_options *options = bench->options;
    double begin = sw_clock_monotonic();
    int64_t n = 0;
    for (int64_t step = 0; n < options->steps; step++) {
        double start = sw_clock_monotonic();
        SW_TRY(run_step(bench, step));
        double end = sw_clock_monotonic();
        if (step >= WARMUP_STEPS) bench->times[n++] = end - start;
        if (options->seconds > 0 && n >= 3 && end - begin > options->seconds) break;
    }
    *n_timed = n;
    return SW_OK;
}

static void report(struct bench *bench, int64_t steps, struct sw_bench_step *out) {
    struct sw_net_memory memory;
    sw_net_memory(bench->net, &memory);
    double median = sw_bench_median(bench->times, steps);
    double flops = sw_net_step_flops(&bench->arch, bench->kept) * (double) bench->options->batch;
    int64_t survivors = sw_net_survivors(bench->net), kept = 0, optimizer = 0;
    for (int64_t layer = 0; layer < bench->arch.n_layers; layer++)
        kept += bench->kept[layer];
    for (int64_t i = 0; i < bench->n_params; i++)
        for (int s = 0; s < bench->n_states && bench->states[i].buffers[s] != NULL; s++)
            optimizer += sw_hal_bytes(bench->states[i].buffers[s]);
    *out = (struct sw_bench_step){
        .steps = steps,
        .step_ms = median * 1e3,
        .fastest_ms = bench->times[0] * 1e3,
        .slowest_ms = bench->times[steps - 1] * 1e3,
        .us_per_sample = median / (double) bench->options->batch * 1e6,
        .gflops = flops / median * 1e-9,
        .flops = flops,
        .loss = bench->loss / (double) bench->options->batch,
        .parameters = bench->arch.trained,
        .survivors = survivors,
        .sparsity = 1 - (double) kept / (double) bench->arch.prunable,
        .bytes_weights = memory.weights,
        .bytes_gradients = memory.gradients,
        .bytes_optimizer = optimizer,
        .bytes_activations = memory.activations,
        .bytes_workspace = memory.workspace,
        .peak_bytes = memory.weights + memory.gradients + optimizer + memory.activations +
                      memory.workspace,
    };
}

enum sw_status sw_bench_time_step(const struct sw_bench_step_options *options,
                                  struct sw_bench_step *out) {
    struct bench bench = {.options = options};
    enum sw_status status = SW_OK;
    int64_t steps = 0;
    sw_spec_set_defaults(&bench.spec);
    bench.spec.train_optimizer_lr = 0.01;
    bench.spec.train_optimizer_momentum = 0.9;
    SW_TRY_TO(describe_model(&bench), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&bench.times, (size_t) options->steps, "times"), status, cleanup);
    SW_TRY_TO(make_weights(&bench), status, cleanup);
    SW_TRY_TO(make_samples(&bench), status, cleanup);
    SW_TRY_TO(open_device(&bench), status, cleanup);
    SW_TRY_TO(make_optimizer(&bench), status, cleanup);
    SW_TRY_TO(run_steps(&bench, &steps), status, cleanup);
    if (!isfinite(bench.loss))
        status = SW_FAIL(SW_INTERNAL, "the benchmark's loss is not finite");
    else
        report(&bench, steps, out);
cleanup:
    fini(&bench);
    return status;
}
