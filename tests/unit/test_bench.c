/* The benchmarks do real work and their figures fit together. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../src/bench/bench.h"
#include "../support/test_main.h"
#include "sweepstake/comm.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/raw_file.h"

static struct sw_bench_step_options small(double sparsity) {
    return (struct sw_bench_step_options){.model = "mlp-40-20",
                                          .backend = "cpu",
                                          .input_shape = {2, 5, 4},
                                          .classes = 7,
                                          .batch = 13,
                                          .sparsity = sparsity,
                                          .granularity = "weight",
                                          .steps = 9,
                                          .threads = 1,
                                          .isa = sw_isa_detect()};
}

static void step_figures_fit_together(void) {
    struct sw_bench_step_options options = small(0);
    struct sw_bench_step step;
    SW_TEST_OK(sw_bench_time_step(&options, &step));
    CU_ASSERT_EQUAL(step.steps, 9);
    CU_ASSERT(step.fastest_ms > 0 && step.fastest_ms <= step.step_ms &&
              step.step_ms <= step.slowest_ms);
    CU_ASSERT_DOUBLE_EQUAL(step.us_per_sample, step.step_ms * 1e3 / 13, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(step.gflops, step.flops / step.step_ms * 1e-6, 1e-9 * step.gflops);
    CU_ASSERT_EQUAL(step.parameters, 40 * 40 + 40 + 40 * 20 + 20 + 20 * 7 + 7);
    CU_ASSERT_EQUAL(step.survivors, step.parameters);
    CU_ASSERT_EQUAL(step.bytes_optimizer, step.parameters * 4); /* one momentum each */
    CU_ASSERT(step.loss > 0);
}

static void sparser_is_less_work_and_memory(void) {
    struct sw_bench_step_options options = small(0), sparse_options = small(0.9);
    struct sw_bench_step dense, sparse;
    SW_TEST_OK(sw_bench_time_step(&options, &dense));
    SW_TEST_OK(sw_bench_time_step(&sparse_options, &sparse));
    CU_ASSERT(sparse.flops < 0.2 * dense.flops);
    CU_ASSERT(sparse.bytes_gradients < 0.2 * dense.bytes_gradients);
    CU_ASSERT(sparse.survivors < dense.survivors / 5);
}

/* Blocks of 4: layers of 10 x 10, 5 x 10 and 2 x 5 blocks, of which half stay. Units: half of 40 and 20. */
static void structures_are_pruned_as_asked(void) {
    struct sw_bench_step_options options = small(0.5);
    struct sw_bench_step step;
    options.granularity = "block4";
    SW_TEST_OK(sw_bench_time_step(&options, &step));
    int64_t kept = step.survivors - (40 + 20 + 7);
    CU_ASSERT(kept <= 50 * 16 + 25 * 16 + 5 * 16 && kept >= 50 * 16 + 25 * 16 + 5 * 12);
    CU_ASSERT_DOUBLE_EQUAL(step.sparsity, 1 - (double) kept / 2540, 1e-12);
    options.granularity = "neuron";
    SW_TEST_OK(sw_bench_time_step(&options, &step));
    CU_ASSERT_EQUAL(step.survivors - (40 + 20 + 7), 20 * 40 + 10 * 20 + 7 * 10);
    options.granularity = "brain";
    SW_TEST_FAILS(sw_bench_time_step(&options, &step), SW_CONFIG);
    options.granularity = "block16"; /* no layer has two per side */
    options.model = "mlp-8";
    SW_TEST_FAILS(sw_bench_time_step(&options, &step), SW_CONFIG);
}

/* All formats of a product in their order, with figures that fit together. */
static void kernel_figures_fit_together(void) {
    static const struct sw_bench_shape shape = {.out = 40, .in = 70};
    struct sw_bench_kernel_options options = {
        .backend = "cpu", .batch = 16, .seconds = 1e-9, .threads = 1, .isa = sw_isa_detect()};
    struct sw_bench_kernel kernels[SW_BENCH_KERNELS_MAX];
    int64_t n = 0;
    SW_TEST_OK(sw_bench_time_kernels(&options, &shape, 0.8, kernels, &n));
    CU_ASSERT_EQUAL_FATAL(n, SW_BENCH_KERNELS_MAX);
    for (int64_t i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(kernels[i].format, i % SW_FORMAT_COUNT);
        CU_ASSERT(kernels[i].us > 0 && kernels[i].nnz > 0 && kernels[i].nnz < 40 * 70 / 2);
        CU_ASSERT_DOUBLE_EQUAL(kernels[i].gflops * kernels[i].us, 2e-3 * 16 * kernels[i].nnz, 1e-9);
        CU_ASSERT_DOUBLE_EQUAL(kernels[i].ratio * kernels[i].sgemm_gflops, kernels[i].gflops, 1e-9);
    }
    CU_ASSERT_STRING_EQUAL(kernels[0].name, "forward");
    CU_ASSERT_STRING_EQUAL(kernels[n - 1].name, "backward_weights");
    SW_TEST_OK(sw_bench_time_kernels(&options, &shape, 0, kernels, &n));
    CU_ASSERT_EQUAL(n, SW_BENCH_PRODUCTS);
    CU_ASSERT_EQUAL(kernels[2].nnz, 40 * 70);
    CU_ASSERT_EQUAL(kernels[2].format, SW_FORMAT_DENSE);
}

/* Convolutions: dense and CSR, and every kept weight multiplies all pixels. */
static void conv_figures_fit_together(void) {
    static const struct sw_bench_shape shape = {
        .out = 12, .in = 9, .kernel = 3, .side = 7, .stride = 2};
    struct sw_bench_kernel_options options = {
        .backend = "cpu", .batch = 16, .seconds = 1e-9, .threads = 1, .isa = sw_isa_detect()};
    struct sw_bench_kernel kernels[SW_BENCH_KERNELS_MAX];
    int64_t n = 0;
    SW_TEST_OK(sw_bench_time_kernels(&options, &shape, 0.75, kernels, &n));
    CU_ASSERT_EQUAL_FATAL(n, 2 * SW_BENCH_PRODUCTS);
    for (int64_t i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(kernels[i].format, i % 2 == 0 ? SW_FORMAT_DENSE : SW_FORMAT_CSR);
        CU_ASSERT_EQUAL(kernels[i].nnz, 12 * 9 * 9 / 4);
        CU_ASSERT_DOUBLE_EQUAL(kernels[i].gflops * kernels[i].us,
                               2e-3 * 16 * 4 * 4 * (double) kernels[i].nnz, 1e-9);
    }
    SW_TEST_OK(sw_bench_time_kernels(&options, &shape, 0, kernels, &n));
    CU_ASSERT_EQUAL(n, SW_BENCH_PRODUCTS);
    CU_ASSERT_EQUAL(kernels[0].nnz, 12 * 9 * 9);
    for (size_t i = 0; sw_bench_kernel_shape(1, i) != NULL; i++)
        CU_ASSERT(sw_bench_kernel_shape(1, i)->kernel > 0);
}

static void step_stops_early_when_asked(void) {
    struct sw_bench_step_options options = small(0);
    struct sw_bench_step step;
    options.steps = 1000000;
    options.seconds = 1e-9;
    SW_TEST_OK(sw_bench_time_step(&options, &step));
    CU_ASSERT_EQUAL(step.steps, 3);
}

static void wrong_names_are_refused(void) {
    struct sw_bench_step_options options = small(0);
    struct sw_bench_step step;
    options.model = "lenet-301-100";
    SW_TEST_FAILS(sw_bench_time_step(&options, &step), SW_CONFIG);
    options = small(0);
    options.backend = "abacus";
    SW_TEST_FAILS(sw_bench_time_step(&options, &step), SW_NOT_FOUND);
}

static void random_masks_have_the_asked_density(void) {
    static uint8_t mask[10000 / 8];
    memset(mask, 0, sizeof mask);
    int64_t kept = sw_bench_random_mask(mask, 100, 100, 1, 0.9, 3);
    CU_ASSERT_EQUAL(kept, sw_mask_count(mask, 10000));
    CU_ASSERT_EQUAL(kept, 1000);
    memset(mask, 0, sizeof mask);
    CU_ASSERT_EQUAL(sw_bench_random_mask(mask, 1, 5, 1, 0.999999, 3), 1); /* never empty */
    CU_ASSERT_EQUAL(sw_mask_count(mask, 5), 1);
    memset(mask, 0, sizeof mask);
    CU_ASSERT_EQUAL(sw_bench_random_mask(mask, 3, 5, 4, 0.999999, 3), 12);
    CU_ASSERT_EQUAL(sw_mask_count(mask, 15), 12);
}

static void random_blocks_are_whole(void) {
    static uint8_t mask[10000 / 8];
    for (int64_t side = 4; side <= 16; side *= 2) {
        memset(mask, 0, sizeof mask);
        int64_t kept = sw_bench_random_mask(mask, 100, 100, side, 0.5, 3);
        CU_ASSERT_EQUAL(kept, sw_mask_count(mask, 10000));
        if (side == 4) CU_ASSERT_EQUAL(kept, 313 * 16); /* half of 625, rounded up */
        CU_ASSERT(kept > 4000 && kept < 6000);          /* edges cut the others */
        CU_ASSERT(sw_mask_is_blocks(mask, 100, 100, side));
    }
}

static void the_median_is_in_the_middle(void) {
    double times[] = {5, 1, 9, 3, 7};
    CU_ASSERT_EQUAL(sw_bench_median(times, 5), 5);
    CU_ASSERT_EQUAL(times[0], 1);
    CU_ASSERT_EQUAL(times[4], 9);
}

static void quantiles_are_the_nearest_time(void) {
    double times[101];
    for (int i = 0; i <= 100; i++)
        times[i] = (i * 37) % 101;
    CU_ASSERT_EQUAL(sw_bench_quantile(times, 101, 0.99), 99);
    CU_ASSERT_EQUAL(sw_bench_quantile(times, 101, 0), 0);
    CU_ASSERT_EQUAL(sw_bench_quantile(times, 101, 1), 100);
    CU_ASSERT_EQUAL(sw_bench_quantile(times, 1, 0.99), 0);
}

/* ---- store and dispatch -------------------------------------------------------------------------- */

static void commits_are_compared_by_medians(void) {
    double commits[] = {0.5, 0.2, 9}, raws[] = {0.4, 0.1, 7};
    struct sw_bench_commits found = sw_bench_compare_commits(commits, raws, 3, 8000000);
    CU_ASSERT_DOUBLE_EQUAL(found.commit_ms, 500, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(found.raw_ms, 400, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(found.commit_mbs, 16, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(found.raw_mbs, 20, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(found.ratio, 0.8, 1e-9);
}

/* theta0, trained weights and mask of an mlp with one hidden layer on 784 inputs. */
static void payloads_have_the_asked_size(void) {
    for (int64_t bytes = 1000000; bytes <= 400000000; bytes *= 20) {
        double width = (double) sw_bench_width_for(bytes), weights = width * 794;
        double size = 8 * (weights + width + 10) + weights / 8;
        CU_ASSERT_DOUBLE_EQUAL(size, (double) bytes, 0.01 * (double) bytes);
    }
    CU_ASSERT_EQUAL(sw_bench_width_for(1), 1);
}

static void dispatch_figures_are_per_round(void) {
    double waits[] = {0.004, 0.001, 0.002};
    struct sw_sched_figures tiny = {.loop_seconds = 2,
                                    .loop_cpu = 0.4,
                                    .coordinator_cpu = 0.1,
                                    .waits = waits,
                                    .capacity = 3,
                                    .n_waits = 3};
    struct sw_sched_figures longer = {.loop_seconds = 5, .loop_cpu = 0.05};
    struct sw_bench_dispatch found;
    sw_bench_sum_up_dispatch(&tiny, &longer, 1000, 3, &found);
    CU_ASSERT_EQUAL(found.rounds, 1000);
    CU_ASSERT_EQUAL(found.workers, 3);
    CU_ASSERT_DOUBLE_EQUAL(found.rounds_per_second, 500, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(found.coordinator_ms, 0.1, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(found.rank0_ms, 0.4, 1e-9);
    CU_ASSERT_EQUAL(found.dispatches, 3);
    CU_ASSERT_DOUBLE_EQUAL(found.dispatch_ms, 2, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(found.dispatch_p99_ms, 4, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(found.worst_ms, 4, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(found.rank0_share, 0.01, 1e-9);
    CU_ASSERT(isnan(found.idle_share));
    tiny.n_waits = 0; /* one round: nobody got a second one */
    sw_bench_sum_up_dispatch(&tiny, &longer, 1, 1, &found);
    CU_ASSERT(isnan(found.dispatch_ms) && isnan(found.worst_ms));
}

static void only_idle_workers_have_an_idle_share(void) {
    struct sw_sched_figures figures = {.loop_seconds = 4, .idle_seconds = 3, .idle_cpu = 0.03};
    CU_ASSERT_DOUBLE_EQUAL(sw_bench_idle_share(&figures), 0.01, 1e-12);
    figures.idle_seconds = 1;
    CU_ASSERT_EQUAL(sw_bench_idle_share(&figures), 0);
}

static void raw_files_hold_what_was_written(void) {
    struct sw_raw_file *raw = NULL;
    char path[256], found[24] = "";
    snprintf(path, sizeof path, "%s/raw", sw_test_folder());
    SW_TEST_OK(sw_file_write(path, "old bytes", 9));
    SW_TEST_OK(sw_raw_create(path, 20, &raw));
    SW_TEST_OK(sw_raw_write(raw, 12, "later", 5));
    SW_TEST_OK(sw_raw_write(raw, 3, "first", 5));
    SW_TEST_OK(sw_raw_sync(raw));
    SW_TEST_FAILS(sw_raw_write(raw, 0, "", (size_t) 1 << 31), SW_UNSUPPORTED);
    sw_raw_close(&raw);
    CU_ASSERT_PTR_NULL(raw);
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fread(found, 1, sizeof found, file), 20);
    fclose(file);
    CU_ASSERT_EQUAL(memcmp(found, "\0\0\0first\0\0\0\0later\0\0\0", 20), 0);
    SW_TEST_FAILS(sw_raw_create("/nowhere/at/all", 20, &raw), SW_IO);
}

static void scratch_folders_come_and_go(void) {
    char folder[SW_BENCH_PATH], path[SW_BENCH_PATH + 8];
    SW_TEST_OK(sw_bench_make_folder(sw_test_folder(), folder));
    snprintf(path, sizeof path, "%s/file", folder);
    SW_TEST_OK(sw_file_write(path, "x", 1));
    sw_bench_remove_folder(folder);
    CU_ASSERT_FALSE(sw_file_exists(folder));
    SW_TEST_FAILS(sw_bench_make_folder("/nowhere/at/all", folder), SW_IO);
}

/* ---- inference ----------------------------------------------------------------------------------- */

/* Filters that are gone need no memory; the logits are those of the network with zeros in their place. */
static void filters_are_timed_as_a_smaller_network(void) {
    const int64_t shape[3] = {3, 8, 8};
    struct sw_bench_inference found[SW_BENCH_INFERENCES];
    struct sw_bench_ticket ticket;
    SW_TEST_OK(sw_bench_make_ticket("resnet-8", shape, 7, "filter", 0.5, &ticket));
    CU_ASSERT_DOUBLE_EQUAL(ticket.sparsity, 0.75, 0.01);
    struct sw_bench_inference_options options = {
        .ticket = &ticket, .backend = "cpu", .passes = 3, .threads = 1, .isa = sw_isa_detect()};
    SW_TEST_OK(sw_bench_time_inference(&options, found));
    CU_ASSERT_STRING_EQUAL(found[1].layers, "cccccccccc");
    CU_ASSERT_STRING_EQUAL(found[2].layers, "dddddddddd");
    CU_ASSERT_TRUE(found[5].difference < 1e-5);
    CU_ASSERT_TRUE(found[2].bytes_weights < found[1].bytes_weights);
    CU_ASSERT_TRUE(found[2].bytes_activations < found[1].bytes_activations * 0.7);
    sw_bench_ticket_fini(&ticket);
    SW_TEST_FAILS(sw_bench_make_ticket("mlp-8", NULL, 7, "filter", 0.5, &ticket), SW_CONFIG);
    SW_TEST_FAILS(sw_bench_make_ticket("resnet-8", shape, 7, "filters", 0.5, &ticket), SW_CONFIG);
}

static void formats_compute_the_same(void) {
    static const int64_t shape[3] = {1, 5, 7};
    struct sw_bench_ticket ticket;
    struct sw_bench_inference found[SW_BENCH_INFERENCES];
    SW_TEST_OK(sw_bench_make_ticket("mlp-40-20", shape, 7, "weight", 0.8, &ticket));
    CU_ASSERT_DOUBLE_EQUAL(ticket.sparsity, 0.8, 0.05);
    struct sw_bench_inference_options options = {
        .ticket = &ticket, .backend = "cpu", .passes = 5, .threads = 1, .isa = sw_isa_detect()};
    SW_TEST_OK(sw_bench_time_inference(&options, found));
    for (int i = 0; i < SW_BENCH_INFERENCES; i++) {
        CU_ASSERT_EQUAL(found[i].batch, i < SW_BENCH_FORMATS ? 1 : 64);
        CU_ASSERT(found[i].us > 0);
        CU_ASSERT(found[i].difference < 1e-5);
        CU_ASSERT_DOUBLE_EQUAL(found[i].ratio, found[i / 3 * 3].us / found[i].us, 1e-9);
    }
    CU_ASSERT_STRING_EQUAL(found[0].format, "dense");
    CU_ASSERT_EQUAL(found[0].bytes_weights, ticket.arch.parameters * 4);
    CU_ASSERT_STRING_EQUAL(found[1].format, "csr");
    CU_ASSERT(found[1].bytes_weights < found[0].bytes_weights); /* not the same network twice */
    sw_bench_ticket_fini(&ticket);
}

/* Also where the table says dense; a layer that keeps every weight is dense all the same. */
static void formats_can_be_forced(void) {
    const struct sw_net_storage storage = {.forced = true, .format = SW_FORMAT_CSR};
    static const int64_t shape[3] = {1, 20, 40};
    struct sw_arch arch;
    struct sw_hal *hal = NULL;
    struct sw_net *net = NULL;
    SW_TEST_OK(sw_arch_create("mlp-300", shape, 10, &arch));
    SW_TEST_OK(sw_bench_open_hal("cpu", 1, sw_isa_detect(), &hal));
    uint8_t *mask = NULL;
    SW_TEST_OK(SW_ALLOC(&mask, (size_t) arch.mask_bytes, "mask"));
    for (int64_t l = 0; l < 2; l++)
        sw_mask_fill(mask + sw_arch_layer(&arch, l)->mask_offset, sw_arch_layer(&arch, l)->count);
    sw_mask_clear_bit(mask, 1); /* one weight of the first layer */
    SW_TEST_OK(sw_net_create(hal, &arch, mask, 8, &net));
    CU_ASSERT_EQUAL(sw_net_layer_format(net, 0), SW_FORMAT_DENSE);
    sw_net_destroy(&net);
    SW_TEST_OK(sw_net_create_as(hal, &arch, mask, 8, &storage, &net));
    CU_ASSERT_EQUAL(sw_net_layer_format(net, 0), SW_FORMAT_CSR);
    CU_ASSERT_EQUAL(sw_net_layer_format(net, 1), SW_FORMAT_DENSE);
    sw_net_destroy(&net);
    SW_FREE(&mask);
    sw_hal_close(&hal);
    sw_arch_fini(&arch);
}

/* A sweep of two dense rounds whose trained weights are 1, 2, 3, ... */
static void make_store(const char *path, struct sw_sweep *sweep, uint8_t *mask, float *weights,
                       int64_t kept) {
    struct sw_text yaml = {0};
    struct sw_store_identity identity = {.isa = "generic"};
    struct sw_store *store = NULL;
    struct sw_round_record record = {.result.row = 1};
    SW_TEST_OK(sw_text_add(&yaml, "sweep: x\ndata: {name: synthetic, shape: [1, 2, 2], classes: 2, "
                                  "train: 20, test: 4, validation: 4}\nmodel: {name: mlp-3}\n"
                                  "train: {steps: 1, batch: 4}\nprune: {rounds: 1, rate: 0.5, "
                                  "output_rate: 1}\nstore: x.h5\n"));
    SW_TEST_OK(sw_bench_plan(&yaml, SW_ISA_GENERIC, sweep));
    sw_text_fini(&yaml);
    CU_ASSERT_EQUAL_FATAL(sweep->n_rounds, 2);
    CU_ASSERT_EQUAL_FATAL(sweep->rounds[1].survivors, kept);
    SW_TEXT_COPY(record.result.status, "ok");
    SW_TEST_OK(sw_store_create(path, sweep, &identity));
    SW_TEST_OK(sw_store_open(path, SW_STORE_WRITE, &store));
    struct sw_payload payload = {.bytes = {[SW_SECTION_MASK] = mask,
                                           [SW_SECTION_WEIGHTS] = weights,
                                           [SW_SECTION_RECORD] = &record},
                                 .length = {[SW_SECTION_MASK] = 3,
                                            [SW_SECTION_WEIGHTS] = (size_t) kept * sizeof(float),
                                            [SW_SECTION_RECORD] = sizeof record}};
    SW_TEST_OK(sw_store_commit(store, 1, &payload, false));
    sw_store_close(&store);
}

/* fc1 4 -> 3 keeps every second of its 12 weights, fc2 3 -> 2 the first three of its 6. */
static void tickets_come_back_in_their_places(void) {
    uint8_t mask[3] = {0x55, 0x05, 0x07};
    float weights[14];
    char path[256];
    struct sw_sweep sweep;
    struct sw_store *store = NULL;
    struct sw_bench_ticket ticket;
    for (int i = 0; i < 14; i++)
        weights[i] = (float) (i + 1);
    snprintf(path, sizeof path, "%s/x.h5", sw_test_folder());
    make_store(path, &sweep, mask, weights, 14);
    SW_TEST_OK(sw_store_open(path, SW_STORE_READ, &store));
    SW_TEST_OK(sw_bench_load_ticket(store, 1, &ticket));
    const float expected[] = {1,  0,  2,  0, 3, 0, 4, 0, 5, 0, 6, 0, /* fc1.weight */
                              7,  8,  9,                             /* fc1.bias */
                              10, 11, 12, 0, 0, 0,                   /* fc2.weight */
                              13, 14};                               /* fc2.bias */
    CU_ASSERT_EQUAL_FATAL(ticket.arch.parameters, 23);
    CU_ASSERT_EQUAL(memcmp(ticket.theta, expected, sizeof expected), 0);
    CU_ASSERT_EQUAL(ticket.sparsity, 0.5);
    sw_bench_ticket_fini(&ticket);
    SW_TEST_FAILS(sw_bench_load_ticket(store, 0, &ticket), SW_NOT_FOUND);
    SW_TEST_FAILS(sw_bench_load_ticket(store, 2, &ticket), SW_NOT_FOUND);
    SW_TEST_FAILS(sw_bench_load_ticket(store, -1, &ticket), SW_NOT_FOUND);
    CU_ASSERT_PTR_NULL(sw_store_arch(store, 1));
    CU_ASSERT_PTR_NULL(sw_store_arch(store, -1));
    sw_store_close(&store);
    sw_sweep_fini(&sweep);
}

int main(void) {
    CU_TestInfo tests[] = {
        {"step_figures_fit_together", step_figures_fit_together},
        {"sparser_is_less_work_and_memory", sparser_is_less_work_and_memory},
        {"structures_are_pruned_as_asked", structures_are_pruned_as_asked},
        {"kernel_figures_fit_together", kernel_figures_fit_together},
        {"conv_figures_fit_together", conv_figures_fit_together},
        {"step_stops_early_when_asked", step_stops_early_when_asked},
        {"wrong_names_are_refused", wrong_names_are_refused},
        {"random_masks_have_the_asked_density", random_masks_have_the_asked_density},
        {"random_blocks_are_whole", random_blocks_are_whole},
        {"the_median_is_in_the_middle", the_median_is_in_the_middle},
        {"quantiles_are_the_nearest_time", quantiles_are_the_nearest_time},
        CU_TEST_INFO_NULL,
    };
    CU_TestInfo files[] = {
        {"commits_are_compared_by_medians", commits_are_compared_by_medians},
        {"payloads_have_the_asked_size", payloads_have_the_asked_size},
        {"dispatch_figures_are_per_round", dispatch_figures_are_per_round},
        {"only_idle_workers_have_an_idle_share", only_idle_workers_have_an_idle_share},
        {"raw_files_hold_what_was_written", raw_files_hold_what_was_written},
        {"scratch_folders_come_and_go", scratch_folders_come_and_go},
        CU_TEST_INFO_NULL,
    };
    CU_TestInfo inference[] = {
        {"formats_compute_the_same", formats_compute_the_same},
        {"formats_can_be_forced", formats_can_be_forced},
        {"tickets_come_back_in_their_places", tickets_come_back_in_their_places},
        {"filters are timed as a smaller network", filters_are_timed_as_a_smaller_network},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"bench", NULL, NULL, NULL, NULL, tests},
                             {"files", NULL, NULL, NULL, NULL, files},
                             {"inference", NULL, NULL, NULL, NULL, inference},
                             CU_SUITE_INFO_NULL};
    (void) sw_comm_prepare_environment();
    if (sw_comm_init() != SW_OK) return 1;
    int code = sw_test_main("test_bench", suites);
    sw_comm_fini(true, code);
    return code;
}
