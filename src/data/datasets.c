/* The list of data sets. */
#include "datasets.h"

#include <string.h>

static const struct sw_dataset *const datasets[] = {
#define SW_DATASET(symbol) &sw_dataset_##symbol,
#include "datasets.def"
#undef SW_DATASET
};

const struct sw_dataset *sw_dataset_at(size_t index) {
    return index < sizeof datasets / sizeof *datasets ? datasets[index] : NULL;
}

const struct sw_dataset *sw_dataset_find(const char *name) {
    for (size_t i = 0; i < sizeof datasets / sizeof *datasets; i++)
        if (strcmp(datasets[i]->name, name) == 0) return datasets[i];
    return NULL;
}
