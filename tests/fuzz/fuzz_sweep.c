/* Any bytes as a sweep file. What follows a NUL byte is a list of --set words, each ended by a NUL.
 * The data sets are stated to be known, so that no file is read. A plan that is accepted has to be one
 * that the rest of the program can rely on. */
#include <math.h>
#include <string.h>

#include "support.h"
#include "sweepstake/memory.h"
#include "sweepstake/plan.h"

#define MAX_SETS 8
#define SMALL_TRIALS 64 /* plans up to here are built twice */
#define N_DATAS 4

static struct sw_data_info datas[N_DATAS];

/* Settings of a stored plan, as a store keeps them. */
static const char canonical[] = "trial 0\ndata.name: synthetic\ntrain.batch: 60\nseed: 0\n"
                                "trial 1\ndata.name: synthetic\ntrain.batch: 60\nseed: 1\n";

/* Two shapes: grey and colour images. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void) argc, (void) argv;
    for (int i = 0; i < N_DATAS; i++) {
        struct sw_data_info *data = &datas[i];
        int64_t channels = i % 2 == 0 ? 1 : 3, side = i % 2 == 0 ? 28 : 32;
        SW_TEXT_COPY(data->name, "synthetic");
        data->shape[0] = channels;
        data->shape[1] = data->shape[2] = side;
        data->classes = 10;
        data->train = 500;
        data->validation = 50;
        data->test = 100;
        data->block_bytes = 1 << 20;
        data->checksum = sw_digest_of(&i, sizeof i);
    }
    return 0;
}

/* Split off the --set words; `sets` points into `words`, a copy that ends with a NUL. */
static size_t split_sets(char *words, size_t length, const char *sets[MAX_SETS]) {
    size_t n = 0;
    for (size_t at = 0; at < length && n < MAX_SETS; at += strlen(words + at) + 1)
        sets[n++] = words + at;
    return n;
}

static void check_slabs(const struct sw_sweep *sweep, const struct sw_round_plan *round) {
    for (int s = 0; s < SW_SECTION_COUNT; s++) {
        FUZZ_PROMISE(round->length[s] >= 0);
        if (round->length[s] == 0) continue;
        FUZZ_PROMISE(round->offset[s] >= 0);
        FUZZ_PROMISE(round->length[s] <= sweep->extent[s] - round->offset[s]);
    }
}

static void check_round(const struct sw_sweep *sweep, int64_t row) {
    const struct sw_round_plan *round = &sweep->rounds[row];
    FUZZ_PROMISE(round->row == row && round->trial >= 0 && round->trial < sweep->n_trials);
    FUZZ_PROMISE(round->arch >= 0 && round->arch < sweep->n_archs);
    FUZZ_PROMISE(round->data >= 0 && round->data < sweep->n_datas);
    FUZZ_PROMISE(round->parent >= -1 && round->parent < row);
    FUZZ_PROMISE(round->theta0_owner >= 0 && round->theta0_owner <= row);
    FUZZ_PROMISE(round->mask_owner >= 0 && round->mask_owner <= row);
    FUZZ_PROMISE(round->steps > 0 && round->curve_points > 0 && isfinite(round->flops));
    FUZZ_PROMISE(round->survivors <= sweep->archs[round->arch].parameters);
    FUZZ_PROMISE(round->nnz > 0 && round->nnz <= sweep->archs[round->arch].prunable);
    check_slabs(sweep, round);
    int64_t sum = 0;
    for (int64_t l = 0; l < sweep->archs[round->arch].n_layers; l++) {
        int64_t kept = sweep->kept[row * sweep->max_layers + l];
        FUZZ_PROMISE(kept >= 1);
        sum += kept;
    }
    FUZZ_PROMISE(sum >= round->nnz);
}

static void check_sweep(const struct sw_sweep *sweep) {
    struct sw_plan_cost cost;
    struct sw_text differences = {0};
    int64_t cells = sweep->n_trials * sweep->rounds_wide * SW_CONTROL_COUNT;
    FUZZ_PROMISE(sweep->n_trials > 0 && sweep->n_rounds > 0 && sweep->rounds_wide > 0);
    for (int64_t row = 0; row < sweep->n_rounds; row++)
        check_round(sweep, row);
    for (int64_t i = 0; i < cells; i++)
        FUZZ_PROMISE(sweep->trial_rounds[i] >= -1 && sweep->trial_rounds[i] < sweep->n_rounds);
    sw_plan_cost(sweep, &cost);
    FUZZ_PROMISE(cost.trials == sweep->n_trials && cost.rounds == sweep->n_rounds);
    FUZZ_PROMISE(cost.rank_bytes > 0 && cost.flops > 0 && isfinite(cost.flops));
    FUZZ_PROMISE(sw_plan_compare(sweep->canonical, sweep->canonical, &differences) == SW_OK);
    FUZZ_PROMISE(differences.length == 0);
    sw_text_fini(&differences);
}

static void check_same(const struct sw_plan_source *source, const struct sw_sweep *sweep) {
    struct sw_sweep again;
    struct sw_text errors = {0};
    FUZZ_PROMISE(sw_plan_build(source, &again, &errors) == SW_OK);
    FUZZ_PROMISE(sw_digest_equal(again.digest, sweep->digest));
    FUZZ_PROMISE(strcmp(again.canonical, sweep->canonical) == 0);
    FUZZ_PROMISE(again.n_rounds == sweep->n_rounds);
    FUZZ_PROMISE(
        memcmp(again.rounds, sweep->rounds, (size_t) sweep->n_rounds * sizeof *sweep->rounds) == 0);
    sw_sweep_fini(&again);
    sw_text_fini(&errors);
}

/* The settings in a store are bytes from outside, too. */
static void compare_as_settings(const char *text) {
    struct sw_text differences = {0};
    FUZZ_PROMISE(sw_plan_compare(text, canonical, &differences) == SW_OK);
    FUZZ_PROMISE(differences.length > 0 || strstr(text, "trial 1") != NULL);
    FUZZ_PROMISE(sw_plan_compare(canonical, text, &differences) == SW_OK);
    sw_text_fini(&differences);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    size_t text_bytes = nul != NULL ? (size_t) (nul - data) : size;
    size_t word_bytes = nul != NULL ? size - text_bytes - 1 : 0;
    char *words, *text;
    const char *sets[MAX_SETS];
    struct sw_text errors = {0};
    struct sw_sweep sweep;
    FUZZ_PROMISE(SW_ALLOC(&words, word_bytes + 1, "words") == SW_OK);
    FUZZ_PROMISE(SW_ALLOC(&text, text_bytes, "text") == SW_OK); /* no NUL: the length counts */
    if (word_bytes > 0) memcpy(words, nul + 1, word_bytes);
    if (text_bytes > 0) memcpy(text, data, text_bytes);
    struct sw_plan_source source = {.path = "fuzz.yaml",
                                    .text = text,
                                    .text_bytes = text_bytes,
                                    .sets = sets,
                                    .n_sets = split_sets(words, word_bytes, sets),
                                    .known = datas,
                                    .n_known = N_DATAS,
                                    .isa = SW_ISA_GENERIC};
    enum sw_status status = sw_plan_build(&source, &sweep, &errors);
    if (status == SW_OK) {
        check_sweep(&sweep);
        if (sweep.n_trials <= SMALL_TRIALS) check_same(&source, &sweep);
        sw_sweep_fini(&sweep);
    } else {
        /* SW_INTERNAL: more data sets than are known here. */
        fuzz_promise_failure(status, 1U << SW_CONFIG | 1U << SW_IO | 1U << SW_INTERNAL);
        FUZZ_PROMISE(status == SW_INTERNAL || errors.length > 0);
    }
    compare_as_settings(words);
    sw_text_fini(&errors);
    SW_FREE(&text);
    SW_FREE(&words);
    return 0;
}
