/* A sweep from its text, with its data and a sink, whose rows are trained one after the other in this
 * process: for tests of what trials do with settings. */
#pragma once

#include "../support/fake_sink.h"
#include "sweepstake/data.h"
#include "sweepstake/hal.h"

struct trial_lab {
    struct sw_sweep sweep;
    struct sw_data data; /* of the first trial */
    char *block;
    struct sw_fake_sink sink;
};

void trial_lab_open(const char *text, struct trial_lab *lab);
void trial_lab_close(struct trial_lab *lab);
/* What a worker tells a trainer of a row. */
struct sw_round_task trial_lab_task(const struct trial_lab *lab, int64_t row);
/* Train every row, into lab->sink. */
void trial_lab_run(struct trial_lab *lab, int threads);
/* Train every row again, interrupted every `steps` steps; is every section as in lab->sink? */
void trial_lab_repeat(struct trial_lab *lab, int64_t steps);

const struct sw_round_results *trial_lab_result(const struct trial_lab *lab, int64_t row);
const float *trial_lab_weights(const struct trial_lab *lab, int64_t row, size_t *n);
const struct sw_curve_point *trial_lab_curve(const struct trial_lab *lab, int64_t row);
/* Rows of all sections with the same bytes in both? Measured columns are not looked at. */
bool trial_lab_is_same(const struct sw_fake_sink *a, const struct sw_fake_sink *b, int64_t row);
