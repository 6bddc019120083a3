/* Signals that ask a sweep to stop. The handlers only take a note. */
#pragma once

#include <signal.h>
#include <stdbool.h>

struct sw_signals {
    struct sigaction saved[4];
    sigset_t mask;
};

/* Take a note of SIGUSR1, SIGUSR2, SIGTERM and SIGINT from now on, also of those that came while
 * they were blocked. */
void sw_signals_catch(struct sw_signals *signals);
void sw_signals_release(const struct sw_signals *signals);

/* The name of the signal that came, NULL when none did. *at_once: it leaves no time. */
const char *sw_signals_seen(bool *at_once);
