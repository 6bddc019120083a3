/* A hand-made sweep of two trials, and finished rounds for it, for tests that need no plan and no
 * training.
 *     trial 0, "tiny-dense":  row 0 round 0 · row 1 round 1 · row 2 its reinit · row 3 round 2 · row 4
 *                             its reinit
 *                             Rounds 1 and 2 are rewound to steps 20 and 10 of row 0.
 *     trial 1, "tiny-conv":   row 5 round 0 · row 6 round 1 */
#pragma once

#include "sweepstake/store.h"

#define SW_SMALL_ROUNDS 7

/* Dense layers are `scale` times wider than their smallest size; every round keeps `share` of each
 * layer's weights. Aborts when memory runs out. Free with sw_sweep_fini. */
void sw_small_sweep(struct sw_sweep *out, int64_t scale, double share);

struct sw_store_identity sw_small_identity(void);

/* What else a round may be. */
enum sw_small_kind {
    SW_SMALL_OK,
    SW_SMALL_FAILED /* only a record: it could not be run */
};

/* A finished round: nested masks, seeded values, records that fit together. `place` changes what is
 * measured (times, rank, host) and nothing else. */
struct sw_small_round {
    struct sw_payload payload; /* points into what follows */
    float *theta0;             /* [parameters], also when another row owns it */
    float *theta_k;            /* [snapshots * parameters] */
    uint8_t *mask;             /* [mask_bytes], also for controls */
    float *weights;            /* [survivors] */
    struct sw_layer_record *layers;
    struct sw_curve_point *curves;
    struct sw_alert *alerts;
    struct sw_round_record record;
};
void sw_small_round_make(const struct sw_sweep *sweep, int64_t row, enum sw_small_kind kind,
                         int place, struct sw_small_round *out);
void sw_small_round_fini(struct sw_small_round *round);
