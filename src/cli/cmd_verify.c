/* sweepstake verify: every checksum and invariant of a store. */
#include <stdio.h>

#include "cli.h"
#include "sweepstake/digest.h"

static const char doc[] =
    "Check a store: the header, every commit record, every section's checksum, mask counts "
    "and nesting. Missing rounds are no damage.\v"
    "Exit code 0 when it is clean, 74 when it is damaged; run --resume makes torn and "
    "damaged rounds again. The digest tells whether two stores hold the same results.";

struct findings {
    struct sw_store *store;
    bool json;
    int64_t committed, failed, torn, missing, damaged;
    json_t *problems;
    char digest[SW_DIGEST_TEXT];
};

static void note_problem(struct findings *findings, const struct sw_round_plan *round,
                         const struct sw_round_check *check) {
    const char *kind = check->state == SW_ROUND_TORN ? "torn" : "damaged";
    const char *section = check->state == SW_ROUND_TORN ? "commits"
                                                        : sw_section_name(check->section);
    const char *control = sw_control_name((enum sw_control) round->control);
    if (!findings->json) {
        printf("%s: row %lld (trial %lld round %lld %s) /%s: %s\n", kind, (long long) round->row,
               (long long) round->trial, (long long) round->round, control, section, check->detail);
        return;
    }
    json_t *problem = json_object();
    json_object_set_new(problem, "kind", json_string(kind));
    json_object_set_new(problem, "row", json_integer(round->row));
    json_object_set_new(problem, "trial", json_integer(round->trial));
    json_object_set_new(problem, "round", json_integer(round->round));
    json_object_set_new(problem, "control", json_string(control));
    json_object_set_new(problem, "section", json_string(section));
    json_object_set_new(problem, "detail", sw_cli_json_text(check->detail));
    json_array_append_new(findings->problems, problem);
}

static enum sw_status check_rounds(struct findings *findings) {
    int64_t n = sw_store_n_rounds(findings->store);
    for (int64_t row = 0; row < n; row++) {
        struct sw_round_check check;
        SW_TRY(sw_store_check_round(findings->store, row, true, &check));
        switch (check.state) {
        case SW_ROUND_COMMITTED:
            findings->committed++;
            if (check.failed) findings->failed++;
            break;
        case SW_ROUND_MISSING:
            findings->missing++;
            break;
        case SW_ROUND_TORN:
            findings->torn++;
            break;
        case SW_ROUND_DAMAGED:
            findings->damaged++;
            break;
        }
        if (check.state == SW_ROUND_TORN || check.state == SW_ROUND_DAMAGED)
            note_problem(findings, sw_store_round(findings->store, row), &check);
    }
    struct sw_digest digest;
    SW_TRY(sw_store_digest(findings->store, &digest));
    sw_digest_text(digest, findings->digest);
    return SW_OK;
}

static bool is_clean(const struct findings *findings) {
    return findings->torn == 0 && findings->damaged == 0;
}

static void print_json(struct findings *findings, bool ok) {
    json_t *json = json_object();
    json_object_set_new(json, "ok", json_boolean(ok));
    json_object_set_new(json, "digest",
                        findings->digest[0] != '\0' ? json_string(findings->digest) : json_null());
    json_object_set_new(json, "committed", json_integer(findings->committed));
    json_object_set_new(json, "failed", json_integer(findings->failed));
    json_object_set_new(json, "torn", json_integer(findings->torn));
    json_object_set_new(json, "missing", json_integer(findings->missing));
    json_object_set_new(json, "damaged", json_integer(findings->damaged));
    json_object_set_new(json, "problems", json_incref(findings->problems));
    sw_cli_print_json(json, 2);
}

static void print_text(const char *path, const struct findings *findings) {
    printf(
        "%s: %s: %lld rounds committed (%lld of them failed trainings), %lld missing, %lld torn, "
        "%lld damaged\ndigest %s\n",
        path, is_clean(findings) ? "clean" : "DAMAGED", (long long) findings->committed,
        (long long) findings->failed, (long long) findings->missing, (long long) findings->torn,
        (long long) findings->damaged, findings->digest);
}

/* A header that does not check: no round can be looked at. */
static int fail(struct findings *findings, enum sw_status status) {
    int code = sw_cli_fail(status);
    if (!findings->json || code != sw_status_exit_code(SW_DAMAGED)) return code;
    json_t *problem = json_object();
    json_object_set_new(problem, "kind", json_string("store"));
    json_object_set_new(problem, "detail", sw_cli_json_text(sw_status_text()));
    json_array_append_new(findings->problems, problem);
    print_json(findings, false);
    return code;
}

int sw_cli_verify(int argc, char **argv) {
    struct sw_cli_store_arguments arguments = {0};
    sw_cli_parse_store(doc, argc, argv, &arguments);
    struct findings findings = {.json = arguments.json, .problems = json_array()};
    int code = 0;
    enum sw_status status = sw_store_open(arguments.path, SW_STORE_READ, &findings.store);
    if (status == SW_OK) status = check_rounds(&findings);
    if (status != SW_OK) {
        code = fail(&findings, status);
    } else {
        if (arguments.json)
            print_json(&findings, is_clean(&findings));
        else
            print_text(arguments.path, &findings);
        code = is_clean(&findings) ? 0 : sw_status_exit_code(SW_DAMAGED);
    }
    sw_store_close(&findings.store);
    json_decref(findings.problems);
    return code;
}
