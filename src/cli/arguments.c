/* Arguments that several commands take. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "sweepstake/memory.h"
#include "sweepstake/text.h"

/* The launcher's word for our rank, before MPI is started. */
static bool is_first_rank(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *rank = getenv(names[i]);
        if (rank != NULL) return strcmp(rank, "0") == 0;
    }
    return true;
}

void sw_cli_leave(void) {
    sw_clock_sleep(1);
    exit(sw_status_exit_code(SW_USAGE));
}

void sw_cli_parse(const struct argp *argp, int argc, char **argv, void *input) {
    unsigned flags = is_first_rank() ? 0 : ARGP_NO_ERRS;
    if (argp_parse(argp, argc, argv, flags, NULL, input) != 0) sw_cli_leave();
}

void sw_cli_add_topic(char *doc, size_t size, const char *name, const char *summary) {
    size_t length = strlen(doc);
    snprintf(doc + length, size - length, "  %-14s %s\n", name, summary);
}

int64_t sw_cli_int(struct argp_state *state, const char *option, const char *text, int64_t lowest,
                   int64_t highest) {
    int64_t value = 0;
    if (sw_text_to_int(text, &value) && value >= lowest && value <= highest) return value;
    argp_error(state, "%s '%s': a whole number from %lld to %lld is needed", option, text,
               (long long) lowest, (long long) highest);
    sw_cli_leave();
}

double sw_cli_real(struct argp_state *state, const char *option, const char *text, double lowest,
                   double highest) {
    double value = 0;
    if (sw_text_to_real(text, &value) && value >= lowest && value <= highest) return value;
    argp_error(state, "%s '%s': a number from %g to %g is needed", option, text, lowest, highest);
    sw_cli_leave();
}

static void add_set(struct argp_state *state, struct sw_cli_sets *sets, const char *word) {
    const char *equals = strchr(word, '=');
    if (equals == NULL || equals == word) {
        argp_error(state, "--set '%s': key=value is needed, as in --set train.epochs=2", word);
        sw_cli_leave();
    }
    if (SW_GROW(&sets->words, sets->n, sets->n + 1, "--set") != SW_OK) exit(sw_cli_fail(SW_NOMEM));
    sets->words[sets->n++] = word;
}

error_t sw_cli_parse_sweep(int key, const char *arg, struct argp_state *state,
                           struct sw_cli_sweep_arguments *out) {
    switch (key) {
    case SW_CLI_SET_KEY:
        add_set(state, &out->sets, arg);
        return 0;
    case ARGP_KEY_ARG:
        if (out->path != NULL)
            return SW_CLI_WRONG(state, "one sweep file only, not also '%s'", arg);
        out->path = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        return SW_CLI_WRONG(state, "which sweep file?");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}
