/* What the commands share. Private to this folder: the only one that talks to people. */
#pragma once

#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>

#include "sweepstake/data.h"
#include "sweepstake/store.h"
#include "sweepstake/sweep.h"
#include "sweepstake/system.h"

/* ---- commands ----------------------------------------------------------------------------------- */

/* X(name, compute, summary): one file cmd_NAME.c each; a command that computes is run again with the
 * environment that MPI and OpenBLAS read when they are loaded. */
#define SW_CLI_COMMANDS(X)                                                                         \
    X(plan, true, "trials, rounds, memory, store size, time; trains nothing")                      \
    X(run, true, "run a sweep: under mpirun, under srun, or alone")                                \
    X(status, false, "how far a sweep is, while it runs or afterwards")                            \
    X(verify, false, "check every checksum and invariant of a store")                              \
    X(retry, false, "make failed rounds of a store runnable again")                                \
    X(export, false, "write one ticket of a store to a file of its own")                           \
    X(show, false, "what this build has: backends, models, keys, ...")                             \
    X(bench, true, "time this build and this machine: kernels, steps, store, ...")

/* Each takes its own argv ("sweepstake plan", ...) and returns the exit code of the program. */
#define SW_CLI_DECLARE(name, compute, summary) int sw_cli_##name(int argc, char **argv);
SW_CLI_COMMANDS(SW_CLI_DECLARE)
#undef SW_CLI_DECLARE

/* ---- arguments ---------------------------------------------------------------------------------- */

/* argp_parse with our rules: wrong use ends the program with exit code 1, told by the first rank only. */
void sw_cli_parse(const struct argp *argp, int argc, char **argv, void *input);

/* Append "  NAME  SUMMARY" to the text of a --help; `size` bytes in all. */
void sw_cli_add_topic(char *doc, size_t size, const char *name, const char *summary);

/* Wrong use, from a parser: `return SW_CLI_WRONG(state, "...")`. argp_error ends the program, but it
 * only returns on ranks that keep silent. */
#define SW_CLI_WRONG(state, ...) (argp_error((state), __VA_ARGS__), EINVAL)

/* End a rank that kept silent about wrong use: after a while, because mpirun ends all ranks with the
 * first, and rank 0 has to speak. */
_Noreturn void sw_cli_leave(void);

/* The arguments of a command that takes STORE.h5 and --json and nothing else; `doc` is its --help. */
struct sw_cli_store_arguments {
    const char *path;
    bool json;
};
void sw_cli_parse_store(const char *doc, int argc, char **argv, struct sw_cli_store_arguments *out);

/* Numbers of options; a wrong one is an argp_error that names the option. */
int64_t sw_cli_int(struct argp_state *state, const char *option, const char *text, int64_t lowest,
                   int64_t highest);
double sw_cli_real(struct argp_state *state, const char *option, const char *text, double lowest,
                   double highest);

/* The "key=value" of every --set, in order. The words are argv's. */
struct sw_cli_sets {
    const char **words;
    size_t n;
};

/* The arguments of a command that takes SWEEP.yaml and --set: its options have SW_CLI_SET_OPTION, and its
 * parser hands on what it does not know itself. */
struct sw_cli_sweep_arguments {
    const char *path;
    struct sw_cli_sets sets;
};
#define SW_CLI_SET_KEY 's'
#define SW_CLI_SET_OPTION                                                                          \
    {                                                                                              \
        "set", SW_CLI_SET_KEY, "KEY=VALUE", 0,                                                     \
            "change one key of the sweep file; may be repeated", 0                                 \
    }
error_t sw_cli_parse_sweep(int key, const char *arg, struct argp_state *state,
                           struct sw_cli_sweep_arguments *out);

/* ---- output ------------------------------------------------------------------------------------- */

/* "sweepstake: " and the text of the last failure to stderr; returns the exit code of `status`. */
int sw_cli_fail(enum sw_status status);
/* "sweepstake: " and a text to stderr. */
void sw_cli_complain(const char *format, ...) SW_PRINTF(1, 2);

/* Print and free; `indent` 0 gives one line. */
void sw_cli_print_json(json_t *json, int indent);
json_t *sw_cli_json_real(double value);     /* null for NaN and infinity */
json_t *sw_cli_json_text(const char *text); /* bytes that are not UTF-8 become '?' */

/* A table with aligned columns, printed when it is complete. The last column is not padded. */
struct sw_cli_table {
    size_t columns, n;
    char **cells; /* [n], row after row */
};
enum sw_status sw_cli_table_add(struct sw_cli_table *table, const char *format, ...)
    SW_PRINTF(2, 3) SW_NODISCARD;
/* Add a whole row of borrowed words, copied. */
enum sw_status sw_cli_table_row(struct sw_cli_table *table, const char *const *words) SW_NODISCARD;
void sw_cli_table_print(const struct sw_cli_table *table, const char *indent);
void sw_cli_table_fini(struct sw_cli_table *table);

/* "12.3", "0.451": a percentage with three figures. Returns out (at least 16 bytes). */
char *sw_cli_percent(char *out, size_t size, double share);

/* ---- sweeps and stores -------------------------------------------------------------------------- */

/* Read a sweep file and build its plan, printing the report of what is wrong. `blocks` (may be NULL)
 * gets the data sets that are decoded on the way: see sw_plan_source. */
enum sw_status sw_cli_load_sweep(const char *path, const struct sw_cli_sets *sets, enum sw_isa isa,
                                 struct sw_data_blocks *blocks, struct sw_sweep *out) SW_NODISCARD;

/* What a store made here by ranks of that instruction set would say of itself. */
void sw_cli_identity(enum sw_isa isa, struct sw_store_identity *out);

/* TRIAL[:ROUND[:CONTROL]]; round -1 is the last one that is done. */
struct sw_cli_ticket_name {
    int64_t trial, round;
    enum sw_control control;
};
/* Errors: SW_USAGE. */
enum sw_status sw_cli_ticket_parse(const char *whole, struct sw_cli_ticket_name *out) SW_NODISCARD;
/* Row of a round that is done and did not fail. Errors: SW_NOT_FOUND, SW_IO. */
enum sw_status sw_cli_ticket_find(struct sw_store *store, const struct sw_cli_ticket_name *ticket,
                                  int64_t *out) SW_NODISCARD;

/* ---- scores: which tickets are the best so far ---------------------------------------------------- */

/* Figures per row of /rounds; accuracy is NaN for rows that are not done. */
struct sw_cli_scores {
    int64_t n;
    int64_t *trial, *round;
    int64_t
        *dense; /* row of the same trial's dense network; -1 for rows that are no pruned ticket */
    double *accuracy, *sparsity;
};
/* A ticket that is at least as accurate as the dense network of its trial. */
struct sw_cli_ticket {
    int64_t row, trial, round;
    double sparsity, accuracy, dense_accuracy;
};
enum sw_status sw_cli_scores_from_sweep(const struct sw_sweep *sweep,
                                        struct sw_cli_scores *out) SW_NODISCARD;
/* With the figures of every round that the store has. */
enum sw_status sw_cli_scores_from_store(struct sw_store *store,
                                        struct sw_cli_scores *out) SW_NODISCARD;
/* Add what a store has to scores of the same plan. */
enum sw_status sw_cli_scores_load(struct sw_cli_scores *scores,
                                  struct sw_store *store) SW_NODISCARD;
void sw_cli_scores_set(struct sw_cli_scores *scores, const struct sw_round_record *record);
/* The best ones, sparsest first, at most one per trial; returns how many. */
int64_t sw_cli_scores_best(const struct sw_cli_scores *scores, int64_t capacity,
                           struct sw_cli_ticket *out);
void sw_cli_scores_fini(struct sw_cli_scores *scores);
/* Test accuracy at early stopping, or at the end for trainings without validation images. */
double sw_cli_accuracy(const struct sw_round_record *record);
