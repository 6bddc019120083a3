/* sweepstake plan: what a sweep would do and cost. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "plan_report.h"
#include "sweepstake/memory.h"
#include "sweepstake/sched.h"

struct plan_arguments {
    struct sw_cli_sweep_arguments sweep;
    bool json;
    int64_t workers;
};

enum { KEY_WORKERS = 'w', KEY_JSON = 'j' };

static const struct argp_option options[] = {
    SW_CLI_SET_OPTION,
    {"workers", KEY_WORKERS, "N", 0, "predict the time on N workers (default: processors here)", 0},
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct plan_arguments *arguments = state->input;
    switch (key) {
    case KEY_WORKERS:
        arguments->workers = sw_cli_int(state, "--workers", arg, 1, 1000000);
        return 0;
    case KEY_JSON:
        arguments->json = true;
        return 0;
    default:
        return sw_cli_parse_sweep(key, arg, state, &arguments->sweep);
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse_option,
    .args_doc = "SWEEP.yaml",
    .doc = "Check a sweep file and show what it would do and cost. Nothing is trained; some steps "
           "of its networks are timed on made-up data to predict the time."};

static enum sw_status measure_store(const struct sw_sweep *sweep, enum sw_isa isa, int64_t *bytes) {
    struct sw_store_identity identity;
    sw_cli_identity(isa, &identity);
    return sw_store_measure(sweep, &identity, bytes);
}

/* The largest and the smallest checkpoint of all rounds. */
static void find_checkpoints(struct sw_cli_plan_report *report) {
    for (int64_t row = 0; row < report->sweep->n_rounds; row++) {
        int64_t bytes = sw_sched_checkpoint_bytes(report->sweep, row);
        if (bytes > report->checkpoint_bytes) report->checkpoint_bytes = bytes;
        if (row == 0 || bytes < report->checkpoint_bytes_least)
            report->checkpoint_bytes_least = bytes;
    }
}

int sw_cli_plan(int argc, char **argv) {
    struct plan_arguments arguments = {.workers = sysconf(_SC_NPROCESSORS_ONLN)};
    sw_cli_parse(&argp, argc, argv, &arguments);
    if (arguments.workers < 1) arguments.workers = 1;
    struct sw_cli_plan_report report = {.path = arguments.sweep.path, .workers = arguments.workers};
    struct sw_sweep sweep;
    enum sw_isa isa = sw_isa_detect();
    enum sw_status status = sw_cli_load_sweep(arguments.sweep.path, &arguments.sweep.sets, isa,
                                              NULL, &sweep);
    SW_FREE(&arguments.sweep.sets.words);
    if (status != SW_OK) return sw_status_exit_code(status);
    report.sweep = &sweep;
    sw_plan_cost(&sweep, &report.cost);
    find_checkpoints(&report);
    status = measure_store(&sweep, isa, &report.store_bytes);
    if (status == SW_OK) status = sw_cli_predict(&sweep, isa, arguments.workers, &report.seconds);
    if (status == SW_OK && arguments.json) sw_cli_plan_print_json(&report);
    if (status == SW_OK && !arguments.json) status = sw_cli_plan_print_text(&report);
    sw_sweep_fini(&sweep);
    return status == SW_OK ? 0 : sw_cli_fail(status);
}
