/* What the files of monitor share. */
#pragma once

#include "sweepstake/monitor.h"

#define SW_MONITOR(name) extern const struct sw_monitor sw_monitor_##name;
#include "monitors.def"
#undef SW_MONITOR
