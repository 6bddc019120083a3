/* What the files of prune share. */
#pragma once

#include "sweepstake/prune.h"

#define SW_CRITERION(name) extern const struct sw_criterion sw_criterion_##name;
#include "criteria.def"
#undef SW_CRITERION
