/* Shares of a whole number that are whole numbers themselves. */
#include "prune_internal.h"

#include <math.h>

static int64_t clamp(int64_t x, int64_t lowest, int64_t highest) {
    if (x < lowest) return lowest;
    return x > highest ? highest : x;
}

/* Index of the largest number; the lowest index among equals. */
static int64_t largest_of(const int64_t *numbers, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (numbers[i] > numbers[best]) best = i;
    return best;
}

void sw_apportion_scale(int64_t *removals, int64_t n, int64_t sum, int64_t total) {
    int64_t remainder[SW_MAX_LAYERS];
    int64_t left = total;
    if (sum == 0) return;
    for (int64_t p = 0; p < n; p++) {
        __int128 product = (__int128) removals[p] * total;
        removals[p] = (int64_t) (product / sum);
        remainder[p] = (int64_t) (product % sum);
        left -= removals[p];
    }
    for (; left > 0; left--) {
        int64_t pool = largest_of(remainder, n);
        removals[pool]++;
        remainder[pool] = -1;
    }
}

/* One more for the largest remainders above what is there, as far as there is room. */
static int64_t round_up(const double *wanted, const int64_t *highest, int64_t n, int64_t rest,
                        int64_t *out) {
    bool raised[SW_MAX_LAYERS] = {false};
    for (int64_t given = 0; rest > 0 && given < n; given++) {
        int64_t best = -1;
        for (int64_t i = 0; i < n; i++) {
            if (raised[i] || out[i] >= highest[i] || wanted[i] <= (double) out[i]) continue;
            if (best < 0 || wanted[i] - (double) out[i] > wanted[best] - (double) out[best])
                best = i;
        }
        if (best < 0) break;
        out[best]++;
        raised[best] = true;
        rest--;
    }
    return rest;
}

/* Move everything towards `bound` by `rest` in all. */
static void spread(const int64_t *bound, int64_t sign, int64_t n, int64_t rest, int64_t *out) {
    int64_t room[SW_MAX_LAYERS], sum = 0;
    for (int64_t i = 0; i < n; i++) {
        room[i] = (bound[i] - out[i]) * sign;
        sum += room[i];
    }
    if (rest < sum) sw_apportion_scale(room, n, sum, rest);
    for (int64_t i = 0; i < n; i++)
        out[i] += room[i] * sign;
}

void sw_apportion(const double *wanted, const int64_t *lowest, const int64_t *highest, int64_t n,
                  int64_t total, int64_t *out) {
    int64_t rest = total;
    for (int64_t i = 0; i < n; i++) {
        out[i] = clamp((int64_t) floor(wanted[i]), lowest[i], highest[i]);
        rest -= out[i];
    }
    if (rest > 0) rest = round_up(wanted, highest, n, rest, out);
    if (rest > 0) spread(highest, 1, n, rest, out);
    if (rest < 0) spread(lowest, -1, n, -rest, out);
}
