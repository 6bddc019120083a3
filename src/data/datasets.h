/* The data sets that datasets.def lists. Private to data. */
#pragma once

#include "sweepstake/data.h"

#define SW_DATASET(symbol) extern const struct sw_dataset sw_dataset_##symbol;
#include "datasets.def"
#undef SW_DATASET
