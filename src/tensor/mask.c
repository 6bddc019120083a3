#include "sweepstake/mask.h"

#include <string.h>

int64_t sw_mask_bytes(int64_t count) {
    return (count + 7) / 8;
}

void sw_mask_clear_bit(uint8_t *mask, int64_t index) {
    mask[index >> 3] &= (uint8_t) ~(1u << (index & 7));
}

void sw_mask_clear_word(uint8_t *mask, int64_t count, int64_t first, uint64_t bits) {
    uint64_t word = htole64(sw_mask_word(mask, count, first) & ~bits);
    size_t bytes = (size_t) sw_mask_bytes(count - first);
    memcpy(mask + (first >> 3), &word, bytes < sizeof word ? bytes : sizeof word);
}

/* The bits of the last byte that are in use; 0xff when it is full. */
static uint8_t last_bits(int64_t count) {
    return (count & 7) == 0 ? 0xff : (uint8_t) ((1u << (count & 7)) - 1);
}

void sw_mask_fill(uint8_t *mask, int64_t count) {
    if (count == 0) return;
    int64_t bytes = sw_mask_bytes(count);
    memset(mask, 0xff, (size_t) bytes);
    mask[bytes - 1] = last_bits(count);
}

int64_t sw_mask_count(const uint8_t *mask, int64_t count) {
    if (count == 0) return 0;
    int64_t last = sw_mask_bytes(count) - 1;
    int64_t kept = __builtin_popcount(mask[last] & last_bits(count));
    int64_t i = 0;
    for (; i + 8 <= last; i += 8) {
        uint64_t word;
        memcpy(&word, mask + i, sizeof word);
        kept += __builtin_popcountll(word);
    }
    for (; i < last; i++)
        kept += __builtin_popcount(mask[i]);
    return kept;
}

bool sw_mask_is_nested(const uint8_t *inner, const uint8_t *outer, int64_t count) {
    for (int64_t i = 0, bytes = sw_mask_bytes(count); i < bytes; i++)
        if ((inner[i] & ~outer[i]) != 0) return false;
    return true;
}

bool sw_mask_is_clean(const uint8_t *mask, int64_t count) {
    if (count == 0) return true;
    return (mask[sw_mask_bytes(count) - 1] & (uint8_t) ~last_bits(count)) == 0;
}

int64_t sw_mask_gather(const uint8_t *mask, int64_t count, const float *from, float *out) {
    int64_t kept = 0;
    for (int64_t first = 0; first < count; first += 64)
        for (uint64_t left = sw_mask_word(mask, count, first); left != 0; left &= left - 1)
            out[kept++] = from[first + __builtin_ctzll(left)];
    return kept;
}

int64_t sw_mask_scatter(const uint8_t *mask, int64_t count, const float *from, float *out) {
    int64_t kept = 0;
    memset(out, 0, (size_t) count * sizeof *out);
    for (int64_t first = 0; first < count; first += 64)
        for (uint64_t left = sw_mask_word(mask, count, first); left != 0; left &= left - 1)
            out[first + __builtin_ctzll(left)] = from[kept++];
    return kept;
}
