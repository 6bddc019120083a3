#include "augment.h"

bool sw_augment_is_asked(const struct sw_trial_spec *spec) {
    return spec->train_augment_flip != 0 || spec->train_augment_shift > 0;
}

/* A number of -shift .. shift from 32 random bits: at most 201 values, so the bias is below 1e-7. */
static int8_t draw_shift(uint32_t bits, int64_t shift) {
    uint64_t values = (uint64_t) (2 * shift + 1);
    return (int8_t) ((int64_t) ((uint64_t) bits * values >> 32) - shift);
}

void sw_augment_draw(const struct sw_trial_spec *spec, int64_t epoch, const int32_t *index,
                     int64_t batch, struct sw_augment *out) {
    for (int64_t i = 0; i < batch; i++) {
        struct sw_random_words words = sw_random_draw((uint64_t) spec->seed, SW_RANDOM_AUGMENT,
                                                      (uint64_t) epoch, (uint64_t) index[i]);
        out[i] = (struct sw_augment){.down = draw_shift(words.word[0], spec->train_augment_shift),
                                     .right = draw_shift(words.word[1], spec->train_augment_shift),
                                     .mirror = spec->train_augment_flip != 0 &&
                                               (words.word[2] & 1) != 0};
    }
}
