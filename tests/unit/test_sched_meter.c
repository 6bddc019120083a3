/* What a rank measures of its loop. Times are only compared with what must be so on any machine. */
#include <time.h>

#include "../../src/sched/meter.h"
#include "../support/test_main.h"
#include "sweepstake/system.h"

static double thread_cpu(void) {
    struct timespec now;
    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

/* Take that much CPU time of this thread; libraries have threads of their own. */
static void burn(double seconds) {
    double end = thread_cpu() + seconds;
    while (thread_cpu() < end) {
    }
}

static void nothing_is_measured_unless_asked(void) {
    struct sw_meter meter;
    sw_meter_start(&meter, NULL);
    sw_meter_turn(&meter);
    sw_meter_coordinated(&meter, true);
    sw_meter_idle(&meter, true);
    sw_meter_stop(&meter);
    sw_meter_waited(NULL, 1);
    CU_ASSERT_PTR_NULL(meter.figures);
    CU_ASSERT_EQUAL(meter.started, 0);
    CU_ASSERT_EQUAL(meter.turn_cpu, 0);
}

static void only_busy_turns_count_for_the_coordinator(void) {
    struct sw_sched_figures figures = {.coordinator_cpu = 99, .n_waits = 7, .idle_cpu = 99};
    struct sw_meter meter;
    sw_meter_start(&meter, &figures);
    CU_ASSERT_EQUAL(figures.n_waits, 0); /* an earlier run is forgotten */
    sw_meter_turn(&meter);
    burn(0.02);
    sw_meter_coordinated(&meter, false);
    CU_ASSERT_EQUAL(figures.coordinator_cpu, 0);
    sw_meter_turn(&meter);
    burn(0.02);
    sw_meter_coordinated(&meter, true);
    double once = figures.coordinator_cpu;
    CU_ASSERT(once >= 0.0199);
    burn(0.02); /* the worker's part of a turn */
    sw_meter_turn(&meter);
    sw_meter_coordinated(&meter, true);
    CU_ASSERT(figures.coordinator_cpu < once + 0.01);
    sw_meter_stop(&meter);
    CU_ASSERT(figures.loop_cpu >= 0.0599);
    CU_ASSERT(figures.loop_seconds >= 0.0599);
    CU_ASSERT_EQUAL(figures.idle_seconds, 0);
}

static void idle_time_is_between_rounds(void) {
    struct sw_sched_figures figures = {0};
    struct sw_meter meter;
    sw_meter_start(&meter, &figures);
    sw_meter_idle(&meter, false);
    burn(0.02);
    sw_meter_idle(&meter, true);
    sw_clock_sleep(0.03);
    sw_meter_idle(&meter, true); /* goes on */
    burn(0.01);
    sw_meter_idle(&meter, false);
    double first = figures.idle_seconds;
    CU_ASSERT(first >= 0.0399 && figures.idle_cpu >= 0.0099);
    burn(0.02);
    sw_meter_idle(&meter, true);
    sw_clock_sleep(0.01);
    sw_meter_stop(&meter); /* ends it, too */
    CU_ASSERT(figures.idle_seconds >= first + 0.0099);
    CU_ASSERT(figures.idle_seconds < figures.loop_seconds);
    CU_ASSERT(figures.idle_cpu < figures.loop_cpu - 0.0399);
}

static void waits_are_kept_while_there_is_room(void) {
    double waits[2] = {0};
    struct sw_sched_figures figures = {.waits = waits, .capacity = 2};
    sw_meter_waited(&figures, 0); /* unknown */
    CU_ASSERT_EQUAL(figures.n_waits, 0);
    sw_meter_waited(&figures, 0.5);
    sw_meter_waited(&figures, 0.25);
    sw_meter_waited(&figures, 0.125);
    CU_ASSERT_EQUAL(figures.n_waits, 2);
    CU_ASSERT_EQUAL(waits[0], 0.5);
    CU_ASSERT_EQUAL(waits[1], 0.25);
}

int main(void) {
    CU_TestInfo tests[] = {
        {"nothing_is_measured_unless_asked", nothing_is_measured_unless_asked},
        {"only_busy_turns_count_for_the_coordinator", only_busy_turns_count_for_the_coordinator},
        {"idle_time_is_between_rounds", idle_time_is_between_rounds},
        {"waits_are_kept_while_there_is_room", waits_are_kept_while_there_is_room},
        CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"meter", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    return sw_test_main("test_sched_meter", suites);
}
