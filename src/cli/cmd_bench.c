/* sweepstake bench: timings of this build on this machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "sweepstake/bench.h"
#include "sweepstake/text.h"

enum { MAX_SPARSITIES = 32 };

struct bench_arguments {
    const char *what, *model, *backend;
    int64_t batch, steps, threads;
    double sparsity[MAX_SPARSITIES];
    int n_sparsities;
    bool json, tune;
};

/* ---- arguments ----------------------------------------------------------------------------------------- */

static const struct argp_option options[] = {
    {"model", 'm', "NAME", 0, "step: the network (lenet-300-100)", 0},
    {"batch", 'b', "N", 0, "samples of a step or columns of a product (128)", 0},
    {"sparsity", 's', "S,...", 0, "step: shares of the weights that are removed (0)", 0},
    {"steps", 'n', "N", 0, "step: timed steps; the median counts (51)", 0},
    {"threads", 't', "N", 0, "threads (1)", 0},
    {"backend", 'd', "NAME", 0, "where to run (cpu)", 0},
    {"tune", 'T', NULL, 0, "kernels: find where sparse overtakes dense; print rows for choice.c",
     0},
    {"json", 'j', NULL, 0, "print JSON, one object on each line", 0},
    {0},
};

static void set_sparsities(struct argp_state *state, struct bench_arguments *arguments,
                           const char *list) {
    char word[64];
    arguments->n_sparsities = 0;
    for (const char *at = list; at != NULL;) {
        const char *comma = strchr(at, ',');
        size_t length = comma != NULL ? (size_t) (comma - at) : strlen(at);
        snprintf(word, sizeof word, "%.*s", (int) (length < sizeof word ? length : 63), at);
        if (arguments->n_sparsities == MAX_SPARSITIES) {
            argp_error(state, "--sparsity: at most %d values", MAX_SPARSITIES);
            sw_cli_leave();
        }
        arguments->sparsity[arguments->n_sparsities++] = sw_cli_real(state, "--sparsity", word, 0,
                                                                     0.9999);
        at = comma != NULL ? comma + 1 : NULL;
    }
}

static error_t set_what(struct argp_state *state, struct bench_arguments *arguments,
                        const char *name) {
    static const char *const names[] = {"step", "kernels"};
    if (arguments->what != NULL)
        return SW_CLI_WRONG(state, "one benchmark only, not also '%s'", name);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) arguments->what = names[i];
    if (arguments->what != NULL) return 0;
    return SW_CLI_WRONG(state, "unknown benchmark '%s': step and kernels are known", name);
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct bench_arguments *arguments = state->input;
    switch (key) {
    case 'm':
        arguments->model = arg;
        return 0;
    case 'b':
        arguments->batch = sw_cli_int(state, "--batch", arg, 1, 65536);
        return 0;
    case 's':
        set_sparsities(state, arguments, arg);
        return 0;
    case 'n':
        arguments->steps = sw_cli_int(state, "--steps", arg, 1, 1000000);
        return 0;
    case 't':
        arguments->threads = sw_cli_int(state, "--threads", arg, 1, 1024);
        return 0;
    case 'd':
        arguments->backend = arg;
        return 0;
    case 'T':
        arguments->tune = true;
        return 0;
    case 'j':
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        return set_what(state, arguments, arg);
    case ARGP_KEY_END:
        if (!arguments->tune || (strcmp(arguments->what, "kernels") == 0 && !arguments->json))
            return 0;
        return SW_CLI_WRONG(state, "--tune is for kernels, and prints C source, not JSON");
    case ARGP_KEY_NO_ARGS:
        return SW_CLI_WRONG(state, "which benchmark: step or kernels?");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse_option,
    .args_doc = "step|kernels",
    .doc =
        "Time this build on this machine.\v"
        "step: a whole training step on made-up data: batch gather and transpose, forward, loss, "
        "backward, SGD with momentum 0.9, under a random mask.\n"
        "kernels: the products of linear layers, beside the machine's sgemm rate."};

/* ---- step ------------------------------------------------------------------------------------------------- */

static void print_step_json(const struct bench_arguments *arguments, double sparsity,
                            const struct sw_bench_step *step) {
    json_t *json = json_object();
    json_object_set_new(json, "model", sw_cli_json_text(arguments->model));
    json_object_set_new(json, "batch", json_integer(arguments->batch));
    json_object_set_new(json, "sparsity", json_real(sparsity));
    json_object_set_new(json, "threads", json_integer(arguments->threads));
    json_object_set_new(json, "backend", sw_cli_json_text(arguments->backend));
    json_object_set_new(json, "isa", json_string(sw_isa_name(sw_isa_detect())));
    json_object_set_new(json, "steps", json_integer(step->steps));
    json_object_set_new(json, "step_ms", json_real(step->step_ms));
    json_object_set_new(json, "fastest_ms", json_real(step->fastest_ms));
    json_object_set_new(json, "slowest_ms", json_real(step->slowest_ms));
    json_object_set_new(json, "us_per_sample", json_real(step->us_per_sample));
    json_object_set_new(json, "gflops", json_real(step->gflops));
    json_object_set_new(json, "flops", json_real(step->flops));
    json_object_set_new(json, "peak_bytes", json_integer(step->peak_bytes));
    json_object_set_new(json, "bytes_weights", json_integer(step->bytes_weights));
    json_object_set_new(json, "bytes_gradients", json_integer(step->bytes_gradients));
    json_object_set_new(json, "bytes_optimizer", json_integer(step->bytes_optimizer));
    json_object_set_new(json, "bytes_activations", json_integer(step->bytes_activations));
    json_object_set_new(json, "bytes_workspace", json_integer(step->bytes_workspace));
    json_object_set_new(json, "parameters", json_integer(step->parameters));
    json_object_set_new(json, "survivors", json_integer(step->survivors));
    sw_cli_print_json(json, 0);
}

static void print_step_text(double sparsity, const struct sw_bench_step *step) {
    char bytes[32];
    printf("%8.4g  %8.3f  %8.3f  %8.3f  %9.3f  %7.2f  %s\n", sparsity, step->step_ms,
           step->fastest_ms, step->slowest_ms, step->us_per_sample, step->gflops,
           sw_text_bytes(bytes, sizeof bytes, (double) step->peak_bytes));
}

static enum sw_status bench_step(const struct bench_arguments *arguments) {
    struct sw_bench_step_options step_options = {.model = arguments->model,
                                                 .backend = arguments->backend,
                                                 .classes = 10,
                                                 .batch = arguments->batch,
                                                 .steps = arguments->steps,
                                                 .threads = (int) arguments->threads,
                                                 .isa = sw_isa_detect()};
    for (int i = 0; i < arguments->n_sparsities; i++) {
        struct sw_bench_step step;
        step_options.sparsity = arguments->sparsity[i];
        SW_TRY(sw_bench_time_step(&step_options, &step));
        if (arguments->json) {
            print_step_json(arguments, arguments->sparsity[i], &step);
            continue;
        }
        if (i == 0)
            printf("%s, batch %lld, backend %s (%s), threads %lld, median of %lld steps\n"
                   "sparsity   step ms   fastest   slowest  us/sample  GFLOP/s  memory\n",
                   arguments->model, (long long) arguments->batch, arguments->backend,
                   sw_isa_name(step_options.isa), (long long) arguments->threads,
                   (long long) step.steps);
        print_step_text(arguments->sparsity[i], &step);
    }
    return SW_OK;
}

/* ---- kernels ---------------------------------------------------------------------------------------------- */

static void print_kernel_json(const struct sw_bench_kernel *kernel, double sgemm) {
    json_t *json = json_object();
    json_object_set_new(json, "kernel", json_string(kernel->name));
    json_object_set_new(json, "out", json_integer(kernel->out));
    json_object_set_new(json, "in", json_integer(kernel->in));
    json_object_set_new(json, "batch", json_integer(kernel->batch));
    json_object_set_new(json, "nnz", json_integer(kernel->nnz));
    json_object_set_new(json, "sparsity", json_real(kernel->sparsity));
    json_object_set_new(json, "us", json_real(kernel->us));
    json_object_set_new(json, "gflops", json_real(kernel->gflops));
    json_object_set_new(json, "ratio", json_real(kernel->ratio));
    json_object_set_new(json, "sgemm_gflops", json_real(sgemm));
    sw_cli_print_json(json, 0);
}

static void print_kernels_text(const struct sw_bench_kernel *kernels, int64_t n, double sgemm) {
    printf("sgemm of this machine: %.1f GFLOP/s, one thread; ratio is to that\n"
           "kernel                    out    in  batch  sparsity         us  GFLOP/s  ratio\n",
           sgemm);
    for (int64_t i = 0; i < n; i++)
        printf("%-23s  %4lld  %4lld  %5lld  %8.3g  %9.2f  %7.2f  %5.2f\n", kernels[i].name,
               (long long) kernels[i].out, (long long) kernels[i].in, (long long) kernels[i].batch,
               kernels[i].sparsity, kernels[i].us, kernels[i].gflops, kernels[i].ratio);
}

static enum sw_status bench_kernels(const struct bench_arguments *arguments) {
    struct sw_bench_kernel_options kernel_options = {.backend = arguments->backend,
                                                     .batch = arguments->batch,
                                                     .seconds = 0.05,
                                                     .threads = (int) arguments->threads,
                                                     .isa = sw_isa_detect()};
    static struct sw_bench_kernel kernels[SW_BENCH_KERNELS_MAX];
    double sgemm = 0;
    int64_t n = 0;
    SW_TRY(sw_bench_time_kernels(&kernel_options, &sgemm, kernels, &n));
    if (!arguments->json) {
        print_kernels_text(kernels, n, sgemm);
        return SW_OK;
    }
    for (int64_t i = 0; i < n; i++)
        print_kernel_json(&kernels[i], sgemm);
    return SW_OK;
}

/* Limits of a row of choice.c: weights half-way, on a log scale, to the next measured shape. */
static enum sw_status bench_tune(const struct bench_arguments *arguments) {
    static const char *const limits[SW_BENCH_TUNED] = {"4096", "1 << 16", "1 << 19", "INT64_MAX"};
    struct sw_bench_kernel_options kernel_options = {.backend = arguments->backend,
                                                     .batch = arguments->batch,
                                                     .seconds = 0.05,
                                                     .threads = (int) arguments->threads,
                                                     .isa = sw_isa_detect()};
    struct sw_bench_crossing rows[SW_BENCH_TUNED];
    SW_TRY(sw_bench_tune(&kernel_options, rows));
    for (int i = 0; i < SW_BENCH_TUNED; i++)
        printf("    {%s, SW_ISA_%s, %d}, /* %lld x %lld, batch %lld */\n", limits[i],
               kernel_options.isa == SW_ISA_AVX2 ? "AVX2" : "GENERIC", rows[i].percent,
               (long long) rows[i].out, (long long) rows[i].in, (long long) arguments->batch);
    return SW_OK;
}

static enum sw_status run_bench(const struct bench_arguments *arguments) {
    if (strcmp(arguments->what, "step") == 0) return bench_step(arguments);
    return arguments->tune ? bench_tune(arguments) : bench_kernels(arguments);
}

int sw_cli_bench(int argc, char **argv) {
    struct bench_arguments arguments = {.model = "lenet-300-100",
                                        .backend = "cpu",
                                        .batch = 128,
                                        .steps = 51,
                                        .threads = 1,
                                        .n_sparsities = 1};
    sw_cli_parse(&argp, argc, argv, &arguments);
    enum sw_status status = run_bench(&arguments);
    return status == SW_OK ? 0 : sw_cli_fail(status);
}
