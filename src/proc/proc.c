/* A rank's view of its server and trainers. */
#include "sweepstake/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sweepstake/memory.h"
#include "sweepstake/system.h"
#include "sweepstake/text.h"
#include "wire.h"

#define REPLY_SECONDS 30.0 /* an exec on a loaded machine takes a fraction of a second */
#define STOP_SECONDS 5.0

struct sw_server {
    int control;
    pid_t pid;
    char argument[64];
    struct sw_wire_reply *events; /* that came while a reply was awaited; owned */
    size_t n_events, capacity;
};

/* ---- start ----------------------------------------------------------------------------------- */

/* Between fork and exec: only calls that are safe there. */
static void become_server(int control, pid_t rank, char **arguments) {
    (void) setpgid(0, 0); /* mpirun signals the rank's whole group */
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != rank) _exit(1); /* it died before the line above */
    if (dup2(control, SW_WIRE_CONTROL) < 0) _exit(1);
    /* dup2 onto itself keeps the flag that would close it. */
    if (fcntl(SW_WIRE_CONTROL, F_SETFD, 0) != 0) _exit(1);
    closefrom(SW_WIRE_CONTROL + 1);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0) (void) dup2(null, STDIN_FILENO);
    (void) execv("/proc/self/exe", arguments);
    _exit(1);
}

static enum sw_status server_gone(void) {
    return SW_FAIL(SW_INTERNAL, "the helper process that starts the trainers is gone");
}

/* Wait for the reply to a request, keeping events that come before it. */
static enum sw_status await_reply(struct sw_server *server, struct sw_wire_reply *reply) {
    double end = sw_clock_monotonic() + REPLY_SECONDS;
    for (;;) {
        enum sw_proc_received what;
        int fds[SW_PROC_MAX_FDS + 1], n_fds;
        SW_TRY(sw_proc_receive(server->control, false, &what, reply, sizeof *reply, fds, &n_fds));
        if (what == SW_PROC_CLOSED) return server_gone();
        if (what == SW_PROC_MESSAGE && reply->kind != SW_WIRE_ENDED) return SW_OK;
        if (what == SW_PROC_MESSAGE) {
            if (server->n_events == server->capacity) {
                SW_TRY(SW_GROW(&server->events, server->capacity, server->capacity + 16,
                               "process events"));
                server->capacity += 16;
            }
            server->events[server->n_events++] = *reply;
            continue;
        }
        struct pollfd fd = {.fd = server->control, .events = POLLIN};
        (void) poll(&fd, 1, 100);
        if (sw_clock_monotonic() > end)
            return SW_FAIL(
                SW_INTERNAL,
                "the helper process that starts the trainers did not answer within %.0f s",
                REPLY_SECONDS);
    }
}

static enum sw_status await_ready(struct sw_server *server) {
    struct sw_wire_reply reply;
    SW_TRY(await_reply(server, &reply));
    if (reply.kind == SW_WIRE_READY) return SW_OK;
    return SW_FAIL(SW_INTERNAL, "the helper process could not start again: %s",
                   strerror(reply.code));
}

enum sw_status sw_proc_start_server(const char *argument, struct sw_server **out) {
    int ends[2];
    struct sw_server *server;
    if (strlen(argument) >= sizeof server->argument)
        return SW_FAIL(SW_INTERNAL, "the hidden command '%s' is too long", argument);
    SW_TRY(SW_ALLOC(&server, 1, "a server"));
    SW_TEXT_COPY(server->argument, argument);
    server->control = -1;
    enum sw_status status = SW_OK;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        status = SW_FAIL(SW_INTERNAL, "cannot make a socket pair: %s", strerror(errno));
        goto cleanup;
    }
    server->control = ends[0];
    char number[] = {'0' + SW_WIRE_CONTROL, '\0'};
    char *arguments[] = {program_invocation_name, server->argument, number, NULL};
    pid_t rank = getpid();
    server->pid = fork();
    if (server->pid == 0) become_server(ends[1], rank, arguments);
    (void) close(ends[1]);
    if (server->pid < 0) {
        status = SW_FAIL(SW_INTERNAL, "cannot fork: %s", strerror(errno));
        goto cleanup;
    }
    status = await_ready(server);
    if (status == SW_OK) *out = server;

cleanup:
    if (status != SW_OK) sw_proc_stop_server(&server);
    return status;
}

void sw_proc_stop_server(struct sw_server **server) {
    if (*server == NULL) return;
    if ((*server)->control >= 0) (void) close((*server)->control);
    if ((*server)->pid > 0) {
        double end = sw_clock_monotonic() + STOP_SECONDS;
        while (waitpid((*server)->pid, NULL, WNOHANG) == 0) {
            if (sw_clock_monotonic() > end) (void) kill((*server)->pid, SIGKILL);
            sw_clock_sleep(0.001);
        }
    }
    SW_FREE(&(*server)->events);
    SW_FREE(server);
}

/* ---- requests -------------------------------------------------------------------------------- */

enum sw_status sw_proc_set_environment(struct sw_server *server, const char *name,
                                       const char *value) {
    struct sw_wire_request request = {.kind = SW_WIRE_SET_ENVIRONMENT};
    if (*name == '\0' || strchr(name, '=') != NULL || strlen(name) >= sizeof request.name ||
        strlen(value) >= sizeof request.value)
        return SW_FAIL(SW_INTERNAL, "cannot set the environment variable '%s' to '%s'", name,
                       value);
    SW_TEXT_COPY(request.argument, server->argument);
    SW_TEXT_COPY(request.name, name);
    SW_TEXT_COPY(request.value, value);
    SW_TRY(sw_proc_send(server->control, &request, sizeof request, NULL, 0));
    return await_ready(server);
}

/* Send a trainer's end of its socket and what else it gets; the reply holds its pid. */
static enum sw_status request_trainer(struct sw_server *server, int end, const int *fds, int n_fds,
                                      struct sw_wire_reply *reply) {
    struct sw_wire_request request = {.kind = SW_WIRE_SPAWN};
    int carried[SW_PROC_MAX_FDS + 1] = {end};
    for (int i = 0; i < n_fds; i++)
        carried[i + 1] = fds[i];
    SW_TRY(sw_proc_send(server->control, &request, sizeof request, carried, n_fds + 1));
    SW_TRY(await_reply(server, reply));
    if (reply->kind == SW_WIRE_SPAWNED) return SW_OK;
    return SW_FAIL(SW_INTERNAL, "cannot start a trainer: %s", strerror(reply->code));
}

enum sw_status sw_proc_spawn(struct sw_server *server, const int *fds, int n_fds, int *socket,
                             pid_t *pid) {
    if (n_fds < 0 || n_fds > SW_PROC_MAX_FDS)
        return SW_FAIL(SW_INTERNAL, "a trainer gets at most %d file descriptors, not %d",
                       SW_PROC_MAX_FDS, n_fds);
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return SW_FAIL(SW_INTERNAL, "cannot make a socket pair: %s", strerror(errno));
    struct sw_wire_reply reply;
    enum sw_status status = request_trainer(server, ends[1], fds, n_fds, &reply);
    (void) close(ends[1]);
    if (status != SW_OK) {
        (void) close(ends[0]);
        return status;
    }
    *socket = ends[0];
    *pid = reply.pid;
    return SW_OK;
}

enum sw_status sw_proc_kill(struct sw_server *server, pid_t pid) {
    struct sw_wire_request request = {.kind = SW_WIRE_KILL, .pid = pid};
    return sw_proc_send(server->control, &request, sizeof request, NULL, 0);
}

/* ---- events ---------------------------------------------------------------------------------- */

enum sw_status sw_proc_poll(struct sw_server *server, bool *got, struct sw_proc_event *event) {
    struct sw_wire_reply reply = {.kind = SW_WIRE_READY};
    if (server->n_events > 0) {
        reply = server->events[0];
        server->n_events--;
        memmove(server->events, server->events + 1, server->n_events * sizeof *server->events);
    } else {
        enum sw_proc_received what;
        int fds[SW_PROC_MAX_FDS + 1], n_fds;
        SW_TRY(sw_proc_receive(server->control, false, &what, &reply, sizeof reply, fds, &n_fds));
        if (what == SW_PROC_CLOSED) return server_gone();
        if (what == SW_PROC_NOTHING) {
            *got = false;
            return SW_OK;
        }
    }
    *got = reply.kind == SW_WIRE_ENDED;
    *event = (struct sw_proc_event){
        .pid = reply.pid, .exited = reply.exited, .code = reply.code, .peak_rss = reply.peak_rss};
    return SW_OK;
}

char *sw_proc_describe(const struct sw_proc_event *event, char *out, size_t size) {
    if (event->exited) {
        (void) snprintf(out, size, "ended with exit code %d", event->code);
    } else {
        const char *name = sigdescr_np(event->code);
        /* Whoever else sends it knows why; the kernel is the one that does not tell. */
        const char *guess = event->code == SIGKILL ? ": out of memory?" : "";
        (void) snprintf(out, size, "killed by signal %d (%s%s)", event->code,
                        name != NULL ? name : "unknown", guess);
    }
    return out;
}
