/* sweepstake export: one ticket as a file of its own. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "sweepstake/text.h"

struct export_arguments {
    const char *path, *ticket, *out;
};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct export_arguments *arguments = state->input;
    const char **slots[] = {&arguments->path, &arguments->ticket, &arguments->out};
    switch (key) {
    case ARGP_KEY_ARG:
        if (state->arg_num >= 3) return SW_CLI_WRONG(state, "'%s' is one argument too many", arg);
        *slots[state->arg_num] = arg;
        return 0;
    case ARGP_KEY_END:
        if (state->arg_num < 3)
            return SW_CLI_WRONG(state, "a store, a ticket and a new file are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .parser = parse_option,
    .args_doc = "STORE.h5 TRIAL[:ROUND[:CONTROL]] OUT.h5",
    .doc = "Write one ticket to a new file: initial weights, mask, trained weights by PyTorch's "
           "parameter names, and where they are from.\v"
           "Without ROUND the last one that is done; without CONTROL the ticket itself. "
           "Example: sweepstake export quickstart.h5 2:5:reinit control.h5"};

/* TRIAL[:ROUND[:CONTROL]]; round -1 is the last one that is done. */
struct ticket {
    int64_t trial, round;
    enum sw_control control;
};

static enum sw_status parse_number(const char *text, const char *what, const char *whole,
                                   int64_t *out) {
    if (sw_text_to_int(text, out) && *out >= 0) return SW_OK;
    return SW_FAIL(SW_USAGE,
                   "'%s': %s '%s' is no whole number from 0 up; TRIAL[:ROUND[:CONTROL]] "
                   "is needed, as in 2 or 2:5 or 2:5:reinit",
                   whole, what, text);
}

static enum sw_status parse_ticket(const char *whole, struct ticket *out) {
    struct ticket ticket = {.round = -1, .control = SW_CONTROL_TICKET};
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
static enum sw_status find_last(struct sw_store *store, const struct ticket *ticket, int64_t *out) {
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

static enum sw_status find_row(struct sw_store *store, const struct ticket *ticket, int64_t *out) {
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

int sw_cli_export(int argc, char **argv) {
    struct export_arguments arguments = {0};
    sw_cli_parse(&argp, argc, argv, &arguments);
    struct sw_store *store = NULL;
    struct ticket ticket = {0};
    int64_t row = -1;
    enum sw_status status = parse_ticket(arguments.ticket, &ticket);
    if (status == SW_OK) status = sw_store_open(arguments.path, SW_STORE_READ, &store);
    if (status == SW_OK) status = find_row(store, &ticket, &row);
    if (status == SW_OK) status = sw_store_export(store, row, arguments.out);
    if (status == SW_OK) {
        const struct sw_round_plan *round = sw_store_round(store, row);
        printf("%s: trial %lld round %lld %s, %lld of its weights kept\n", arguments.out,
               (long long) ticket.trial, (long long) round->round,
               sw_control_name((enum sw_control) round->control), (long long) round->nnz);
    }
    sw_store_close(&store);
    return status == SW_OK ? 0 : sw_cli_fail(status);
}
