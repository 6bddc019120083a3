/* sweepstake export: one ticket as a file of its own. */
#include <stdio.h>

#include "cli.h"

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

int sw_cli_export(int argc, char **argv) {
    struct export_arguments arguments = {0};
    sw_cli_parse(&argp, argc, argv, &arguments);
    struct sw_store *store = NULL;
    struct sw_cli_ticket_name ticket = {0};
    int64_t row = -1;
    enum sw_status status = sw_cli_ticket_parse(arguments.ticket, &ticket);
    if (status == SW_OK) status = sw_store_open(arguments.path, SW_STORE_READ, &store);
    if (status == SW_OK) status = sw_cli_ticket_find(store, &ticket, &row);
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
