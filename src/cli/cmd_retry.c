/* sweepstake retry: failed rounds are results like others; this takes them back. */
#include <stdio.h>

#include "cli.h"
#include "sweepstake/memory.h"
#include "sweepstake/text.h"

struct retry {
    const char *path;
    bool json, failed;
    int64_t *trials; /* named ones; none means all */
    size_t n_trials;
    struct sw_store *store;
    struct sw_store_lock *lock;
    int64_t *rows; /* failed rounds to take back */
    int64_t n_rows;
    json_t *list;
};

/* ---- arguments ------------------------------------------------------------------------------------------ */

static const struct argp_option options[] = {
    {"failed", 'f', NULL, 0, "the rounds that failed, of all trials or of those named", 0},
    {"json", 'j', NULL, 0, "print JSON", 0},
    {0},
};

static error_t take_word(struct argp_state *state, struct retry *retry, const char *word) {
    if (retry->path == NULL) {
        retry->path = word;
        return 0;
    }
    int64_t trial = sw_cli_int(state, "trial", word, 0, INT32_MAX);
    if (SW_GROW(&retry->trials, retry->n_trials, retry->n_trials + 1, "trials") != SW_OK)
        return ENOMEM;
    retry->trials[retry->n_trials++] = trial;
    return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct retry *retry = state->input;
    switch (key) {
    case 'f':
        retry->failed = true;
        return 0;
    case 'j':
        retry->json = true;
        return 0;
    case ARGP_KEY_ARG:
        return take_word(state, retry, arg);
    case ARGP_KEY_NO_ARGS:
        return SW_CLI_WRONG(state, "which store?");
    case ARGP_KEY_END:
        return retry->failed ? 0 : SW_CLI_WRONG(state, "which rounds? --failed is needed");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse_option,
    .args_doc = "STORE.h5 --failed [TRIAL...]",
    .doc =
        "Make failed rounds runnable again: the next run --resume trains them, and the rounds that "
        "were waiting for them. Refused while a run holds the store.\v"
        "For trainings that crashed, hung or ran out of memory. One that diverged will diverge "
        "again: equal settings give equal results. A round that several trials share is run again "
        "for all of them. Exit code 0 also when no round has failed."};

/* ---- finding -------------------------------------------------------------------------------------------- */

static bool is_used_by(const struct sw_store *store, int64_t row, int64_t trial) {
    const struct sw_round_plan *round = sw_store_round(store, row);
    return sw_store_row(store, trial, round->round, (enum sw_control) round->control) == row;
}

static bool is_wanted(const struct retry *retry, int64_t row) {
    for (size_t i = 0; i < retry->n_trials; i++)
        if (is_used_by(retry->store, row, retry->trials[i])) return true;
    return retry->n_trials == 0;
}

static enum sw_status check_trials(const struct retry *retry) {
    int64_t n = sw_store_n_trials(retry->store);
    for (size_t i = 0; i < retry->n_trials; i++)
        if (retry->trials[i] >= n)
            return SW_FAIL(SW_NOT_FOUND, "%s has no trial %lld: trials are 0 to %lld", retry->path,
                           (long long) retry->trials[i], (long long) n - 1);
    return SW_OK;
}

static enum sw_status find_rows(struct retry *retry) {
    int64_t n = sw_store_n_rounds(retry->store);
    SW_TRY(SW_ALLOC(&retry->rows, (size_t) n, "failed rounds"));
    for (int64_t row = 0; row < n; row++) {
        struct sw_round_check check;
        SW_TRY(sw_store_check_round(retry->store, row, false, &check));
        if (check.state == SW_ROUND_COMMITTED && check.failed && is_wanted(retry, row))
            retry->rows[retry->n_rows++] = row;
    }
    return SW_OK;
}

/* ---- telling -------------------------------------------------------------------------------------------- */

/* Before they are taken back: the reason goes with the record. */
static void describe(struct retry *retry, int64_t row) {
    const struct sw_round_plan *round = sw_store_round(retry->store, row);
    const char *control = sw_control_name((enum sw_control) round->control);
    struct sw_round_record record;
    const char *reason = "its record is damaged";
    if (sw_store_read_record(retry->store, row, &record) == SW_OK) reason = record.result.reason;
    json_t *one = json_object();
    json_object_set_new(one, "row", json_integer(row));
    json_object_set_new(one, "trial", json_integer(round->trial));
    json_object_set_new(one, "round", json_integer(round->round));
    json_object_set_new(one, "control", json_string(control));
    json_object_set_new(one, "reason", sw_cli_json_text(reason));
    json_array_append_new(retry->list, one);
}

static long long number_of(const json_t *one, const char *key) {
    return (long long) json_integer_value(json_object_get(one, key));
}

static void print_text(const struct retry *retry) {
    for (size_t i = 0; i < json_array_size(retry->list); i++) {
        const json_t *one = json_array_get(retry->list, i);
        printf("row %lld trial %lld round %lld %s runs again; it had failed: %s\n",
               number_of(one, "row"), number_of(one, "trial"), number_of(one, "round"),
               json_string_value(json_object_get(one, "control")),
               json_string_value(json_object_get(one, "reason")));
    }
    printf("%s: %lld failed rounds taken back%s\n", retry->path, (long long) retry->n_rows,
           retry->n_rows > 0 ? "; go on with run --resume" : "");
}

static void print_json(const struct retry *retry) {
    json_t *json = json_object();
    json_object_set_new(json, "taken_back", json_integer(retry->n_rows));
    json_object_set_new(json, "rounds", json_incref(retry->list));
    sw_cli_print_json(json, 2);
}

/* ---- the command ---------------------------------------------------------------------------------------- */

static enum sw_status take_back(struct retry *retry) {
    SW_TRY(sw_store_open(retry->path, SW_STORE_READ, &retry->store));
    SW_TRY(check_trials(retry));
    SW_TRY(sw_store_lock_take(retry->path, &retry->lock));
    SW_TRY(find_rows(retry));
    for (int64_t i = 0; i < retry->n_rows; i++)
        describe(retry, retry->rows[i]);
    return retry->n_rows > 0 ? sw_store_withdraw(retry->store, retry->rows, retry->n_rows) : SW_OK;
}

int sw_cli_retry(int argc, char **argv) {
    struct retry retry = {.list = json_array()};
    sw_cli_parse(&argp, argc, argv, &retry);
    enum sw_status status = take_back(&retry);
    int code = status == SW_OK ? 0 : sw_cli_fail(status);
    if (status == SW_OK && retry.json) print_json(&retry);
    if (status == SW_OK && !retry.json) print_text(&retry);
    sw_store_lock_release(&retry.lock);
    sw_store_close(&retry.store);
    json_decref(retry.list);
    SW_FREE(&retry.rows);
    SW_FREE(&retry.trials);
    return code;
}
