/* A small lottery for test_trial: its settings, its data, and how its rounds are run. */
#pragma once

#include "fake_sink.h"
#include "test_main.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/prune.h"
#include "sweepstake/train.h"
#include "sweepstake/trial.h"

#define ROUNDS 3      /* prunes; tickets are rows 0..3 */
#define CONTROL_ROW 9 /* the reinit control of round 2 */
#define CONTROL_ROUND 2

/* ---- a small lottery ----------------------------------------------------------------------- */

static struct sw_trial_spec spec;
static struct sw_data_info info;
static struct sw_data data;
static struct sw_arch arch;
static void *block;
static struct sw_fake_sink sink; /* of the lottery that most tests look at */

static void set_spec(void) {
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.data_name, "synthetic");
    SW_TEXT_COPY(spec.data_shape, "1x6x6");
    SW_TEXT_COPY(spec.model_name, "mlp-20-12");
    spec.data_classes = 4;
    spec.data_train = 240;
    spec.data_validation = 40;
    spec.data_test = 80;
    spec.train_steps = 45;
    spec.train_batch = 24;
    spec.train_evaluate_every = 10;
    spec.train_optimizer_lr = 0.01;
    spec.prune_rate = 0.5; /* 12.5 % are left of row 3: sparse kernels */
    spec.seed = 11;
}

/* NULL when it cannot be opened. */
static struct sw_hal *open_backend(const struct sw_backend *backend, int threads) {
    struct sw_hal_options options = {.threads = threads, .isa = sw_isa_detect()};
    struct sw_hal *hal = NULL;
    return sw_hal_open(backend, &options, &hal) == SW_OK ? hal : NULL;
}

static struct sw_hal *open_device(int threads) {
    return open_backend(sw_backend_find("cpu"), threads);
}

static int64_t sum_of(const int64_t *numbers, int64_t n) {
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += numbers[i];
    return sum;
}

/* What plan would say about this training. */
static struct sw_round_task make_task(const struct sw_trial_spec *settings, int64_t round,
                                      enum sw_control control) {
    struct sw_round_task task;
    memset(&task, 0, sizeof task);
    bool ticket = control == SW_CONTROL_TICKET;
    task.spec = *settings;
    task.data = info;
    task.n_layers = arch.n_layers;
    sw_prune_kept(settings, &arch, round, task.kept);
    sw_prune_kept(settings, &arch, ticket && round > 0 ? round - 1 : round, task.parent_kept);
    struct sw_round_plan *plan = &task.plan;
    plan->row = ticket ? round : CONTROL_ROW;
    plan->trial = 5;
    plan->round = round;
    plan->control = control;
    plan->parent = ticket ? round - 1 : round;
    plan->theta0_owner = control == SW_CONTROL_REINIT ? CONTROL_ROW : 0;
    plan->mask_owner = control == SW_CONTROL_REINIT ? round : plan->row;
    plan->theta_k_owner = plan->theta_k_index = -1;
    plan->steps = sw_train_steps(settings, info.train);
    plan->curve_points = sw_train_curve_points(settings, plan->steps);
    plan->nnz = sum_of(task.kept, task.n_layers);
    plan->survivors = plan->nnz + arch.parameters - arch.prunable;
    plan->sparsity_requested = sw_prune_requested(settings, &arch, round);
    plan->flops = sw_train_flops(settings, &arch, &info, task.kept);
    return task;
}

static enum sw_status run(const struct sw_round_task *task, struct sw_hal *hal,
                          struct sw_fake_sink *to) {
    struct sw_trial_place place = {"cpu", 3, sw_hal_threads(hal), 1, sw_clock_wall()};
    struct sw_sink opened = sw_fake_sink_open(to, task->plan.row);
    return sw_trial_run_round(task, hal, &data, &place, &opened);
}

/* Also used while a suite starts, where CUnit allows no assertions: returns the status. */
static enum sw_status run_lottery(int threads, struct sw_fake_sink *to) {
    struct sw_hal *hal = open_device(threads);
    enum sw_status status = hal != NULL ? SW_OK : SW_INTERNAL;
    for (int64_t round = 0; round <= ROUNDS && status == SW_OK; round++) {
        struct sw_round_task task = make_task(&spec, round, SW_CONTROL_TICKET);
        status = run(&task, hal, to);
    }
    struct sw_round_task control = make_task(&spec, CONTROL_ROUND, SW_CONTROL_REINIT);
    if (status == SW_OK) status = run(&control, hal, to);
    sw_hal_close(&hal);
    return status;
}

static const struct sw_round_record *record_of(const struct sw_fake_sink *from, int64_t row) {
    return sw_fake_sink_get(from, row, SW_SECTION_RECORD, NULL);
}

static int set_up(void) {
    set_spec();
    if (sw_data_probe(&spec, &info) != SW_OK) return 1;
    if (SW_ALLOC((char **) &block, (size_t) info.block_bytes, "data") != SW_OK) return 1;
    if (sw_data_decode(&spec, &info, block) != SW_OK) return 1;
    if (sw_data_open(&spec, &info, block, &data) != SW_OK) return 1;
    if (sw_arch_create(spec.model_name, info.shape, info.classes, &arch) != SW_OK) return 1;
    sw_fake_sink_init(&sink);
    return run_lottery(1, &sink) != SW_OK;
}

static int tear_down(void) {
    sw_fake_sink_fini(&sink);
    sw_arch_fini(&arch);
    sw_data_close(&data);
    SW_FREE(&block);
    return 0;
}
