/* Module: train, private: how training images are shown. */
#pragma once

#include "sweepstake/net.h"

bool sw_augment_is_asked(const struct sw_trial_spec *spec);

/* How the training samples index[0..batch) are shown in an epoch: mirrored one time in two, moved by
 * -shift .. shift pixels down and right, each equally often. A pure function of (seed, epoch, sample). */
void sw_augment_draw(const struct sw_trial_spec *spec, int64_t epoch, const int32_t *index,
                     int64_t batch, struct sw_augment *out);
