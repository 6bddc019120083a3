#include "sweepstake/random.h"

#include <Random123/philox.h>
#include <math.h>

struct sw_random_words sw_random_draw(uint64_t seed, enum sw_random_purpose purpose,
                                      uint64_t stream, uint64_t index) {
    /* 128 bits of counter hold index and stream; 64 bits of key hold seed (53 bits are in use) and
     * purpose. */
    philox4x32_key_t key = {
        {(uint32_t) seed, (uint32_t) (seed >> 32) ^ ((uint32_t) purpose << 24)}};
    philox4x32_ctr_t counter = {
        {(uint32_t) index, (uint32_t) (index >> 32), (uint32_t) stream, (uint32_t) (stream >> 32)}};
    philox4x32_ctr_t drawn = philox4x32(counter, key);
    return (struct sw_random_words){{drawn.v[0], drawn.v[1], drawn.v[2], drawn.v[3]}};
}

static uint64_t join(uint32_t low, uint32_t high) {
    return (uint64_t) high << 32 | low;
}

/* The upper 53 bits as a number in [0, 1). */
static double to_unit(uint64_t bits) {
    return (double) (bits >> 11) * 0x1p-53;
}

uint64_t sw_random_u64(uint64_t seed, enum sw_random_purpose purpose, uint64_t stream,
                       uint64_t index) {
    struct sw_random_words words = sw_random_draw(seed, purpose, stream, index);
    return join(words.word[0], words.word[1]);
}

double sw_random_uniform(uint64_t seed, enum sw_random_purpose purpose, uint64_t stream,
                         uint64_t index) {
    return to_unit(sw_random_u64(seed, purpose, stream, index));
}

double sw_random_normal(uint64_t seed, enum sw_random_purpose purpose, uint64_t stream,
                        uint64_t index) {
    struct sw_random_words words = sw_random_draw(seed, purpose, stream, index);
    double radius = 1.0 -
                    to_unit(join(words.word[0], words.word[1])); /* in (0, 1]: log is finite */
    double angle = to_unit(join(words.word[2], words.word[3]));
    return sqrt(-2.0 * log(radius)) * cos(2.0 * 3.14159265358979323846 * angle);
}

/* Unbiased number in [0, bound): draws in the incomplete last interval are rejected and drawn anew.
 */
static uint32_t below(uint64_t seed, enum sw_random_purpose purpose, uint64_t stream,
                      uint64_t index, uint32_t bound) {
    uint32_t reject_under = (uint32_t) -bound % bound;
    for (uint64_t attempt = 0;; attempt++) {
        /* Attempts use the upper half of the index, which positions (below 2^31) never reach. */
        struct sw_random_words words = sw_random_draw(seed, purpose, stream, index | attempt << 32);
        for (int i = 0; i < 4; i++) {
            uint64_t product = (uint64_t) words.word[i] * bound;
            if ((uint32_t) product >= reject_under) return (uint32_t) (product >> 32);
        }
    }
}

void sw_random_permutation(uint64_t seed, enum sw_random_purpose purpose, uint64_t stream,
                           int32_t *order, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        order[i] = (int32_t) i;
    for (int64_t i = n - 1; i > 0; i--) {
        uint32_t j = below(seed, purpose, stream, (uint64_t) i, (uint32_t) i + 1);
        int32_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}
