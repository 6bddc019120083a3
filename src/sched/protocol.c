#include "protocol.h"

#include <math.h>
#include <string.h>

#define MAGIC 0x53574d31u

struct sw_message sw_message_make(enum sw_message_kind kind, int64_t run) {
    struct sw_message message;
    memset(&message, 0, sizeof message);
    message.magic = MAGIC;
    message.kind = kind;
    message.run = run;
    message.row = -1;
    return message;
}

static bool is_row(int64_t row, int64_t n_rounds) {
    return row >= 0 && row < n_rounds;
}

static bool is_status(int64_t status) {
    return status >= SW_OK && status <= SW_STOPPED;
}

static bool check_beat(const struct sw_message *message, int64_t n_rounds) {
    bool idle = message->activity == SW_ACTIVITY_IDLE;
    return message->activity >= 0 && message->activity < SW_ACTIVITY_COUNT &&
           (idle ? message->row == -1 : is_row(message->row, n_rounds)) && message->step >= 0 &&
           message->step <= message->steps;
}

/* What the kind asks of the fields that it uses. */
static bool check_fields(const struct sw_message *message, int64_t n_rounds) {
    switch (message->kind) {
    case SW_MESSAGE_READY:
    case SW_MESSAGE_BYE:
    case SW_MESSAGE_PULSE:
    case SW_MESSAGE_SAVE:
    case SW_MESSAGE_RELEASE:
        return true;
    case SW_MESSAGE_BEAT:
        return check_beat(message, n_rounds);
    case SW_MESSAGE_NOTICE:
        return is_row(message->row, n_rounds) && message->text[0] != '\0';
    case SW_MESSAGE_RESULT:
        return is_row(message->row, n_rounds) && is_status(message->status) &&
               isfinite(message->seconds) && message->seconds >= 0 && isfinite(message->waited) &&
               message->waited >= 0;
    case SW_MESSAGE_ASSIGN:
        return is_row(message->row, n_rounds) && message->attempt >= 1;
    case SW_MESSAGE_LEAVE:
        return is_status(message->status) && message->status != SW_OK;
    case SW_MESSAGE_END:
        return is_status(message->status);
    default:
        return false;
    }
}

bool sw_message_check(const struct sw_message *message, int64_t run, int64_t n_rounds) {
    return message->magic == MAGIC && message->run == run &&
           (message->flag == 0 || message->flag == 1) &&
           memchr(message->text, '\0', sizeof message->text) != NULL &&
           check_fields(message, n_rounds);
}

bool sw_message_is_for_coordinator(const struct sw_message *message) {
    return message->kind < SW_MESSAGE_ASSIGN;
}
