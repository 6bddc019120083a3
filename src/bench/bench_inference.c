/* One network's forward passes in several formats, each in turn, so that a machine that is busy for a
 * while is so for all of them. */
#include <math.h>
#include <string.h>

#include "bench.h"
#include "sweepstake/memory.h"
#include "sweepstake/random.h"

enum { N_BATCHES = 2, LARGEST = 64 };
static const int64_t batches[N_BATCHES] = {1, LARGEST};

/* Formats may differ by the order of their sums, not by more. */
#define ALLOWED_DIFFERENCE 1e-3

/* ---- tickets -------------------------------------------------------------------------------------- */

void sw_bench_ticket_fini(struct sw_bench_ticket *ticket) {
    sw_arch_fini(&ticket->arch);
    SW_FREE(&ticket->mask);
    SW_FREE(&ticket->theta);
}

static enum sw_status alloc_ticket(const char *model, const int64_t input_shape[3], int64_t classes,
                                   struct sw_bench_ticket *ticket) {
    SW_TRY(sw_arch_create(model, input_shape, classes, &ticket->arch));
    SW_TRY(SW_ALLOC(&ticket->mask, (size_t) ticket->arch.mask_bytes, "mask"));
    return SW_ALLOC(&ticket->theta, (size_t) ticket->arch.parameters, "weights");
}

/* Removed weights are 0, so that the dense network computes the same. */
static void apply_mask(struct sw_bench_ticket *ticket) {
    int64_t kept = 0;
    for (int64_t l = 0; l < ticket->arch.n_layers; l++) {
        const struct sw_param *param = sw_arch_layer(&ticket->arch, l);
        const uint8_t *mask = ticket->mask + param->mask_offset;
        float *theta = ticket->theta + param->offset;
        for (int64_t i = 0; i < param->count; i++)
            if (!sw_mask_get(mask, i)) theta[i] = 0;
        kept += sw_mask_count(mask, param->count);
    }
    ticket->sparsity = 1 - (double) kept / (double) ticket->arch.prunable;
}

enum sw_status sw_bench_make_ticket(const char *model, const int64_t input_shape[3],
                                    int64_t classes, const char *granularity, double sparsity,
                                    struct sw_bench_ticket *out) {
    struct sw_bench_ticket ticket;
    int64_t shape[3];
    enum sw_status status = SW_OK;
    memset(&ticket, 0, sizeof ticket);
    sw_bench_input_shape(model, shape);
    if (input_shape != NULL) memcpy(shape, input_shape, sizeof shape);
    SW_TRY_TO(alloc_ticket(model, shape, classes, &ticket), status, cleanup);
    sw_init_weights(&ticket.arch, sw_init_at(0), false, 1, SW_RANDOM_INIT, 0, ticket.theta);
    SW_TRY_TO(sw_bench_prune(&ticket.arch, granularity, sparsity, ticket.theta, ticket.mask),
              status, cleanup);
    apply_mask(&ticket);
    *out = ticket;
    return SW_OK;
cleanup:
    sw_bench_ticket_fini(&ticket);
    return status;
}

static int64_t count_survivors(const struct sw_bench_ticket *ticket) {
    int64_t n = ticket->arch.parameters - ticket->arch.prunable;
    for (int64_t l = 0; l < ticket->arch.n_layers; l++) {
        const struct sw_param *param = sw_arch_layer(&ticket->arch, l);
        n += sw_mask_count(ticket->mask + param->mask_offset, param->count);
    }
    return n;
}

static enum sw_status load(struct sw_store *store, const struct sw_round_plan *plan,
                           struct sw_bench_ticket *ticket, float **survivors) {
    const struct sw_arch *arch = sw_store_arch(store, plan->arch);
    size_t length = 0;
    if (arch == NULL) return SW_FAIL(SW_DAMAGED, "row %lld has no network", (long long) plan->row);
    SW_TRY(alloc_ticket(arch->model, arch->input_shape, arch->classes, ticket));
    size_t mask_bytes = (size_t) ticket->arch.mask_bytes;
    SW_TRY(
        sw_store_read(store, plan->mask_owner, SW_SECTION_MASK, ticket->mask, mask_bytes, &length));
    size_t n = length == mask_bytes ? (size_t) count_survivors(ticket) : 0;
    if (n == 0 || (int64_t) n > plan->survivors) /* blocks may be fewer than planned */
        return SW_FAIL(SW_DAMAGED, "row %lld has a mask that its network and its plan do not fit",
                       (long long) plan->row);
    SW_TRY(SW_ALLOC(survivors, n, "trained weights"));
    SW_TRY(sw_store_read(store, plan->row, SW_SECTION_WEIGHTS, *survivors, n * sizeof(float),
                         &length));
    if (length != n * sizeof(float))
        return SW_FAIL(SW_DAMAGED, "row %lld has no trained weights", (long long) plan->row);
    return SW_OK;
}

enum sw_status sw_bench_load_ticket(struct sw_store *store, int64_t row,
                                    struct sw_bench_ticket *out) {
    const struct sw_round_plan *plan = sw_store_round(store, row);
    struct sw_bench_ticket ticket;
    float *survivors = NULL;
    if (plan == NULL) return SW_FAIL(SW_NOT_FOUND, "the store has no row %lld", (long long) row);
    memset(&ticket, 0, sizeof ticket);
    enum sw_status status = load(store, plan, &ticket, &survivors);
    if (status == SW_OK) {
        sw_arch_scatter(&ticket.arch, ticket.mask, survivors, ticket.theta);
        apply_mask(&ticket);
        *out = ticket;
    } else {
        sw_bench_ticket_fini(&ticket);
    }
    SW_FREE(&survivors);
    return status;
}

/* ---- timing --------------------------------------------------------------------------------------- */

struct bench {
    const struct sw_bench_inference_options *options;
    struct sw_hal *hal;
    struct sw_net *nets[SW_BENCH_FORMATS];
    float *input;                      /* [features, LARGEST] */
    float *logits[SW_BENCH_FORMATS];   /* [classes, LARGEST] */
    double *seconds[SW_BENCH_FORMATS]; /* [passes] */
};

static const char *const formats[SW_BENCH_FORMATS] = {"dense", "csr", "chosen"};

static void drop(struct bench *bench) {
    for (int f = 0; f < SW_BENCH_FORMATS; f++) {
        sw_net_destroy(&bench->nets[f]);
        SW_FREE(&bench->logits[f]);
        SW_FREE(&bench->seconds[f]);
    }
    SW_FREE(&bench->input);
    sw_hal_close(&bench->hal);
}

/* Dense is what a user of dense kernels has: all weights, zeros among them, and no mask. */
static enum sw_status create_nets(struct bench *bench) {
    const struct sw_bench_ticket *ticket = bench->options->ticket;
    const struct sw_arch *arch = &ticket->arch;
    const struct sw_net_storage csr = {.forced = true, .format = SW_FORMAT_CSR};
    SW_TRY(sw_net_create(bench->hal, arch, NULL, LARGEST, &bench->nets[0]));
    SW_TRY(sw_net_create_as(bench->hal, arch, ticket->mask, LARGEST, &csr, &bench->nets[1]));
    SW_TRY(sw_net_create(bench->hal, arch, ticket->mask, LARGEST, &bench->nets[2]));
    for (int f = 0; f < SW_BENCH_FORMATS; f++)
        SW_TRY(sw_net_set_theta(bench->nets[f], ticket->theta));
    return SW_OK;
}

/* The images [features, LARGEST] as the network lays them out. */
static enum sw_status upload_input(struct bench *bench, struct sw_buffer *input,
                                   const struct sw_planes *planes) {
    struct sw_buffer *rows = NULL;
    const int64_t *shape = bench->options->ticket->arch.input_shape;
    int64_t bytes = shape[0] * shape[1] * shape[2] * LARGEST * (int64_t) sizeof(float);
    if (planes == NULL) return sw_hal_upload(input, 0, bench->input, bytes);
    SW_TRY(sw_hal_alloc(bench->hal, bytes, "images", &rows));
    enum sw_status status = sw_hal_upload(rows, 0, bench->input, bytes);
    if (status == SW_OK) status = sw_hal_unflatten(bench->hal, planes, rows, LARGEST, input);
    sw_hal_free(&rows);
    return status;
}

static enum sw_status set_up(struct bench *bench) {
    const struct sw_bench_inference_options *options = bench->options;
    const struct sw_arch *arch = &options->ticket->arch;
    int64_t values = arch->input_shape[0] * arch->input_shape[1] * arch->input_shape[2] * LARGEST;
    SW_TRY(sw_bench_open_hal(options->backend, options->threads, options->isa, &bench->hal));
    SW_TRY(create_nets(bench));
    SW_TRY(SW_ALLOC(&bench->input, (size_t) values, "images"));
    for (int64_t i = 0; i < values; i++)
        bench->input[i] = (float) sw_random_uniform(1, SW_RANDOM_BENCH, 3000, (uint64_t) i);
    for (int f = 0; f < SW_BENCH_FORMATS; f++) {
        SW_TRY(SW_ALLOC(&bench->logits[f], (size_t) (arch->classes * LARGEST), "logits"));
        SW_TRY(SW_ALLOC(&bench->seconds[f], (size_t) options->passes, "times"));
        SW_TRY(
            upload_input(bench, sw_net_input(bench->nets[f]), sw_net_input_planes(bench->nets[f])));
    }
    return SW_OK;
}

static enum sw_status run_pass(struct bench *bench, int format, int64_t batch, double *seconds) {
    double start = sw_clock_monotonic();
    SW_TRY(sw_net_forward(bench->nets[format], batch));
    SW_TRY(sw_net_get_logits(bench->nets[format], batch, bench->logits[format]));
    *seconds = sw_clock_monotonic() - start;
    return SW_OK;
}

/* Of the samples of the batch; the lanes that pad it have no meaning. */
static double find_difference(const struct bench *bench, int format, int64_t batch) {
    double largest = 0, difference = 0;
    for (int64_t c = 0; c < bench->options->ticket->arch.classes; c++)
        for (int64_t b = 0; b < batch; b++) {
            int64_t at = c * sw_hal_lanes(batch) + b;
            double dense = bench->logits[0][at], other = bench->logits[format][at];
            largest = fmax(largest, fabs(dense));
            difference = fmax(difference, fabs(dense - other));
        }
    return largest > 0 ? difference / largest : difference;
}

/* One letter per layer. */
static void list_formats(const struct bench *bench, int format, char out[SW_BENCH_LAYERS]) {
    int64_t n = bench->options->ticket->arch.n_layers;
    for (int64_t l = 0; l < n && l < SW_BENCH_LAYERS - 1; l++)
        out[l] = sw_format_letter(sw_net_layer_format(bench->nets[format], l));
}

static enum sw_status time_batch(struct bench *bench, int64_t batch,
                                 struct sw_bench_inference *out) {
    int64_t passes = bench->options->passes;
    for (int64_t i = -1; i < passes; i++) /* the first one warms the caches */
        for (int f = 0; f < SW_BENCH_FORMATS; f++)
            SW_TRY(run_pass(bench, f, batch, &bench->seconds[f][i < 0 ? 0 : i]));
    for (int f = 0; f < SW_BENCH_FORMATS; f++) {
        struct sw_net_memory memory;
        sw_net_memory(bench->nets[f], &memory);
        out[f] = (struct sw_bench_inference){
            .batch = batch,
            .format = formats[f],
            .us = 1e6 * sw_bench_median(bench->seconds[f], passes),
            .bytes_weights = memory.weights,
            .bytes_activations = memory.activations,
            .difference = find_difference(bench, f, batch),
        };
        list_formats(bench, f, out[f].layers);
        out[f].ratio = out[0].us / out[f].us;
        if (!(out[f].difference <= ALLOWED_DIFFERENCE))
            return SW_FAIL(SW_INTERNAL, "%s and dense give logits that differ by %g of the largest",
                           formats[f], out[f].difference);
    }
    return SW_OK;
}

enum sw_status sw_bench_time_inference(const struct sw_bench_inference_options *options,
                                       struct sw_bench_inference out[SW_BENCH_INFERENCES]) {
    struct bench bench = {.options = options};
    struct sw_bench_inference result[SW_BENCH_INFERENCES];
    enum sw_status status = set_up(&bench);
    for (int i = 0; i < N_BATCHES && status == SW_OK; i++)
        status = time_batch(&bench, batches[i], &result[(ptrdiff_t) i * SW_BENCH_FORMATS]);
    drop(&bench);
    if (status == SW_OK) memcpy(out, result, sizeof result);
    return status;
}
