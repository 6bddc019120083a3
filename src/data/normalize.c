/* The words of data.normalize. */
#include "normalize.h"

#include <string.h>

#include "sweepstake/data.h"

static float to_unit(int pixel, float mean, float deviation) {
    (void) mean, (void) deviation;
    return (float) pixel / 255.0f;
}

/* A channel of one single value has nothing to scale. */
static float to_standard(int pixel, float mean, float deviation) {
    return ((float) pixel / 255.0f - mean) / (deviation > 0 ? deviation : 1.0f);
}

static float to_none(int pixel, float mean, float deviation) {
    (void) mean, (void) deviation;
    return (float) pixel;
}

static const struct word {
    const char *name;
    const char *summary;
    float (*input)(int pixel, float mean, float deviation);
} words[] = {
    {"unit", "pixels divided by 255: 0 to 1", to_unit},
    {"standard", "zero mean and unit deviation per channel, measured on the training images",
     to_standard},
    {"none", "pixels as they are: 0 to 255", to_none},
};

const char *sw_normalize_at(size_t index, const char **summary) {
    if (index >= sizeof words / sizeof *words) return NULL;
    if (summary != NULL) *summary = words[index].summary;
    return words[index].name;
}

enum sw_status sw_normalize_fill(const char *word, int channels, const float *mean,
                                 const float *deviation, float *table) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i].name, word) != 0) continue;
        for (int channel = 0; channel < channels; channel++)
            for (int pixel = 0; pixel < 256; pixel++)
                table[256 * channel + pixel] = words[i].input(pixel, mean[channel],
                                                              deviation[channel]);
        return SW_OK;
    }
    return SW_FAIL(SW_CONFIG, "data.normalize: %s is unknown; unit, standard or none expected",
                   word);
}
