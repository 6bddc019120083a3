/* A data set in four IDX files of one folder, named as MNIST's are. Private to data. */
#pragma once

#include "sweepstake/data.h"

#define SW_IDX_SET_CLASSES 10

/* The probe and decode of struct sw_dataset; `folder` stands in for an empty data.dir. */
enum sw_status sw_idx_set_probe(const struct sw_trial_spec *spec, const char *folder,
                                struct sw_data_info *info) SW_NODISCARD;
enum sw_status sw_idx_set_decode(const struct sw_trial_spec *spec, const char *folder,
                                 const struct sw_data_info *info, uint8_t *train_images,
                                 uint8_t *train_labels, uint8_t *test_images,
                                 uint8_t *test_labels) SW_NODISCARD;
