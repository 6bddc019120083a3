/* The trainer's side of a round: sections and signs of life through the parcel, checkpoints through
 * files. */
#pragma once

#include "parcel.h"

struct sw_trainer_sink {
    struct sw_sink sink; /* its context is this struct, which must not move */
    struct sw_parcel *parcel;
    struct sw_slots slots;
    double saved_at; /* monotonic */
};

/* `parcel` is borrowed. */
void sw_trainer_sink_open(struct sw_parcel *parcel, struct sw_trainer_sink *out);
