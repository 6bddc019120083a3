/* Module: base
 * Purpose: one status type for everything that can fail, and the text of the last failure.
 * Takes: a code and a printf message at the place where a thing goes wrong.
 * Gives: enum sw_status to return, the message for the command line to print, the exit code.
 * Not here: printing, exiting (only cli and bench talk to people). */
#pragma once

#include <stddef.h>

/* X(name, exit code of the program, sentence). Exit codes are the contract of the command line. */
#define SW_STATUS_LIST(X)                                                                          \
    X(OK, 0, "success")                                                                            \
    X(USAGE, 1, "wrong use of the command line")                                                   \
    X(CONFIG, 1, "the sweep file or its data is wrong")                                            \
    X(UNSUPPORTED, 1, "this build or machine cannot do that")                                      \
    X(NOT_FOUND, 1, "no such thing")                                                               \
    X(PARTIAL, 2, "finished, but some trials failed")                                              \
    X(DIVERGED, 2, "training diverged")                                                            \
    X(INTERNAL, 70, "internal error")                                                              \
    X(NOMEM, 70, "out of memory")                                                                  \
    X(IO, 74, "input or output failed")                                                            \
    X(DAMAGED, 74, "stored data is damaged")                                                       \
    X(STOPPED, 75, "stopped at a safe point; run again with --resume")

enum sw_status {
#define SW_STATUS_ENUM(name, exit_code, sentence) SW_##name,
    SW_STATUS_LIST(SW_STATUS_ENUM)
#undef SW_STATUS_ENUM
};

#define SW_NODISCARD __attribute__((warn_unused_result))
#define SW_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))

/* The sentence of a code ("input or output failed"). Never NULL. */
const char *sw_status_sentence(enum sw_status code);

/* The exit code of the program for a code (see the list). */
int sw_status_exit_code(enum sw_status code);

/* The text of this thread's last failure: what was wrong, where, what would be right. Never NULL;
 * valid until the next failure in this thread. */
const char *sw_status_text(void);

/* Source position ("store_create.c:42") of this thread's last failure, for logs. */
const char *sw_status_origin(void);

/* Record a failure. Use SW_FAIL, which fills in the position. Keeps errno. */
void sw_status_record(const char *file, int line, const char *format, ...) SW_PRINTF(3, 4);

/* Record a failure and be its code: `return SW_FAIL(SW_IO, "%s: %s", path, reason);` */
#define SW_FAIL(code, ...) (sw_status_record(__FILE__, __LINE__, __VA_ARGS__), (code))

/* Return from this function when a call fails. */
#define SW_TRY(call)                                                                               \
    do {                                                                                           \
        enum sw_status sw_try_status_ = (call);                                                    \
        if (sw_try_status_ != SW_OK) return sw_try_status_;                                        \
    } while (0)

/* Jump to a cleanup label when a call fails; `status` is the variable that is returned there. */
#define SW_TRY_TO(call, status, label)                                                             \
    do {                                                                                           \
        (status) = (call);                                                                         \
        if ((status) != SW_OK) goto label;                                                         \
    } while (0)
