#include "runner.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void sw_runner_init(struct sw_server *server, struct sw_runner *out) {
    *out = (struct sw_runner){.server = server, .socket = -1};
}

static void forget(struct sw_runner *runner) {
    if (runner->socket >= 0) (void) close(runner->socket);
    sw_runner_init(runner->server, runner);
}

enum sw_status sw_runner_begin(struct sw_runner *runner, const struct sw_parcel *parcel,
                               int data_fd, const struct sw_runner_order *order) {
    int fds[2] = {parcel->fd, data_fd};
    if (runner->socket >= 0) {
        if (sw_proc_send(runner->socket, order, sizeof *order, fds, 2) == SW_OK) return SW_OK;
        sw_runner_dismiss(runner, true); /* it died while it was idle */
    }
    SW_TRY(sw_proc_spawn(runner->server, NULL, 0, &runner->socket, &runner->pid));
    return sw_proc_send(runner->socket, order, sizeof *order, fds, 2);
}

/* The answer to an order, if it has come. */
static enum sw_runner_news read_answer(struct sw_runner *runner, char *text, size_t size,
                                       bool *closed) {
    struct sw_runner_answer answer;
    enum sw_proc_received what = SW_PROC_CLOSED;
    int fds[SW_PROC_MAX_FDS + 1], n_fds = 0;
    enum sw_status status = sw_proc_receive(runner->socket, false, &what, &answer, sizeof answer,
                                            fds, &n_fds);
    for (int i = 0; i < n_fds; i++)
        (void) close(fds[i]);
    *closed = status == SW_OK && what == SW_PROC_CLOSED;
    if (status == SW_OK && what != SW_PROC_MESSAGE) return SW_RUNNER_BUSY;
    if (status != SW_OK || answer.magic != SW_RUNNER_MAGIC || answer.status < SW_OK ||
        answer.status > SW_STOPPED) {
        (void) snprintf(text, size, "the trainer sent a malformed answer");
        runner->failure = SW_INTERNAL;
        return SW_RUNNER_FAILED;
    }
    if (answer.status == SW_OK) return SW_RUNNER_DONE;
    answer.text[sizeof answer.text - 1] = '\0';
    runner->failure = (enum sw_status) answer.status;
    (void) snprintf(text, size, "%s: %s", sw_status_sentence((enum sw_status) answer.status),
                    answer.text);
    return SW_RUNNER_FAILED;
}

/* Has our trainer ended? Trainers of earlier rounds end, too. */
static enum sw_status read_events(struct sw_runner *runner, bool *ended, char *text, size_t size) {
    bool got;
    *ended = false;
    do {
        struct sw_proc_event event;
        char how[96];
        SW_TRY(sw_proc_poll(runner->server, &got, &event));
        if (!got || event.pid != runner->pid) continue;
        (void) snprintf(text, size, "the trainer was %s",
                        sw_proc_describe(&event, how, sizeof how));
        if (event.exited) (void) snprintf(text, size, "the trainer %s", how);
        *ended = true;
    } while (got && !*ended);
    return SW_OK;
}

enum sw_status sw_runner_poll(struct sw_runner *runner, enum sw_runner_news *news, char *text,
                              size_t size) {
    bool closed, ended;
    *news = read_answer(runner, text, size, &closed);
    if (*news != SW_RUNNER_BUSY) return SW_OK;
    SW_TRY(read_events(runner, &ended, text, size));
    /* It may have answered and died between the two looks. */
    if (ended && !closed) *news = read_answer(runner, text, size, &closed);
    if (ended && *news == SW_RUNNER_BUSY) *news = SW_RUNNER_DIED;
    if (ended) forget(runner);
    return SW_OK;
}

enum sw_status sw_runner_kill(struct sw_runner *runner) {
    if (runner->killed) return SW_OK;
    SW_TRY(sw_proc_kill(runner->server, runner->pid));
    runner->killed = true;
    return SW_OK;
}

void sw_runner_dismiss(struct sw_runner *runner, bool busy) {
    if (runner->socket < 0) return;
    /* Without its socket an idle trainer ends by itself; if the server is gone, so is the
     * trainer. */
    if (busy && sw_runner_kill(runner) != SW_OK) runner->killed = true;
    forget(runner);
}
