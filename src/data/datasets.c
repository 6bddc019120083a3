/* The list of data sets. */
#include "datasets.h"

#include <string.h>

enum {
#define SW_DATASET(symbol) DATASET_##symbol,
#include "datasets.def"
#undef SW_DATASET
    N_DATASETS
};

static const struct sw_dataset *const datasets[N_DATASETS] = {
#define SW_DATASET(symbol) &sw_dataset_##symbol,
#include "datasets.def"
#undef SW_DATASET
};

const struct sw_dataset *sw_dataset_at(size_t index) {
    return index < N_DATASETS ? datasets[index] : NULL;
}

const struct sw_dataset *sw_dataset_find(const char *name) {
    for (size_t i = 0; i < N_DATASETS; i++)
        if (strcmp(datasets[i]->name, name) == 0) return datasets[i];
    return NULL;
}
