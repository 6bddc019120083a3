/* The server: a small process that was exec'ed before MPI_Init and forks trainers on request. It
 * owns nothing but two file descriptors and a table of its children, so that a fork of it is
 * cheap and safe. */
#include "sweepstake/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire.h"

#define MAX_TRAINERS 16 /* a worker has one, and perhaps some that are being killed */

struct serving {
    int control;
    int children; /* a signalfd for SIGCHLD */
    sw_trainer_fn trainer;
    pid_t pids[MAX_TRAINERS]; /* 0: free */
};

/* Signals that are meant for the rank; it decides what becomes of a training. */
static const int rank_signals[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP};

static void ignore_rank_signals(void) {
    struct sigaction action = {.sa_handler = SIG_IGN};
    for (size_t i = 0; i < sizeof rank_signals / sizeof *rank_signals; i++)
        (void) sigaction(rank_signals[i], &action, NULL);
}

/* ---- trainers -------------------------------------------------------------------------------- */

/* When memory runs out, the kernel should take a training before its rank. */
static void offer_to_oom_killer(void) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t written = write(fd, "500", 3);
    (void) written; /* where it is refused, the kernel chooses as it likes */
    (void) close(fd);
}

/* The forked child from here on; returns the exit code. */
static int be_trainer(struct serving *serving, pid_t server, const int *fds, int n_fds) {
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != server) return 1; /* it died before the line above */
    (void) prctl(PR_SET_NAME, "sw-trainer");
    sigset_t none;
    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
    (void) close(serving->control);
    (void) close(serving->children);
    offer_to_oom_killer();
    return serving->trainer(fds[0], fds + 1, n_fds - 1);
}

static int *find_slot(struct serving *serving, pid_t pid) {
    for (int i = 0; i < MAX_TRAINERS; i++)
        if (serving->pids[i] == pid) return &serving->pids[i];
    return NULL;
}

static bool is_empty(const struct serving *serving) {
    for (int i = 0; i < MAX_TRAINERS; i++)
        if (serving->pids[i] != 0) return false;
    return true;
}

static struct sw_wire_reply spawn(struct serving *serving, const int *fds, int n_fds) {
    pid_t *slot = find_slot(serving, 0);
    if (n_fds < 1 || slot == NULL)
        return (struct sw_wire_reply){.kind = SW_WIRE_REFUSED, .code = EAGAIN};
    pid_t server = getpid();
    pid_t pid = fork();
    if (pid < 0) return (struct sw_wire_reply){.kind = SW_WIRE_REFUSED, .code = errno};
    if (pid == 0) _exit(be_trainer(serving, server, fds, n_fds));
    *slot = pid;
    return (struct sw_wire_reply){.kind = SW_WIRE_SPAWNED, .pid = pid};
}

/* ---- requests and events --------------------------------------------------------------------- */

static enum sw_status answer(const struct serving *serving, const struct sw_wire_reply *reply) {
    return sw_proc_send(serving->control, reply, sizeof *reply, NULL, 0);
}

/* Exec this program again with one more variable; comes back only when that is refused. */
static struct sw_wire_reply set_environment(const struct serving *serving,
                                            struct sw_wire_request *request) {
    struct sw_wire_reply refused = {.kind = SW_WIRE_REFUSED, .code = EBUSY};
    if (!is_empty(serving)) return refused;
    char number[] = {'0' + SW_WIRE_CONTROL, '\0'};
    char *arguments[] = {program_invocation_name, request->argument, number, NULL};
    if (setenv(request->name, request->value, 1) == 0) (void) execv("/proc/self/exe", arguments);
    refused.code = errno;
    return refused;
}

/* Read and do one request; false when the rank is gone. */
static bool serve_request(struct serving *serving) {
    struct sw_wire_request request;
    enum sw_proc_received what;
    int fds[SW_PROC_MAX_FDS + 1], n_fds = 0;
    if (sw_proc_receive(serving->control, false, &what, &request, sizeof request, fds, &n_fds) !=
        SW_OK)
        return false;
    if (what != SW_PROC_MESSAGE) return what == SW_PROC_NOTHING;
    struct sw_wire_reply reply = {.kind = SW_WIRE_REFUSED, .code = EINVAL};
    bool replies = true;
    if (request.kind == SW_WIRE_SPAWN) {
        reply = spawn(serving, fds, n_fds);
    } else if (request.kind == SW_WIRE_SET_ENVIRONMENT) {
        reply = set_environment(serving, &request);
    } else if (request.kind == SW_WIRE_KILL) {
        /* Only children in the table: the number of one that was reaped may be another process
         * by now. */
        if (request.pid > 0 && find_slot(serving, request.pid) != NULL)
            (void) kill(request.pid, SIGKILL);
        replies = false;
    }
    for (int i = 0; i < n_fds; i++)
        (void) close(fds[i]);
    return !replies || answer(serving, &reply) == SW_OK;
}

/* Take one ended child, if there is one, and make it an event. */
static bool reap(struct serving *serving, int options, struct sw_wire_reply *event) {
    int how;
    struct rusage usage;
    pid_t pid = wait4(-1, &how, options, &usage);
    if (pid <= 0) return false;
    pid_t *slot = find_slot(serving, pid);
    if (slot != NULL) *slot = 0;
    *event = (struct sw_wire_reply){.kind = SW_WIRE_ENDED,
                                    .pid = pid,
                                    .exited = WIFEXITED(how) ? 1 : 0,
                                    .code = WIFEXITED(how) ? WEXITSTATUS(how) : WTERMSIG(how),
                                    .peak_rss = (int64_t) usage.ru_maxrss * 1024};
    return true;
}

static bool report_ended(struct serving *serving) {
    struct signalfd_siginfo ignored[4];
    while (read(serving->children, ignored, sizeof ignored) > 0)
        continue;
    struct sw_wire_reply event;
    while (reap(serving, WNOHANG, &event))
        if (answer(serving, &event) != SW_OK) return false;
    return true;
}

static void end_trainers(struct serving *serving) {
    struct sw_wire_reply event;
    for (int i = 0; i < MAX_TRAINERS; i++)
        if (serving->pids[i] != 0) (void) kill(serving->pids[i], SIGKILL);
    while (!is_empty(serving) && reap(serving, 0, &event))
        continue;
}

static bool open_serving(struct serving *serving) {
    sigset_t child;
    (void) sigemptyset(&child);
    (void) sigaddset(&child, SIGCHLD);
    struct sigaction standard = {.sa_handler = SIG_DFL};
    (void) sigaction(SIGCHLD, &standard, NULL);
    ignore_rank_signals(); /* before they are let through: one may wait already */
    (void) sigprocmask(SIG_SETMASK, &child, NULL);
    (void) prctl(PR_SET_NAME, "sw-server");
    serving->children = signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
    return serving->children >= 0;
}

int sw_proc_serve(int control, sw_trainer_fn trainer) {
    struct serving serving = {.control = control, .trainer = trainer};
    if (!open_serving(&serving)) return 1;
    struct sw_wire_reply ready = {.kind = SW_WIRE_READY, .pid = getpid()};
    bool alive = answer(&serving, &ready) == SW_OK;
    while (alive) {
        struct pollfd fds[2] = {{.fd = control, .events = POLLIN},
                                {.fd = serving.children, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0) {
            alive = errno == EINTR;
            continue;
        }
        if (fds[1].revents != 0) alive = report_ended(&serving);
        if (alive && fds[0].revents != 0) alive = serve_request(&serving);
    }
    end_trainers(&serving);
    (void) close(serving.children);
    return 0;
}
