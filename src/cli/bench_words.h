/* What the files of the bench command share: its words. Private to this folder. */
#pragma once

#include "cli.h"
#include "sweepstake/bench.h"

enum { SW_CLI_BENCH_SPARSITIES = 32 };

struct sw_cli_bench_words {
    const char *what, *model, *backend, *folder, *granularity;
    const char *store, *ticket; /* inference; NULL: a model */
    int64_t batch, steps, threads, megabytes, rounds, workers;
    double idle;
    double sparsity[SW_CLI_BENCH_SPARSITIES];
    int n_sparsities;
    bool json, tune, conv;
    unsigned given; /* bit k: option k of the table was given */
};

/* The benchmarks that need more than a call: exit code of the program. */
int sw_cli_bench_store(const struct sw_cli_bench_words *words);
int sw_cli_bench_dispatch(const struct sw_cli_bench_words *words, char **argv);
enum sw_status sw_cli_bench_kernels(const struct sw_cli_bench_words *words) SW_NODISCARD;
enum sw_status sw_cli_bench_tune(const struct sw_cli_bench_words *words) SW_NODISCARD;
enum sw_status sw_cli_bench_inference(const struct sw_cli_bench_words *words) SW_NODISCARD;
