/* Calls the monitors that a sweep file lists, and keeps their alerts. */
#include "monitor_internal.h"

#include <string.h>

/* ---- registry ------------------------------------------------------------------------------------ */

static const struct sw_monitor *const monitors[] = {
#define SW_MONITOR(name) &sw_monitor_##name,
#include "monitors.def"
#undef SW_MONITOR
};

const struct sw_monitor *sw_monitor_at(size_t index) {
    return index < sizeof monitors / sizeof monitors[0] ? monitors[index] : NULL;
}

const struct sw_monitor *sw_monitor_find(const char *name) {
    const struct sw_monitor *monitor = NULL;
    for (size_t i = 0; (monitor = sw_monitor_at(i)) != NULL; i++)
        if (strcmp(monitor->name, name) == 0) break;
    return monitor;
}

/* ---- dispatch ------------------------------------------------------------------------------------ */

static enum sw_status find_named(const char *name, const struct sw_monitor **out) {
    *out = sw_monitor_find(name);
    if (*out == NULL) return SW_FAIL(SW_CONFIG, "monitor: there is no monitor '%s'", name);
    return SW_OK;
}

bool sw_monitors_need_dense(const char *names) {
    char name[32];
    for (size_t i = 0; sw_spec_word(names, i, name); i++) {
        const struct sw_monitor *monitor = sw_monitor_find(name);
        if (monitor != NULL && monitor->needs_dense) return true;
    }
    return false;
}

enum sw_status sw_watch_backward(struct sw_watch *watch, const char *names, struct sw_net *net,
                                 int64_t step, double loss) {
    char name[32];
    for (size_t i = 0; sw_spec_word(names, i, name); i++) {
        const struct sw_monitor *monitor = NULL;
        SW_TRY(find_named(name, &monitor));
        if (monitor->after_backward != NULL)
            SW_TRY(monitor->after_backward(watch, net, step, loss));
    }
    return SW_OK;
}

enum sw_status sw_watch_evaluation(struct sw_watch *watch, const char *names, struct sw_net *net,
                                   const struct sw_curve_point *point) {
    char name[32];
    for (size_t i = 0; sw_spec_word(names, i, name); i++) {
        const struct sw_monitor *monitor = NULL;
        SW_TRY(find_named(name, &monitor));
        if (monitor->after_evaluation != NULL) SW_TRY(monitor->after_evaluation(watch, net, point));
    }
    return SW_OK;
}

enum sw_status sw_watch_epoch(struct sw_watch *watch, const char *names, const struct sw_net *net,
                              int64_t epoch, int64_t step) {
    char name[32];
    for (size_t i = 0; sw_spec_word(names, i, name); i++) {
        const struct sw_monitor *monitor = NULL;
        SW_TRY(find_named(name, &monitor));
        if (monitor->after_epoch != NULL) SW_TRY(monitor->after_epoch(watch, net, epoch, step));
    }
    return SW_OK;
}

enum sw_status sw_watch_reset(struct sw_watch *watch, const char *names, const struct sw_net *net,
                              const struct sw_net_param *param, const struct sw_factors *factors,
                              int64_t step) {
    char name[32];
    for (size_t i = 0; sw_spec_word(names, i, name); i++) {
        const struct sw_monitor *monitor = NULL;
        SW_TRY(find_named(name, &monitor));
        if (monitor->before_reset != NULL)
            SW_TRY(monitor->before_reset(watch, net, param, factors, step));
    }
    return SW_OK;
}

bool sw_watch_has(const char *names, const char *monitor) {
    char name[32];
    for (size_t i = 0; sw_spec_word(names, i, name); i++)
        if (strcmp(name, monitor) == 0) return true;
    return false;
}

/* ---- alerts -------------------------------------------------------------------------------------- */

static void fill_alert(struct sw_alert *alert, const char *monitor, int64_t step, double value,
                       const char *message) {
    memset(alert, 0, sizeof *alert);
    alert->step = step;
    alert->value = value;
    SW_TEXT_COPY(alert->monitor, monitor);
    SW_TEXT_COPY(alert->message, message);
}

static bool is_known(const struct sw_watch *watch, const struct sw_alert *alert) {
    for (int64_t i = 0; i < watch->n_alerts; i++)
        if (strcmp(watch->alerts[i].monitor, alert->monitor) == 0 &&
            strcmp(watch->alerts[i].message, alert->message) == 0)
            return true;
    return false;
}

void sw_watch_alert(struct sw_watch *watch, const char *monitor, int64_t step, double value,
                    const char *message) {
    struct sw_alert alert;
    fill_alert(&alert, monitor, step, value, message);
    if (is_known(watch, &alert)) return;
    if (watch->n_alerts < SW_ALERTS_MAX - 1) {
        watch->alerts[watch->n_alerts++] = alert;
        return;
    }
    watch->suppressed++;
    watch->n_alerts = SW_ALERTS_MAX;
    fill_alert(&watch->alerts[SW_ALERTS_MAX - 1], "watch", step, (double) watch->suppressed,
               "further alerts had no room; the value counts them");
}
