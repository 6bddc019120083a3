#include "sweepstake/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char text[4096];
static _Thread_local char origin[64];

static const struct {
    int exit_code;
    const char *sentence;
} codes[] = {
#define SW_STATUS_ROW(name, exit_code, sentence) {exit_code, sentence},
    SW_STATUS_LIST(SW_STATUS_ROW)
#undef SW_STATUS_ROW
};

static size_t index_of(enum sw_status code) {
    return (size_t) code < sizeof codes / sizeof *codes ? (size_t) code : (size_t) SW_INTERNAL;
}

const char *sw_status_sentence(enum sw_status code) {
    return codes[index_of(code)].sentence;
}

int sw_status_exit_code(enum sw_status code) {
    return codes[index_of(code)].exit_code;
}

const char *sw_status_text(void) {
    return text;
}

const char *sw_status_origin(void) {
    return origin;
}

void sw_status_record(const char *file, int line, const char *format, ...) {
    int saved_errno = errno;
    /* The message may quote the previous one: format into a second buffer first. */
    char fresh[sizeof text];
    va_list arguments;
    va_start(arguments, format);
    (void) vsnprintf(fresh, sizeof fresh, format, arguments);
    va_end(arguments);
    memcpy(text, fresh, sizeof text);
    const char *slash = strrchr(file, '/');
    (void) snprintf(origin, sizeof origin, "%s:%d", slash != NULL ? slash + 1 : file, line);
    errno = saved_errno;
}
