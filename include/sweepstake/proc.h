/* Module: proc
 * Purpose: training may die, ranks may not. A small server, exec'ed before MPI_Init in its own
 * process group and ignoring USR1 and USR2, forks trainers on request; a trainer that crashes,
 * hangs or is killed is reported to the rank as an event. Takes: a function to run in the trainer.
 * Gives: a socket to it, and how it ended. The server and its trainers die with their rank
 * (PR_SET_PDEATHSIG, end of file on the socket). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

#include "sweepstake/status.h"

#define SW_PROC_MAX_FDS 16

/* ---- in the rank ---------------------------------------------------------------------------- */

struct sw_server; /* opaque */

/* Exec this program again as a server: `argument` is the hidden command that leads to
 * sw_proc_serve. Call before MPI_Init. Errors: SW_INTERNAL. */
enum sw_status sw_proc_start_server(const char *argument, struct sw_server **out) SW_NODISCARD;
void sw_proc_stop_server(struct sw_server **server); /* ends its trainers too */

/* Have the server exec itself once more with NAME=value in its environment (for OPENBLAS_CORETYPE,
 * which has to be set before exec). Before the first trainer. */
enum sw_status sw_proc_set_environment(struct sw_server *server, const char *name,
                                       const char *value) SW_NODISCARD;

/* Fork a trainer. It gets copies of fds[n_fds] (at most SW_PROC_MAX_FDS). *socket is a
 * SOCK_SEQPACKET to it; the caller closes it. *pid names it in events. Errors: SW_INTERNAL (the
 * server is gone or could not fork). */
enum sw_status sw_proc_spawn(struct sw_server *server, const int *fds, int n_fds, int *socket,
                             pid_t *pid) SW_NODISCARD;
enum sw_status sw_proc_kill(struct sw_server *server, pid_t pid) SW_NODISCARD; /* SIGKILL */

struct sw_proc_event {
    pid_t pid;
    int exited;       /* 1: by exit, 0: by a signal */
    int code;         /* exit code or signal number */
    int64_t peak_rss; /* bytes */
};
/* True and the event when a trainer has ended; never waits. Errors: SW_INTERNAL when the server is
 * gone. */
enum sw_status sw_proc_poll(struct sw_server *server, bool *got,
                            struct sw_proc_event *event) SW_NODISCARD;
/* "killed by signal 11 (Segmentation fault)", "ended with exit code 3". Returns out. */
char *sw_proc_describe(const struct sw_proc_event *event, char *out, size_t size);

/* ---- between a rank and its trainer ----------------------------------------------------------------------- */

enum sw_proc_received {
    SW_PROC_NOTHING, /* no message yet */
    SW_PROC_MESSAGE,
    SW_PROC_CLOSED /* the other side is gone */
};
/* One message with copies of fds[n_fds] over a trainer's socket, from either side; never waits.
 * Errors: SW_INTERNAL (the other side is gone). */
enum sw_status sw_proc_send(int socket, const void *bytes, size_t length, const int *fds,
                            int n_fds) SW_NODISCARD;
/* The next message, of exactly `length` bytes. With `wait`, until one comes or the other side is gone.
 * fds has room for SW_PROC_MAX_FDS + 1; the caller closes what it got. Errors: SW_INTERNAL (wrong length). */
enum sw_status sw_proc_receive(int socket, bool wait, enum sw_proc_received *what, void *bytes,
                               size_t length, int *fds, int *n_fds) SW_NODISCARD;

/* ---- in the server and the trainer ---------------------------------------------------------- */

/* The trainer's main: its socket to the rank and the file descriptors it was given. Its result is
 * the exit code of the process. */
typedef int (*sw_trainer_fn)(int socket, const int *fds, int n_fds);

/* Serve until the rank is gone; returns the exit code. `control` is the number in the hidden
 * command. */
int sw_proc_serve(int control, sw_trainer_fn trainer);
