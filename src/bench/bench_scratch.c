/* Sweeps that exist for a benchmark, and where their files go. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "sweepstake/plan.h"

enum sw_status sw_bench_add_seeds(struct sw_text *yaml, int64_t n) {
    SW_TRY(sw_text_add(yaml, "grid: {seed: ["));
    for (int64_t seed = 0; seed < n; seed++)
        SW_TRY(sw_text_add(yaml, seed > 0 ? ",%lld" : "%lld", (long long) seed));
    return sw_text_add(yaml, "]}\n");
}

enum sw_status sw_bench_plan(const struct sw_text *yaml, enum sw_isa isa, struct sw_sweep *out) {
    struct sw_plan_source source = {
        .path = "bench.yaml", .text = yaml->bytes, .text_bytes = yaml->length, .isa = isa};
    struct sw_text errors = {0};
    enum sw_status status = sw_plan_build(&source, out, &errors);
    if (status != SW_OK && errors.length > 0) status = SW_FAIL(status, "%s", sw_text_get(&errors));
    sw_text_fini(&errors);
    return status;
}

enum sw_status sw_bench_make_folder(const char *parent, char path[SW_BENCH_PATH]) {
    int length = snprintf(path, SW_BENCH_PATH, "%s/sweepstake-bench-XXXXXX", parent);
    if (length < 0 || length >= SW_BENCH_PATH) return SW_FAIL(SW_IO, "%s: too long", parent);
    if (mkdtemp(path) != NULL) return SW_OK;
    return SW_FAIL(SW_IO, "%s: cannot make a folder there: %s", parent, strerror(errno));
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void) info;
    (void) kind;
    (void) place;
    (void) remove(path);
    return 0;
}

void sw_bench_remove_folder(const char *path) {
    (void) nftw(path, remove_entry, 4, FTW_DEPTH | FTW_PHYS);
}
