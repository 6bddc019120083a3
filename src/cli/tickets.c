/* Which round of a store is meant: TRIAL[:ROUND[:CONTROL]]. */
#include <string.h>

#include "cli.h"
#include "sweepstake/text.h"

static enum sw_status parse_number(const char *text, const char *what, const char *whole,
                                   int64_t *out) {
    if (sw_text_to_int(text, out) && *out >= 0) return SW_OK;
    return SW_FAIL(SW_USAGE,
                   "'%s': %s '%s' is no whole number from 0 up; TRIAL[:ROUND[:CONTROL]] "
                   "is needed, as in 2 or 2:5 or 2:5:reinit",
                   whole, what, text);
}

enum sw_status sw_cli_ticket_parse(const char *whole, struct sw_cli_ticket_name *out) {
    struct sw_cli_ticket_name ticket = {.round = -1, .control = SW_CONTROL_TICKET};
    char copy[128];
    if (strlen(whole) >= sizeof copy) return SW_FAIL(SW_USAGE, "'%s' is no ticket", whole);
    SW_TEXT_COPY(copy, whole);
    char *round = strchr(copy, ':');
    if (round != NULL) *round++ = '\0';
    char *control = round != NULL ? strchr(round, ':') : NULL;
    if (control != NULL) *control++ = '\0';
    SW_TRY(parse_number(copy, "trial", whole, &ticket.trial));
    if (round != NULL) SW_TRY(parse_number(round, "round", whole, &ticket.round));
    if (control != NULL && !sw_control_find(control, &ticket.control))
        return SW_FAIL(SW_USAGE, "'%s': no control '%s'; sweepstake show controls lists them",
                       whole, control);
    *out = ticket;
    return SW_OK;
}

static enum sw_status is_done(struct sw_store *store, int64_t row, bool *done) {
    struct sw_round_check check;
    SW_TRY(sw_store_check_round(store, row, false, &check));
    *done = check.state == SW_ROUND_COMMITTED && !check.failed;
    return SW_OK;
}

/* Rounds of a trial are numbered without gaps; controls have none for round 0. */
static enum sw_status find_last(struct sw_store *store, const struct sw_cli_ticket_name *ticket,
                                int64_t *out) {
    int64_t found = -1;
    for (int64_t round = 0; round < sw_store_n_rounds(store); round++) {
        int64_t row = sw_store_row(store, ticket->trial, round, ticket->control);
        bool done = false;
        if (row < 0 && round > 0) break;
        if (row >= 0) SW_TRY(is_done(store, row, &done));
        if (done) found = row;
    }
    if (found < 0)
        return SW_FAIL(SW_NOT_FOUND, "no round of trial %lld is done yet",
                       (long long) ticket->trial);
    *out = found;
    return SW_OK;
}

enum sw_status sw_cli_ticket_find(struct sw_store *store, const struct sw_cli_ticket_name *ticket,
                                  int64_t *out) {
    int64_t n = sw_store_n_trials(store);
    if (ticket->trial >= n)
        return SW_FAIL(SW_NOT_FOUND, "no trial %lld: the store has trials 0 to %lld",
                       (long long) ticket->trial, (long long) n - 1);
    if (ticket->round < 0) return find_last(store, ticket, out);
    int64_t row = sw_store_row(store, ticket->trial, ticket->round, ticket->control);
    if (row < 0)
        return SW_FAIL(SW_NOT_FOUND, "trial %lld has no round %lld of %s",
                       (long long) ticket->trial, (long long) ticket->round,
                       sw_control_name(ticket->control));
    bool done = false;
    SW_TRY(is_done(store, row, &done));
    if (!done)
        return SW_FAIL(SW_NOT_FOUND, "trial %lld round %lld %s is not done, or failed",
                       (long long) ticket->trial, (long long) ticket->round,
                       sw_control_name(ticket->control));
    *out = row;
    return SW_OK;
}
