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
    double sparsity;        /* that the plan asked for, of all prunable weights */
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

/* Record an alert once per (monitor, message); later ones of the same kind are dropped. */
void sw_watch_alert(struct sw_watch *watch, const char *monitor, int64_t step, double value,
                    const char *message);
