/* What a rank and its server tell each other over the control socket: requests one way, replies and
 * events the other. Both are the same program, so plain structs do. */
#pragma once

#include <stdint.h>

#include "sweepstake/proc.h"

#define SW_WIRE_CONTROL 3 /* number of the control socket in the server */

enum sw_wire_request_kind {
    SW_WIRE_SPAWN, /* carries the trainer's socket and its other file descriptors */
    SW_WIRE_KILL,
    SW_WIRE_SET_ENVIRONMENT
};
struct sw_wire_request {
    int32_t kind;
    int32_t pid;       /* KILL */
    char argument[64]; /* SET_ENVIRONMENT: the hidden command to start again with */
    char name[64];     /* SET_ENVIRONMENT */
    char value[256];   /* SET_ENVIRONMENT */
};

enum sw_wire_reply_kind {
    SW_WIRE_READY,   /* the server runs; first message after every exec */
    SW_WIRE_SPAWNED, /* pid */
    SW_WIRE_REFUSED, /* code: errno */
    SW_WIRE_ENDED    /* an event: pid, exited, code, peak_rss */
};
struct sw_wire_reply {
    int32_t kind;
    int32_t pid;
    int32_t exited;
    int32_t code;
    int64_t peak_rss; /* bytes */
};
