/* Module: train, private: adaptive gradient clipping, unit by unit. */
#pragma once

#include "clip.h"

/* A unit is a row of a layer's weights: those that feed one output; other parameters are one unit as a
 * whole. Counts the layers of which a unit was clipped. */
enum sw_status sw_clip_units(struct sw_clip *clip, struct sw_net *net) SW_NODISCARD;
