#include "sweepstake/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweepstake/memory.h"

/* ---- growing text --------------------------------------------------------------------------- */

/* Make room for `more` bytes and a NUL. */
static enum sw_status reserve(struct sw_text *text, size_t more) {
    size_t need = 0;
    if (__builtin_add_overflow(text->length, more, &need) || need >= SIZE_MAX / 2)
        return SW_FAIL(SW_NOMEM, "text of more than %zu bytes", text->length);
    if (need < text->capacity) return SW_OK;
    size_t capacity = need * 2 + 64;
    SW_TRY(SW_GROW(&text->bytes, text->length, capacity, "text"));
    text->capacity = capacity;
    return SW_OK;
}

enum sw_status sw_text_add_bytes(struct sw_text *text, const void *bytes, size_t length) {
    SW_TRY(reserve(text, length));
    if (length > 0) memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
    return SW_OK;
}

enum sw_status sw_text_add(struct sw_text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) return SW_FAIL(SW_INTERNAL, "cannot format a message");
    SW_TRY(reserve(text, (size_t) length));
    va_start(arguments, format);
    (void) vsnprintf(text->bytes + text->length, (size_t) length + 1, format, arguments);
    va_end(arguments);
    text->length += (size_t) length;
    return SW_OK;
}

const char *sw_text_get(const struct sw_text *text) {
    return text->bytes != NULL ? text->bytes : "";
}

void sw_text_fini(struct sw_text *text) {
    SW_FREE(&text->bytes);
    text->length = text->capacity = 0;
}

void sw_text_copy(char *to, size_t size, const char *from) {
    size_t length = strnlen(from, size - 1);
    memcpy(to, from, length);
    memset(to + length, 0, size - length);
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* strtoll and strtod skip blanks in front, which a strict reader must not. */
static bool starts_like_number(const char *text) {
    return isdigit((unsigned char) *text) || *text == '-' || *text == '+' || *text == '.';
}

bool sw_text_to_int(const char *text, int64_t *out) {
    if (!starts_like_number(text)) return false;
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') return false;
    *out = value;
    return true;
}

bool sw_text_to_real(const char *text, double *out) {
    /* strtod also reads hexadecimal; nobody means that in a sweep file. */
    if (!starts_like_number(text) || strpbrk(text, "xXpP") != NULL) return false;
    char *end = NULL;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value)) return false;
    if (errno == ERANGE && value != 0) return false;
    *out = value;
    return true;
}

/* ---- nearest word --------------------------------------------------------------------------- */

#define WORD_MAX 64

static size_t smallest(size_t a, size_t b, size_t c) {
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

size_t sw_text_distance(const char *a, const char *b, size_t limit) {
    size_t n = strlen(a), m = strlen(b);
    if (n > WORD_MAX || m > WORD_MAX) return limit + 1;
    /* Rows of the optimal-string-alignment table: two back, one back, current. */
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *here = rows[2];
    for (size_t j = 0; j <= m; j++)
        above[j] = j;
    for (size_t i = 1; i <= n; i++) {
        here[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
            here[j] = smallest(above[j] + 1, here[j - 1] + 1, above[j - 1] + change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < here[j])
                here[j] = before[j - 2] + 1;
        }
        size_t *oldest = before;
        before = above;
        above = here;
        here = oldest;
    }
    return above[m] > limit ? limit + 1 : above[m];
}

/* The only candidate that begins with the word, if it is long enough to be the beginning of one. */
static const char *find_beginning(const char *word, const char *const *candidates, size_t n) {
    const char *found = NULL;
    size_t length = strlen(word);
    for (size_t i = 0; i < n && length >= 3; i++) {
        if (strncmp(word, candidates[i], length) != 0) continue;
        if (found != NULL) return NULL;
        found = candidates[i];
    }
    return found;
}

const char *sw_text_nearest(const char *word, const char *const *candidates, size_t n_candidates) {
    size_t limit = strlen(word) / 3;
    if (limit < 1) limit = 1;
    size_t nearest = n_candidates, least = 0;
    for (size_t i = 0; i < n_candidates; i++) {
        size_t distance = sw_text_distance(word, candidates[i], limit);
        if (distance <= limit) {
            nearest = i;
            least = distance;
            if (distance == 0) break;
            limit = distance - 1;
        }
    }
    /* Half a word is nearer to the whole one than to others that are as short. */
    const char *begun = nearest < n_candidates && least <= 1
                            ? NULL
                            : find_beginning(word, candidates, n_candidates);
    if (begun != NULL) return begun;
    return nearest < n_candidates ? candidates[nearest] : NULL;
}

/* ---- numbers for people --------------------------------------------------------------------- */

char *sw_text_bytes(char *out, size_t size, double bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        unit++;
    }
    (void) snprintf(out, size, unit == 0 ? "%.0f %s" : "%.2f %s", bytes, units[unit]);
    return out;
}

char *sw_text_seconds(char *out, size_t size, double seconds) {
    if (!(seconds >= 0)) {
        (void) snprintf(out, size, "unknown");
    } else if (seconds < 59.95) {
        (void) snprintf(out, size, "%.1f s", seconds);
    } else if (seconds < 3600) {
        long whole = lround(seconds);
        (void) snprintf(out, size, "%ld min %02ld s", whole / 60, whole % 60);
    } else {
        double minutes = floor(seconds / 60);
        (void) snprintf(out, size, "%.0f h %02.0f min", floor(minutes / 60), fmod(minutes, 60));
    }
    return out;
}
