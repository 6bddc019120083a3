/* Two clocks of a rank's loop. */
#pragma once

struct sw_times {
    double now;     /* monotonic seconds: for limits from outside, and for figures */
    double patient; /* stands still while this process is stopped or blocked: for judging others */
};

/* The longest step of the patient clock between two looks: a rank that was suspended for a minute
 * must not take the silence for the death of the others. */
#define SW_PATIENT_STEP 1.0

/* Look at the clock. */
void sw_times_advance(struct sw_times *times);
