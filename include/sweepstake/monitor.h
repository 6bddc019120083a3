/* Module: monitor
 * Purpose: watch a training and say what a person should know.
 * Takes: the hooks of train. Gives: alerts, per-layer gradient figures, an early end for hopeless
 * runs. */
#pragma once

#include "sweepstake/net.h"

/* What the monitors of one training collect. */
struct sw_watch {
    struct sw_alert *alerts; /* [SW_ALERTS_MAX], the caller's */
    int64_t n_alerts;
    int64_t suppressed;     /* alerts beyond the last slot */
    double *gradient_norm;  /* [n_layers], NaN until watched; the caller's */
    int64_t evaluate_every; /* steps between looks at the gradients */
    struct sw_signs
        *signs;      /* what the monitor `signs` knows; NULL: it does nothing. The caller's */
    double sparsity; /* that the plan asked for, of all prunable weights */
    /* Curve of the dense training, for monitors that need it; NULL in the dense round. */
    const struct sw_curve_point *dense;
    int64_t n_dense;
    bool dense_end; /* compare with its end, whatever the epoch: trained weights are trained on */
    int64_t first_step; /* step that this training begins with */
};

/* One monitor: one file and one line in src/monitor/monitors.def. Slots may be NULL. */
struct sw_monitor {
    const char *name;
    const char *summary;
    bool needs_dense; /* the curve of the dense training */
    /* After each backward pass. SW_DIVERGED ends the training as failed; its text is the reason. */
    enum sw_status (*after_backward)(struct sw_watch *watch, struct sw_net *net, int64_t step,
                                     double loss);
    enum sw_status (*after_evaluation)(struct sw_watch *watch, struct sw_net *net,
                                       const struct sw_curve_point *point);
    /* At the end of every epoch, and of the training; `epoch` of them are over or begun. */
    enum sw_status (*after_epoch)(struct sw_watch *watch, const struct sw_net *net, int64_t epoch,
                                  int64_t step);
    /* Before Sign-In splits the weights of a parameter anew. */
    enum sw_status (*before_reset)(struct sw_watch *watch, const struct sw_net *net,
                                   const struct sw_net_param *param,
                                   const struct sw_factors *factors, int64_t step);
};
const struct sw_monitor *sw_monitor_at(size_t index);
const struct sw_monitor *sw_monitor_find(const char *name);

/* Does a monitor of the list need the curve of the dense training? */
bool sw_monitors_need_dense(const char *names);

/* Run every monitor named in the list ("divergence,gradient-norm"). */
enum sw_status sw_watch_backward(struct sw_watch *watch, const char *names, struct sw_net *net,
                                 int64_t step, double loss) SW_NODISCARD;
enum sw_status sw_watch_evaluation(struct sw_watch *watch, const char *names, struct sw_net *net,
                                   const struct sw_curve_point *point) SW_NODISCARD;

enum sw_status sw_watch_epoch(struct sw_watch *watch, const char *names, const struct sw_net *net,
                              int64_t epoch, int64_t step) SW_NODISCARD;
enum sw_status sw_watch_reset(struct sw_watch *watch, const char *names, const struct sw_net *net,
                              const struct sw_net_param *param, const struct sw_factors *factors,
                              int64_t step) SW_NODISCARD;
/* Is a monitor in the list? */
bool sw_watch_has(const char *names, const char *monitor);

/* ---- signs ---------------------------------------------------------------------------------- */

/* What the monitor `signs` holds a training against, and what it has found. */
struct sw_signs; /* opaque */
/* For a net that has its start weights. theta0 and start: signs at initialisation and at the start, one
 * bit per kept weight, layer after layer, lowest bit first, 1 for positive; both are copied. beta: of
 * Sign-In. Errors: SW_NOMEM. */
enum sw_status sw_signs_create(const struct sw_net *net, const uint8_t *theta0,
                               const uint8_t *start, double beta,
                               struct sw_signs **out) SW_NODISCARD;
void sw_signs_destroy(struct sw_signs **signs);
/* Of the l-th layer. */
const struct sw_sign_figures *sw_signs_layer(const struct sw_signs *signs, int64_t layer);
/* NaN and -1, as where nothing was watched. */
struct sw_sign_figures sw_signs_unwatched(void);
/* What it carries from one step to the next, as plain bytes, and back; memory of all. */
int64_t sw_signs_saved_bytes(int64_t weights, int64_t layers);
void sw_signs_save(const struct sw_signs *signs, void *out);
void sw_signs_restore(struct sw_signs *signs, const void *from);
int64_t sw_signs_bytes(int64_t weights, int64_t layers);

/* Record an alert once per (monitor, message); later ones of the same kind are dropped. */
void sw_watch_alert(struct sw_watch *watch, const char *monitor, int64_t step, double value,
                    const char *message);
