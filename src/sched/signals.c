#include "signals.h"

#include <stddef.h>
#include <string.h>

static const struct {
    int number;
    bool at_once; /* whoever sends it kills a little later */
    const char *name;
} known[] = {{SIGUSR1, false, "SIGUSR1"},
             {SIGUSR2, false, "SIGUSR2"},
             {SIGTERM, true, "SIGTERM"},
             {SIGINT, true, "SIGINT"}};
#define N_KNOWN (sizeof known / sizeof *known)
_Static_assert(N_KNOWN == sizeof((struct sw_signals *) 0)->saved / sizeof(struct sigaction),
               "one slot each");

static volatile sig_atomic_t seen[N_KNOWN];

static void take_note(int number) {
    for (size_t i = 0; i < N_KNOWN; i++)
        if (known[i].number == number) seen[i] = 1;
}

void sw_signals_catch(struct sw_signals *signals) {
    struct sigaction action = {.sa_handler = take_note, .sa_flags = SA_RESTART};
    sigset_t caught;
    (void) sigemptyset(&caught);
    for (size_t i = 0; i < N_KNOWN; i++) {
        seen[i] = 0;
        (void) sigaction(known[i].number, &action, &signals->saved[i]);
        (void) sigaddset(&caught, known[i].number);
    }
    (void) sigprocmask(SIG_UNBLOCK, &caught, &signals->mask);
}

void sw_signals_release(const struct sw_signals *signals) {
    (void) sigprocmask(SIG_SETMASK, &signals->mask, NULL);
    for (size_t i = 0; i < N_KNOWN; i++)
        (void) sigaction(known[i].number, &signals->saved[i], NULL);
}

const char *sw_signals_seen(bool *at_once) {
    const char *name = NULL;
    *at_once = false;
    for (size_t i = 0; i < N_KNOWN; i++) {
        if (!seen[i]) continue;
        name = known[i].name;
        *at_once |= known[i].at_once;
    }
    return name;
}
