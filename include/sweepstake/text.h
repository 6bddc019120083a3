/* Module: base
 * Purpose: growing text, strict number parsing, and the nearest known word for an unknown one.
 * Ownership: struct sw_text owns its bytes; sw_text_fini frees them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sweepstake/status.h"

struct sw_text {
    char *bytes;     /* always NUL-terminated once anything was added; NULL when empty */
    size_t length;   /* bytes without the NUL */
    size_t capacity; /* bytes allocated */
};

/* Append printf output. Errors: SW_NOMEM (the text is unchanged). */
enum sw_status sw_text_add(struct sw_text *text, const char *format, ...)
    SW_PRINTF(2, 3) SW_NODISCARD;

/* Append `length` raw bytes. Errors: SW_NOMEM. */
enum sw_status sw_text_add_bytes(struct sw_text *text, const void *bytes,
                                 size_t length) SW_NODISCARD;

/* The text as a C string; "" when nothing was added. Borrowed until the next change. */
const char *sw_text_get(const struct sw_text *text);

void sw_text_fini(struct sw_text *text);

/* Copy `from` into a fixed array, cut at its end, rest zeroed (so that stored bytes are
 * repeatable). */
void sw_text_copy(char *to, size_t size, const char *from);
#define SW_TEXT_COPY(array, from) sw_text_copy((array), sizeof(array), (from))

/* Parse a whole string as a number; false when anything is left over, out of range, NaN or
 * infinite. */
bool sw_text_to_int(const char *text, int64_t *out);
bool sw_text_to_real(const char *text, double *out);

/* Edit distance (insert, delete, replace, swap of neighbours), counting at most `limit` + 1. */
size_t sw_text_distance(const char *a, const char *b, size_t limit);

/* The candidate nearest to `word`, or NULL when none is near enough to be meant (distance above a
 * third of the word's length, at least 1) and it is not the beginning of exactly one. Borrowed. */
const char *sw_text_nearest(const char *word, const char *const *candidates, size_t n_candidates);

/* "1.50 GiB" for a number of bytes, into `out` (at least 16 bytes). Returns `out`. */
char *sw_text_bytes(char *out, size_t size, double bytes);

/* "1 h 02 min", "3 min 20 s", "4.2 s" for a number of seconds. Returns `out` (at least 24 bytes).
 */
char *sw_text_seconds(char *out, size_t size, double seconds);
