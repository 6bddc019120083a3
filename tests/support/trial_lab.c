#include "trial_lab.h"

#include <stdio.h>
#include <string.h>

#include "sweepstake/memory.h"
#include "sweepstake/net.h"
#include "sweepstake/plan.h"
#include "sweepstake/trial.h"
#include "test_main.h"

void trial_lab_open(const char *text, struct trial_lab *lab) {
    struct sw_text errors = {0};
    struct sw_plan_source source = {.path = "t.yaml", .text = text, .text_bytes = strlen(text)};
    memset(lab, 0, sizeof *lab);
    enum sw_status status = sw_plan_build(&source, &lab->sweep, &errors);
    if (errors.length > 0) fprintf(stderr, "%s", sw_text_get(&errors));
    sw_text_fini(&errors);
    CU_ASSERT_EQUAL_FATAL(status, SW_OK);
    CU_ASSERT_TRUE_FATAL(lab->sweep.n_rounds > 0 && lab->sweep.n_rounds <= SW_FAKE_ROWS);
    const struct sw_trial_spec *spec = &lab->sweep.trials[0];
    const struct sw_data_info *info = &lab->sweep.datas[0];
    SW_TEST_OK(SW_ALLOC(&lab->block, (size_t) info->block_bytes, "data"));
    SW_TEST_OK(sw_data_decode(spec, info, lab->block));
    SW_TEST_OK(sw_data_open(spec, info, lab->block, &lab->data));
    sw_fake_sink_init(&lab->sink);
}

void trial_lab_close(struct trial_lab *lab) {
    sw_fake_sink_fini(&lab->sink);
    sw_data_close(&lab->data);
    SW_FREE(&lab->block);
    sw_sweep_fini(&lab->sweep);
}

struct sw_round_task trial_lab_task(const struct trial_lab *lab, int64_t row) {
    const struct sw_sweep *sweep = &lab->sweep;
    const struct sw_round_plan *plan = &sweep->rounds[row];
    const struct sw_arch *arch = &sweep->archs[plan->arch];
    struct sw_round_task task;
    memset(&task, 0, sizeof task);
    task.spec = sweep->trials[plan->trial];
    task.plan = *plan;
    task.data = sweep->datas[plan->data];
    task.n_layers = arch->n_layers;
    task.dense_row = sw_sweep_row(sweep, plan->trial, 0, SW_CONTROL_TICKET);
    task.dense_points = sweep->rounds[task.dense_row].curve_points;
    (void) sw_sweep_snapshots(sweep, row, task.snapshot_step);
    for (int64_t l = 0; l < arch->n_layers; l++) {
        task.kept[l] = sweep->kept[row * sweep->max_layers + l];
        task.parent_kept[l] = sw_arch_layer(arch, l)->count;
        if (plan->parent >= 0)
            task.parent_kept[l] = sweep->kept[plan->parent * sweep->max_layers + l];
    }
    return task;
}

/* One row; interrupted every `steps` steps, 0: never. */
static void run_row(const struct trial_lab *lab, int64_t row, int threads, int64_t steps,
                    struct sw_fake_sink *to) {
    struct sw_round_task task = trial_lab_task(lab, row);
    struct sw_hal_options options = {.threads = threads, .isa = sw_isa_detect()};
    struct sw_trial_place place = {.backend = "cpu", .threads = threads, .attempt = 1};
    struct sw_hal *hal = NULL;
    enum sw_status status = SW_STOPPED;
    SW_TEST_OK(sw_hal_open(sw_backend_find("cpu"), &options, &hal));
    SW_FREE(&to->checkpoint);
    for (int pieces = 0; status == SW_STOPPED && pieces < 20; pieces++) {
        struct sw_sink opened = sw_fake_sink_open(to, row);
        if (steps > 0) sw_fake_sink_take_checkpoints(to, &opened);
        to->end_after = steps;
        status = sw_trial_run_round(&task, hal, &lab->data, &place, &opened);
    }
    SW_TEST_OK(status);
    sw_hal_close(&hal);
}

void trial_lab_run(struct trial_lab *lab, int threads) {
    for (int64_t row = 0; row < lab->sweep.n_rounds; row++)
        run_row(lab, row, threads, 0, &lab->sink);
}

void trial_lab_repeat(struct trial_lab *lab, int64_t steps) {
    struct sw_fake_sink pieces;
    sw_fake_sink_init(&pieces);
    for (int64_t row = 0; row < lab->sweep.n_rounds; row++) {
        run_row(lab, row, 1, steps, &pieces);
        CU_ASSERT_TRUE(trial_lab_is_same(&pieces, &lab->sink, row));
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_text_get(&pieces.notices), "resumes at step"));
    }
    sw_fake_sink_fini(&pieces);
}

const struct sw_round_results *trial_lab_result(const struct trial_lab *lab, int64_t row) {
    const struct sw_round_record *record = sw_fake_sink_get(&lab->sink, row, SW_SECTION_RECORD,
                                                            NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(record);
    return &record->result;
}

const float *trial_lab_weights(const struct trial_lab *lab, int64_t row, size_t *n) {
    size_t bytes = 0;
    const float *weights = sw_fake_sink_get(&lab->sink, row, SW_SECTION_WEIGHTS, &bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(weights);
    *n = bytes / sizeof *weights;
    return weights;
}

const struct sw_curve_point *trial_lab_curve(const struct trial_lab *lab, int64_t row) {
    const struct sw_curve_point *curve = sw_fake_sink_get(&lab->sink, row, SW_SECTION_CURVES, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(curve);
    return curve;
}

bool trial_lab_is_same(const struct sw_fake_sink *a, const struct sw_fake_sink *b, int64_t row) {
    for (int s = 0; s < SW_SECTION_COUNT; s++) {
        size_t n = 0, m = 0;
        const void *x = sw_fake_sink_get(a, row, (enum sw_section) s, &n);
        const void *y = sw_fake_sink_get(b, row, (enum sw_section) s, &m);
        if (s == SW_SECTION_RECORD) n = m = sizeof(struct sw_round_results);
        if ((x == NULL) != (y == NULL) || n != m || (x != NULL && memcmp(x, y, n) != 0))
            return false;
    }
    return true;
}
