/* Commands that take a store and --json. */
#include "cli.h"

static const struct argp_option options[] = {
    {"json", 'j', NULL, 0, "print JSON", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct sw_cli_store_arguments *arguments = state->input;
    switch (key) {
    case 'j':
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->path != NULL)
            return SW_CLI_WRONG(state, "one store only, not also '%s'", arg);
        arguments->path = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        return SW_CLI_WRONG(state, "which store?");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void sw_cli_parse_store(const char *doc, int argc, char **argv,
                        struct sw_cli_store_arguments *out) {
    const struct argp argp = {
        .options = options, .parser = parse_option, .args_doc = "STORE.h5", .doc = doc};
    sw_cli_parse(&argp, argc, argv, out);
}
