/* The two forms of a plan: a page for people, JSON for programs. */
#include "plan_report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "sweepstake/prune.h"
#include "sweepstake/text.h"

enum { TRIALS_SHOWN = 20, ROUNDS_SHOWN = 12, VALUES_SHOWN = 8 };

void sw_cli_plan_print_json(const struct sw_cli_plan_report *report) {
    const struct sw_sweep *sweep = report->sweep;
    const struct sw_plan_cost *cost = &report->cost;
    json_t *json = json_object();
    json_object_set_new(json, "name", sw_cli_json_text(sweep->name));
    json_object_set_new(json, "store", sw_cli_json_text(sweep->store));
    json_object_set_new(json, "recipe", sw_cli_json_text(sweep->recipe));
    if (sweep->recipe_report != NULL)
        json_object_set_new(json, "recipe_report", sw_cli_json_text(sweep->recipe_report));
    json_object_set_new(json, "trials", json_integer(cost->trials));
    json_object_set_new(json, "rounds", json_integer(cost->rounds));
    json_object_set_new(json, "shared_rounds", json_integer(cost->shared_rounds));
    json_object_set_new(json, "store_bytes", json_integer(report->store_bytes));
    json_object_set_new(json, "checkpoint_bytes", json_integer(report->checkpoint_bytes));
    json_object_set_new(json, "checkpoint_bytes_sparsest",
                        json_integer(report->checkpoint_bytes_least));
    json_object_set_new(json, "rank_bytes", json_integer(cost->rank_bytes));
    json_object_set_new(json, "node_bytes", json_integer(cost->node_bytes));
    json_object_set_new(json, "flops", sw_cli_json_real(cost->flops));
    json_object_set_new(json, "steps", sw_cli_json_real(cost->steps));
    json_object_set_new(json, "workers", json_integer(report->workers));
    json_object_set_new(json, "predicted_seconds", sw_cli_json_real(report->seconds));
    sw_cli_print_json(json, 2);
}

/* ---- what is varied ------------------------------------------------------------------------------ */

static bool is_axis(const struct sw_sweep *sweep, const struct sw_field *field) {
    const char *first = (const char *) &sweep->trials[0] + field->offset;
    for (int64_t i = 1; i < sweep->n_trials; i++)
        if (memcmp(first, (const char *) &sweep->trials[i] + field->offset, field->size) != 0)
            return true;
    return false;
}

/* True when `value` is new; it is then remembered. */
static bool remember(char seen[VALUES_SHOWN][64], int *n, const char *value) {
    for (int i = 0; i < *n; i++)
        if (strncmp(seen[i], value, sizeof seen[i] - 1) == 0) return false;
    if (*n < VALUES_SHOWN) SW_TEXT_COPY(seen[*n], value);
    (*n)++;
    return true;
}

static void print_axis(const struct sw_sweep *sweep, const struct sw_field *field) {
    char seen[VALUES_SHOWN][64] = {{0}}, value[256];
    int n = 0;
    printf("  %-11s%s:", "", field->key);
    for (int64_t i = 0; i < sweep->n_trials && n < VALUES_SHOWN; i++) {
        sw_spec_get(&sweep->trials[i], field, value, sizeof value);
        if (remember(seen, &n, value))
            printf("%s %s", n > 1 ? "," : "", *value != '\0' ? value : "(empty)");
    }
    printf("%s\n", n == VALUES_SHOWN ? ", ..." : "");
}

/* Each line of the recipe's report below its name. */
static void print_recipe(const struct sw_sweep *sweep) {
    const char *line = sweep->recipe_report;
    if (line == NULL) return;
    printf("  %-11s%s\n", "recipe", sweep->recipe);
    for (const char *end; *line != '\0'; line = end + 1) {
        end = strchr(line, '\n');
        printf("  %-11s%.*s\n", "", (int) (end - line), line);
    }
}

static void print_axes(const struct sw_sweep *sweep) {
    size_t n_fields = 0;
    const struct sw_field *fields = sw_spec_fields(&n_fields);
    for (size_t i = 0; i < n_fields; i++)
        if (is_axis(sweep, &fields[i])) print_axis(sweep, &fields[i]);
}

/* ---- trials ----------------------------------------------------------------------------------------- */

static int64_t trainings_of(const struct sw_sweep *sweep, int64_t trial) {
    int64_t n = 0;
    while (n < sweep->rounds_wide && sw_sweep_row(sweep, trial, n, SW_CONTROL_TICKET) >= 0)
        n++;
    return n;
}

/* Share of the weights that a round keeps, as far as it can be known. */
static double share_kept(const struct sw_sweep *sweep, const struct sw_round_plan *round) {
    const struct sw_arch *arch = &sweep->archs[round->arch];
    int64_t likely[SW_MAX_LAYERS], sum = 0;
    sw_prune_likely(&sweep->trials[round->trial], arch, round->round, likely);
    for (int64_t l = 0; l < arch->n_layers; l++)
        sum += likely[l];
    struct sw_trial_spec stage;
    sw_prune_stage(&sweep->trials[round->trial], round->round, &stage);
    bool exact = sw_prune_known(&stage) != SW_PRUNE_KNOWS_BOUNDS;
    return (double) (exact ? round->nnz : sum) / (double) arch->prunable;
}

static enum sw_status add_sparsities(const struct sw_sweep *sweep, int64_t trial, int64_t rounds,
                                     struct sw_text *out) {
    int64_t skip_from = rounds > ROUNDS_SHOWN ? ROUNDS_SHOWN - 1 : rounds;
    struct sw_trial_spec stage;
    sw_prune_stage(&sweep->trials[trial], rounds - 1, &stage);
    if (sw_prune_known(&stage) == SW_PRUNE_KNOWS_BOUNDS) SW_TRY(sw_text_add(out, "about "));
    for (int64_t r = 0; r < rounds; r++) {
        if (r == skip_from) {
            SW_TRY(sw_text_add(out, " .."));
            r = rounds - 1;
        }
        const struct sw_round_plan *round =
            &sweep->rounds[sw_sweep_row(sweep, trial, r, SW_CONTROL_TICKET)];
        char percent[16];
        sw_cli_percent(percent, sizeof percent, share_kept(sweep, round));
        SW_TRY(sw_text_add(out, "%s%s", r == 0 ? "" : " ", percent));
    }
    return SW_OK;
}

static enum sw_status add_trial(const struct sw_sweep *sweep, int64_t trial,
                                struct sw_cli_table *table) {
    struct sw_text text = {0};
    int64_t rounds = trainings_of(sweep, trial);
    enum sw_status status = add_sparsities(sweep, trial, rounds, &text);
    if (status == SW_OK) status = sw_cli_table_add(table, "%lld", (long long) trial);
    if (status == SW_OK) status = sw_cli_table_add(table, "%lld", (long long) rounds);
    if (status == SW_OK) status = sw_cli_table_add(table, "%s", sw_text_get(&text));
    sw_text_fini(&text);
    return status;
}

static enum sw_status print_trials(const struct sw_sweep *sweep) {
    static const char *const head[] = {"trial", "trainings", "% of the weights left, by round"};
    struct sw_cli_table table = {.columns = 3};
    int64_t shown = sweep->n_trials < TRIALS_SHOWN ? sweep->n_trials : TRIALS_SHOWN;
    enum sw_status status = sw_cli_table_row(&table, head);
    for (int64_t i = 0; i < shown && status == SW_OK; i++)
        status = add_trial(sweep, i, &table);
    if (status == SW_OK) sw_cli_table_print(&table, "  ");
    sw_cli_table_fini(&table);
    if (shown < sweep->n_trials)
        printf("  ... and %lld trials more\n", (long long) (sweep->n_trials - shown));
    return status;
}

/* What a person should know of the last round of those trials. */
static void print_notes(const struct sw_sweep *sweep) {
    char note[120];
    for (int64_t i = 0; i < sweep->n_trials && i < TRIALS_SHOWN; i++) {
        int64_t round = trainings_of(sweep, i) - 1;
        int64_t row = sw_sweep_row(sweep, i, round, SW_CONTROL_TICKET);
        if (sw_prune_note(&sweep->trials[i], &sweep->archs[sweep->rounds[row].arch], round, note,
                          sizeof note))
            printf("note         trial %lld, round %lld: %s\n", (long long) i, (long long) round,
                   note);
    }
}

/* ---- the page --------------------------------------------------------------------------------------- */

static void print_inputs(const struct sw_sweep *sweep) {
    for (int64_t i = 0; i < sweep->n_archs; i++) {
        const struct sw_arch *arch = &sweep->archs[i];
        printf("network      %s: %lld parameters, of which pruning may remove %lld\n", arch->model,
               (long long) arch->parameters, (long long) arch->prunable);
    }
    for (int64_t i = 0; i < sweep->n_datas; i++) {
        const struct sw_data_info *data = &sweep->datas[i];
        printf("data         %s: %lldx%lldx%lld, %lld classes; %lld training, %lld validation, "
               "%lld test images\n",
               data->name, (long long) data->shape[0], (long long) data->shape[1],
               (long long) data->shape[2], (long long) data->classes, (long long) data->train,
               (long long) data->validation, (long long) data->test);
    }
}

static const char *describe_time(char *out, size_t size, double seconds) {
    if (seconds < 1) return "less than a second";
    size_t length = (size_t) snprintf(out, size, "about ");
    sw_text_seconds(out + length, size - length, seconds);
    return out;
}

static void print_costs(const struct sw_cli_plan_report *report) {
    const struct sw_plan_cost *cost = &report->cost;
    char bytes[32], more[32], time[40];
    printf("store        %s: %s (%lld bytes) when full\n", report->sweep->store,
           sw_text_bytes(bytes, sizeof bytes, (double) report->store_bytes),
           (long long) report->store_bytes);
    printf(
        "checkpoint   %s in the largest round, %s in the sparsest; two files per running round\n",
        sw_text_bytes(bytes, sizeof bytes, (double) report->checkpoint_bytes),
        sw_text_bytes(more, sizeof more, (double) report->checkpoint_bytes_least));
    const char *about = cost->about ? "about " : "";
    printf("memory       %s%s per worker, and %s per node for the data\n", about,
           sw_text_bytes(bytes, sizeof bytes, (double) cost->rank_bytes),
           sw_text_bytes(more, sizeof more, (double) cost->node_bytes));
    printf("work         %.0f steps, %s%.3g FLOP\n", cost->steps, about, cost->flops);
    if (isfinite(report->seconds))
        printf("time         %s on %lld worker%s like this processor, one thread each\n"
               "             (from training steps timed just now, without waiting for others)\n",
               describe_time(time, sizeof time, report->seconds), (long long) report->workers,
               report->workers == 1 ? "" : "s");
    else
        printf("time         not predicted: too many networks to time, or too large ones\n");
}

enum sw_status sw_cli_plan_print_text(const struct sw_cli_plan_report *report) {
    const struct sw_sweep *sweep = report->sweep;
    const struct sw_plan_cost *cost = &report->cost;
    printf("sweep        %s (%s)\n", sweep->name, report->path);
    printf("trials       %lld\n", (long long) cost->trials);
    print_recipe(sweep);
    print_axes(sweep);
    printf("rounds       %lld distinct trainings; %lld more are shared between trials\n",
           (long long) cost->rounds, (long long) cost->shared_rounds);
    print_inputs(sweep);
    print_costs(report);
    SW_TRY(print_trials(sweep));
    print_notes(sweep);
    return SW_OK;
}
