#include "meter.h"

#include <time.h>

#include "sweepstake/system.h"

/* Of the loop's thread alone: MPI has threads of its own. */
static double thread_cpu(void) {
    struct timespec now;
    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

void sw_meter_start(struct sw_meter *meter, struct sw_sched_figures *figures) {
    *meter = (struct sw_meter){.figures = figures};
    if (figures == NULL) return;
    figures->loop_seconds = figures->loop_cpu = figures->coordinator_cpu = 0;
    figures->idle_seconds = figures->idle_cpu = 0;
    figures->n_waits = 0;
    meter->started = sw_clock_monotonic();
    meter->started_cpu = sw_clock_cpu();
}

void sw_meter_turn(struct sw_meter *meter) {
    if (meter->figures != NULL) meter->turn_cpu = thread_cpu();
}

void sw_meter_coordinated(struct sw_meter *meter, bool busy) {
    if (meter->figures == NULL || !busy) return;
    meter->figures->coordinator_cpu += thread_cpu() - meter->turn_cpu;
}

void sw_meter_idle(struct sw_meter *meter, bool idle) {
    if (meter->figures == NULL || idle == meter->idle) return;
    double now = sw_clock_monotonic(), cpu = sw_clock_cpu();
    if (meter->idle) {
        meter->figures->idle_seconds += now - meter->idle_since;
        meter->figures->idle_cpu += cpu - meter->idle_since_cpu;
    }
    meter->idle = idle;
    meter->idle_since = now;
    meter->idle_since_cpu = cpu;
}

void sw_meter_stop(struct sw_meter *meter) {
    if (meter->figures == NULL) return;
    sw_meter_idle(meter, false);
    meter->figures->loop_seconds = sw_clock_monotonic() - meter->started;
    meter->figures->loop_cpu = sw_clock_cpu() - meter->started_cpu;
}

void sw_meter_waited(struct sw_sched_figures *figures, double seconds) {
    if (figures == NULL || !(seconds > 0) || figures->n_waits >= figures->capacity) return;
    figures->waits[figures->n_waits++] = seconds;
}
