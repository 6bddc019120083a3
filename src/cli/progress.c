/* A bar over rounds on a terminal, a line per finished round in a log. */
#include "progress.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"
#include "sweepstake/memory.h"
#include "sweepstake/text.h"

struct sw_cli_progress {
    const struct sw_sweep *sweep;
    struct sw_cli_scores scores;
    struct sw_store
        *store; /* opened for the text of alerts when the first one comes; may be NULL */
    struct sw_sched_view view; /* the last one told */
    int64_t alerts;            /* of the rounds of this run */
    struct sw_cli_ticket best; /* as of `looked` */
    int64_t n_best;            /* 1 when there is one */
    double looked;
    double begin;
    int terminal;    /* -1: a log */
    char drawn[512]; /* what the bar shows now; "" when there is none */
};

/* ---- terminal ---------------------------------------------------------------------------------------- */

/* Under mpirun our stderr is a pipe that mpirun copies to its own: a terminal when that one is. */
static int find_terminal(void) {
    const char *kind = getenv("TERM");
    if (kind == NULL || strcmp(kind, "dumb") == 0) return -1;
    if (isatty(STDERR_FILENO)) return dup(STDERR_FILENO);
    if (getenv("OMPI_COMM_WORLD_RANK") == NULL) return -1;
    char path[64];
    snprintf(path, sizeof path, "/proc/%lld/fd/2", (long long) getppid());
    int fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && isatty(fd)) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

static int terminal_width(const struct sw_cli_progress *progress) {
    struct winsize size;
    if (ioctl(progress->terminal, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
    return size.ws_col;
}

static void wipe(struct sw_cli_progress *progress) {
    if (progress->drawn[0] == '\0') return;
    fputs("\r\033[K", stderr);
    progress->drawn[0] = '\0';
}

/* A look over all rounds: once a second is enough. */
static bool find_best(struct sw_cli_progress *progress) {
    double now = sw_clock_monotonic();
    if (now - progress->looked >= 1) {
        progress->n_best = sw_cli_scores_best(&progress->scores, 1, &progress->best);
        progress->looked = now;
    }
    return progress->n_best == 1;
}

static void draw(struct sw_cli_progress *progress) {
    const struct sw_sched_view *view = &progress->view;
    char line[512], eta[32], percent[16], bar[21];
    int filled = view->total > 0 ? (int) (20 * view->done / view->total) : 0;
    for (int i = 0; i < 20; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[20] = '\0';
    int n = snprintf(line, sizeof line, "[%s] %lld/%lld rounds, %lld running", bar,
                     (long long) view->done, (long long) view->total, (long long) view->running);
    if (isfinite(view->eta))
        n += snprintf(line + n, sizeof line - (size_t) n, ", %s left",
                      sw_text_seconds(eta, sizeof eta, view->eta));
    if (find_best(progress))
        n += snprintf(line + n, sizeof line - (size_t) n, ", best %s %% of weights at %.4f",
                      sw_cli_percent(percent, sizeof percent, 1 - progress->best.sparsity),
                      progress->best.accuracy);
    if (view->failed > 0)
        n += snprintf(line + n, sizeof line - (size_t) n, ", %lld failed",
                      (long long) view->failed);
    if (progress->alerts > 0)
        snprintf(line + n, sizeof line - (size_t) n, ", %lld alerts", (long long) progress->alerts);
    int width = terminal_width(progress);
    if (width < (int) sizeof line) line[width - 1] = '\0';
    if (strcmp(line, progress->drawn) == 0) return;
    fprintf(stderr, "\r%s\033[K", line);
    SW_TEXT_COPY(progress->drawn, line);
}

/* ---- the observer ------------------------------------------------------------------------------------- */

/* A line above the bar, or in the log's error stream. */
static void say(struct sw_cli_progress *progress, const char *text) {
    wipe(progress);
    sw_cli_complain("%s", text);
    if (progress->terminal >= 0) draw(progress);
}

static void print_round(const struct sw_cli_progress *progress,
                        const struct sw_round_record *record) {
    const struct sw_round_results *result = &record->result;
    char left[16];
    double share = result->prunable > 0 ? (double) result->nnz / (double) result->prunable : 1;
    sw_cli_percent(left, sizeof left, share);
    printf("%lld/%lld row %lld trial %lld round %lld %s: %s %% left, ",
           (long long) progress->view.done, (long long) progress->view.total,
           (long long) result->row, (long long) result->trial, (long long) result->round,
           result->control, left);
    if (strcmp(result->status, "ok") != 0) {
        printf("failed: %s\n", result->reason);
        return;
    }
    if (!isnan(result->early_stop_test_accuracy))
        printf("early stop at step %lld, ", (long long) result->early_stop_step);
    printf("test accuracy %.4f, %.2f s", sw_cli_accuracy(record), record->measured.total_seconds);
    printf(result->alerts > 0 ? ", %lld alerts\n" : "\n", (long long) result->alerts);
}

static void tell_alerts(struct sw_cli_progress *progress, const struct sw_round_record *record) {
    const struct sw_round_results *result = &record->result;
    struct sw_alert alerts[SW_ALERTS_MAX];
    size_t length = 0;
    if (progress->store == NULL &&
        sw_store_open(progress->sweep->store, SW_STORE_READ, &progress->store) != SW_OK)
        return;
    if (sw_store_read(progress->store, result->row, SW_SECTION_ALERTS, alerts, sizeof alerts,
                      &length) != SW_OK)
        return;
    for (size_t i = 0; i < length / sizeof *alerts; i++) {
        char text[256];
        snprintf(text, sizeof text, "alert: trial %lld round %lld %s, step %lld: %s: %s",
                 (long long) result->trial, (long long) result->round, result->control,
                 (long long) alerts[i].step, alerts[i].monitor, alerts[i].message);
        say(progress, text);
    }
}

static void on_round_done(void *context, const struct sw_sched_view *view,
                          const struct sw_round_record *record) {
    struct sw_cli_progress *progress = context;
    progress->view = *view;
    progress->alerts += record->result.alerts;
    if (strcmp(record->result.status, "ok") == 0) sw_cli_scores_set(&progress->scores, record);
    if (progress->terminal < 0)
        print_round(progress, record);
    else
        draw(progress);
    if (record->result.alerts > 0) tell_alerts(progress, record);
}

static void on_tick(void *context, const struct sw_sched_view *view) {
    struct sw_cli_progress *progress = context;
    progress->view = *view;
    if (progress->terminal >= 0) draw(progress);
}

static void on_notice(void *context, const char *text) {
    say(context, text);
}

struct sw_sched_observer sw_cli_progress_observer(struct sw_cli_progress *progress) {
    return (struct sw_sched_observer){
        .context = progress, .round_done = on_round_done, .tick = on_tick, .notice = on_notice};
}

/* Under mpirun the bar and what follows travel through two pipes: let the first arrive first. */
static void leave_bar(struct sw_cli_progress *progress) {
    if (progress->terminal < 0) return;
    draw(progress);
    fputc('\n', stderr);
    progress->drawn[0] = '\0';
    if (!isatty(STDERR_FILENO)) sw_clock_sleep(0.1);
}

/* ---- begin and end ------------------------------------------------------------------------------------ */

static enum sw_status load_scores(struct sw_cli_progress *progress) {
    struct sw_store *store = NULL;
    SW_TRY(sw_cli_scores_from_sweep(progress->sweep, &progress->scores));
    SW_TRY(sw_store_open(progress->sweep->store, SW_STORE_READ, &store));
    enum sw_status status = sw_cli_scores_load(&progress->scores, store);
    sw_store_close(&store);
    return status;
}

enum sw_status sw_cli_progress_create(const struct sw_sweep *sweep, struct sw_cli_progress **out) {
    struct sw_cli_progress *progress = NULL;
    SW_TRY(SW_ALLOC(&progress, 1, "progress"));
    progress->sweep = sweep;
    progress->begin = sw_clock_monotonic();
    progress->view.total = sweep->n_rounds;
    progress->terminal = -1;
    enum sw_status status = load_scores(progress);
    if (status != SW_OK) {
        sw_cli_progress_destroy(&progress);
        return status;
    }
    progress->terminal = find_terminal();
    setvbuf(stdout, NULL, _IOLBF, 0); /* a log that is followed must not lag behind */
    *out = progress;
    return SW_OK;
}

void sw_cli_progress_destroy(struct sw_cli_progress **progress) {
    if (*progress == NULL) return;
    wipe(*progress);
    if ((*progress)->terminal >= 0) close((*progress)->terminal);
    sw_store_close(&(*progress)->store);
    sw_cli_scores_fini(&(*progress)->scores);
    SW_FREE(progress);
}

void sw_cli_progress_finish(struct sw_cli_progress *progress, enum sw_status outcome) {
    const struct sw_sched_view *view = &progress->view;
    const char *word = outcome == SW_OK || outcome == SW_PARTIAL ? "finished"
                       : outcome == SW_STOPPED                   ? "stopped"
                                                                 : "ended";
    char time[32], left[16];
    leave_bar(progress);
    printf("%s: %lld of %lld rounds done, %lld trials with failures, %s in this run; store %s\n",
           word, (long long) view->done, (long long) view->total, (long long) view->failed,
           sw_text_seconds(time, sizeof time, sw_clock_monotonic() - progress->begin),
           progress->sweep->store);
    if (view->failed > 0)
        printf("failed rounds stay as they are: sweepstake retry %s --failed makes them runnable "
               "again\n",
               progress->sweep->store);
    struct sw_cli_ticket best;
    if (sw_cli_scores_best(&progress->scores, 1, &best) == 1)
        printf("best ticket: trial %lld round %lld: %s %% of the weights, test accuracy %.4f "
               "(dense %.4f)\n",
               (long long) best.trial, (long long) best.round,
               sw_cli_percent(left, sizeof left, 1 - best.sparsity), best.accuracy,
               best.dense_accuracy);
}
