#include "clock.h"

#include "sweepstake/system.h"

void sw_times_advance(struct sw_times *times) {
    double now = sw_clock_monotonic();
    double step = now - times->now;
    times->patient += step < SW_PATIENT_STEP ? step : SW_PATIENT_STEP;
    times->now = now;
}
