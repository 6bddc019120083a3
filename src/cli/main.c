/* The program's entry: finds the command and hands over. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli.h"
#include "sweepstake/comm.h"
#include "sweepstake/proc.h"
#include "sweepstake/sched.h"
#include "sweepstake/text.h"
#include "sweepstake/version.h"

struct command {
    const char *name, *summary;
    bool compute;
    int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
#define COMMAND(name, compute, summary) {#name, summary, compute, sw_cli_##name},
    SW_CLI_COMMANDS(COMMAND)
#undef COMMAND
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

/* The first word that is no option is the command; the rest is the command's. */
static error_t parse_option(int key, char *arg, struct argp_state *state) {
    (void) arg;
    if (key == ARGP_KEY_ARG) {
        *(int *) state->input = state->next - 1;
        state->next = state->argc;
        return 0;
    }
    if (key == ARGP_KEY_NO_ARGS) argp_error(state, "which command?");
    return ARGP_ERR_UNKNOWN;
}

static void describe(char *doc, size_t size) {
    snprintf(doc, size,
             "Search for lottery tickets on a cluster: one MPI job, one sweep file, one store."
             "\vCommands (each has --help):\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        sw_cli_add_topic(doc, size, commands[i].name, commands[i].summary);
    size_t length = strlen(doc);
    snprintf(
        doc + length, size - length,
        "\nExit codes: 0 all done, 1 wrong use or sweep file, 2 finished but some trials failed, "
        "70 internal error, 74 input or output failed or data is damaged, 75 stopped at a safe "
        "point: run again with --resume.");
}

static void print_version(FILE *stream, struct argp_state *state) {
    (void) state;
    fprintf(stream, "sweepstake %s\n", sw_version());
}

static const struct command *find_command(const char *name) {
    const char *names[N_COMMANDS];
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
        names[i] = commands[i].name;
    }
    const char *nearest = sw_text_nearest(name, names, N_COMMANDS);
    if (nearest != NULL)
        sw_cli_complain("unknown command '%s': did you mean '%s'?", name, nearest);
    else
        sw_cli_complain("unknown command '%s': try sweepstake --help", name);
    return NULL;
}

/* A stop signal that comes before sw_sched_run looks for it waits, also across the restart below, and one
 * that comes after it is too late: neither may end a rank, which would leave the others waiting for it. */
static void hold_stop_signals(int how) {
    sigset_t stop;
    (void) sigemptyset(&stop);
    (void) sigaddset(&stop, SIGUSR1);
    (void) sigaddset(&stop, SIGUSR2);
    (void) sigaddset(&stop, SIGTERM);
    (void) sigprocmask(how, &stop, NULL);
}

/* OpenBLAS chooses its kernels, and MPI its components, from the environment of the exec. */
static void restart_with_environment(char **argv) {
    bool changed = sw_comm_prepare_environment();
    const char *core = sw_isa_openblas_core(sw_isa_detect());
    const char *set = getenv("OPENBLAS_CORETYPE");
    if (core != NULL && (set == NULL || strcmp(set, core) != 0))
        changed = setenv("OPENBLAS_CORETYPE", core, 1) == 0 || changed;
    if (!changed) return;
    execv("/proc/self/exe", argv);
    sw_cli_complain("warning: cannot restart with the environment that exact results need: %s",
                    strerror(errno));
}

/* The hidden command of the fork server: --trainer-server NUMBER. */
static int serve(const char *number) {
    int64_t control = 0;
    if (!sw_text_to_int(number, &control) || control < 0 || control > INT32_MAX) {
        sw_cli_complain("'%s' is no file descriptor", number);
        return sw_status_exit_code(SW_USAGE);
    }
    return sw_proc_serve((int) control, sw_sched_trainer_main);
}

/* A full disk or a closed pipe must not look like success. */
static int close_output(int code) {
    bool bad = ferror(stdout) != 0;
    if (fflush(stdout) != 0) bad = true;
    if (!bad || code != 0) return code;
    sw_cli_complain("cannot write the output: %s", strerror(errno));
    return sw_status_exit_code(SW_IO);
}

int main(int argc, char **argv) {
    hold_stop_signals(SIG_BLOCK);
    if (argc == 3 && strcmp(argv[1], "--trainer-server") == 0) return serve(argv[2]);
    argp_err_exit_status = sw_status_exit_code(SW_USAGE);
    argp_program_version_hook = print_version;
    if (argc < 1) return sw_status_exit_code(SW_USAGE);
    static char doc[2048];
    describe(doc, sizeof doc);
    const struct argp argp = {.parser = parse_option, .args_doc = "COMMAND ...", .doc = doc};
    int first = 0;
    argv[0] = "sweepstake";
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &first) != 0 || first == 0)
        return sw_status_exit_code(SW_USAGE);
    const struct command *command = find_command(argv[first]);
    if (command == NULL) return sw_status_exit_code(SW_USAGE);
    if (command->run != sw_cli_run) hold_stop_signals(SIG_UNBLOCK);
    if (command->compute) restart_with_environment(argv);
    (void) prctl(PR_SET_NAME, "sweepstake"); /* after that restart, ps and top would say "exe" */
    char title[64];
    snprintf(title, sizeof title, "sweepstake %s", command->name);
    argv[first] = title;
    return close_output(command->run(argc - first, argv + first));
}
