#include <inttypes.h>
#include <string.h>

#include "plan_internal.h"

size_t sw_plan_decode(const char *text, size_t length, uint32_t *code) {
    static const uint32_t lowest[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *) text;
    *code = 0;
    if (length == 0) return 0;
    if (bytes[0] < 0x80) {
        *code = bytes[0];
        return 1;
    }
    size_t n = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
    if (bytes[0] < 0xc2 || bytes[0] > 0xf4 || length < n) return 0;
    uint32_t value = bytes[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((bytes[i] & 0xc0) != 0x80) return 0;
        value = value << 6 | (bytes[i] & 0x3f);
    }
    if (value < lowest[n] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return 0;
    *code = value;
    return n;
}

/* Other characters that end a line for some YAML readers, and byte order marks inside the text. */
static bool is_confusing(uint32_t code) {
    return (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 || code == 0xfeff ||
           (code & 0xfffe) == 0xfffe;
}

/* Control characters and line ends that may not stand here. */
static bool is_refused(struct sw_plan_place place, const char *at, size_t left, uint32_t code) {
    bool one_line = place.source > 0;
    if (code == '\n') return one_line;
    if (code == '\r') return one_line || left < 2 || at[1] != '\n';
    return (code < 0x20 && code != '\t') || is_confusing(code);
}

static const char *why_refused(uint32_t code) {
    if (code == '\n' || code == '\r') return "it ends the line";
    return code < 0x20 || (code >= 0x7f && code < 0xa0) ? "it is a control character"
                                                        : "it cannot be seen";
}

/* Report what is wrong about one character, if anything. */
static void check_character(struct sw_plan *plan, struct sw_plan_place place, const char *at,
                            size_t left, size_t step, uint32_t code) {
    if (step == 0) {
        sw_plan_report(plan, place, "byte 0x%02x is not valid UTF-8", (unsigned char) *at);
    } else if (is_refused(place, at, left, code)) {
        sw_plan_report(plan, place, "character U+%04" PRIX32 " is not allowed here: %s", code,
                       why_refused(code));
    }
}

/* What a line must not begin with: a directive ("%\xd9" would hang the parser), and tabs in front
 * of something. */
static void check_line_start(struct sw_plan *plan, struct sw_plan_place place, const char *line,
                             const char *end) {
    const char *at = line, *tab = NULL;
    if (line < end && *line == '%')
        sw_plan_report(plan, place,
                       "a line must not begin with %%: YAML directives are not allowed");
    for (; at < end && (*at == ' ' || *at == '\t'); at++)
        if (tab == NULL && *at == '\t') tab = at;
    if (tab == NULL || at == end || *at == '\n' || *at == '\r' || *at == '#') return;
    place.column += tab - line;
    sw_plan_report(plan, place, "this line is indented with a tab; YAML wants spaces");
}

bool sw_plan_check_text(struct sw_plan *plan, struct sw_plan_place where, const char *text,
                        size_t bytes) {
    int64_t before = plan->n_errors;
    const char *end = text + bytes;
    struct sw_plan_place place = where;
    if (bytes > SW_SWEEP_FILE_LIMIT) {
        place.line = 0;
        sw_plan_report(plan, place, "the sweep file has %zu bytes; at most %zu are read", bytes,
                       SW_SWEEP_FILE_LIMIT);
        return false;
    }
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) text += 3;
    check_line_start(plan, place, text, end);
    while (text < end && !sw_plan_is_full(plan)) {
        uint32_t code = 0;
        size_t step = sw_plan_decode(text, (size_t) (end - text), &code);
        check_character(plan, place, text, (size_t) (end - text), step, code);
        text += step > 0 ? step : 1;
        place.column++;
        if (code != '\n') continue;
        place.line++;
        place.column = 1;
        check_line_start(plan, place, text, end);
    }
    return plan->n_errors == before;
}
