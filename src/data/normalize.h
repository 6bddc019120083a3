/* How a pixel becomes an input. Private to data. */
#pragma once

#include "sweepstake/status.h"

/* Fill table[channels][256] for a word of data.normalize; mean and deviation are per channel, in 0..1.
 * Errors: SW_CONFIG for an unknown word. */
enum sw_status sw_normalize_fill(const char *word, int channels, const float *mean,
                                 const float *deviation, float *table) SW_NODISCARD;
