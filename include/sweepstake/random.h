/* Module: base
 * Purpose: random numbers that depend on what they are for, never on when or where they are drawn.
 * Source: Philox4x32-10, Salmon et al. 2011 (Random123 library).
 * Every number is a pure function of (seed, purpose, stream, index): any rank, thread or restart
 * draws the same one. Thread-safe, no state. */
#pragma once

#include <stdint.h>

/* What a number is for. Values are part of the results: never renumber, only append. */
enum sw_random_purpose {
    SW_RANDOM_INIT = 1,      /* weights at initialisation; stream = parameter number */
    SW_RANDOM_REINIT = 2,    /* weights of the reinit control; stream = round << 32 | parameter */
    SW_RANDOM_ORDER = 3,     /* order of the training samples; stream = epoch */
    SW_RANDOM_SYNTHETIC = 4, /* synthetic data; stream = which array */
    SW_RANDOM_PRUNE = 5,     /* random pruning scores; stream = round << 32 | layer */
    SW_RANDOM_BENCH = 6,     /* random masks and inputs of the benchmarks */
    SW_RANDOM_MASK = 7,      /* masks of the random control; stream = round << 32 | layer */
    SW_RANDOM_SHUFFLE = 8,   /* order of the shuffle control; stream = round << 32 | layer */
    SW_RANDOM_SCALE = 9,     /* batch-norm scales at initialisation; stream = parameter number */
    SW_RANDOM_AUGMENT = 10,  /* how a training image is shown; stream = epoch, index = sample */
    SW_RANDOM_DROPOUT = 11,  /* kept by dropout; stream = step << 16 | layer, index = element / 4 */
    SW_RANDOM_SCORE = 12     /* training samples that criteria look at; stream = round */
};

/* Four independent 32-bit numbers. */
struct sw_random_words {
    uint32_t word[4];
};
struct sw_random_words sw_random_draw(uint64_t seed, enum sw_random_purpose purpose,
                                      uint64_t stream, uint64_t index);

/* One 64-bit number: words 0 and 1 of the draw. */
uint64_t sw_random_u64(uint64_t seed, enum sw_random_purpose purpose, uint64_t stream,
                       uint64_t index);

/* Uniform in [0, 1), 53 bits. */
double sw_random_uniform(uint64_t seed, enum sw_random_purpose purpose, uint64_t stream,
                         uint64_t index);

/* Standard normal by Box-Muller in double; element `index` of the stream. */
double sw_random_normal(uint64_t seed, enum sw_random_purpose purpose, uint64_t stream,
                        uint64_t index);

/* Fill order[0..n) with a permutation of 0..n-1 (Fisher-Yates, unbiased by rejection).
 * n in 0..2^31-1. */
void sw_random_permutation(uint64_t seed, enum sw_random_purpose purpose, uint64_t stream,
                           int32_t *order, int64_t n);
