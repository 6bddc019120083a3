/* What the coordinator tells people: how far the sweep is, what happened, how it ended. */
#pragma once

#include "coordinator.h"

struct sw_sched_view sw_report_view(const struct sw_coordinator *coordinator,
                                    const struct sw_times *times);

/* Tell the observer something that a person should know. */
void sw_report_notice(const struct sw_coordinator *coordinator, const char *format, ...)
    SW_PRINTF(2, 3);

/* "trial 3, round 2" or "trial 3, round 2, reinit", for a person. Returns out. */
const char *sw_report_name(const struct sw_coordinator *coordinator, int64_t row, char *out,
                           size_t size);

/* Tell the observer of the oldest round in coordinator->news. */
void sw_report_news(struct sw_coordinator *coordinator, const struct sw_times *times);

/* The outcome of the whole sweep: fills status and text. */
void sw_report_judge(const struct sw_coordinator *coordinator, struct sw_message *message);
