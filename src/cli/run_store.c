/* The rules of --resume: no store is overwritten, no plan is mixed with another. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run_start.h"
#include "sweepstake/plan.h"
#include "sweepstake/text.h"

static enum sw_status check_plan(const struct sw_sweep *sweep, const struct sw_store *store) {
    struct sw_text differences = {0};
    enum sw_status status = sw_plan_compare(sw_store_canonical(store), sweep->canonical,
                                            &differences);
    if (status == SW_OK && differences.length > 0)
        status = SW_FAIL(SW_CONFIG,
                         "the plan is not the one that %s was made for (stored -> given):\n%s"
                         "resume with the sweep file and --set words of the first run, or name "
                         "another store",
                         sweep->store, sw_text_get(&differences));
    sw_text_fini(&differences);
    return status;
}

/* Settings that are equal may lead to files that are not. */
static enum sw_status check_data(const struct sw_sweep *sweep, const struct sw_store *store) {
    for (int64_t i = 0; i < sweep->n_datas; i++) {
        const struct sw_data_info *then = sw_store_data(store, i), *now = &sweep->datas[i];
        char before[SW_DIGEST_TEXT], after[SW_DIGEST_TEXT];
        if (then == NULL || sw_digest_equal(then->checksum, now->checksum)) continue;
        return SW_FAIL(SW_CONFIG,
                       "data set %s has changed since %s was made: checksum %s then, %s now; "
                       "bring the files back, or name another store",
                       now->name, sweep->store, sw_digest_text(then->checksum, before),
                       sw_digest_text(now->checksum, after));
    }
    return SW_OK;
}

/* Bitwise equal results need the same kernels throughout. */
static enum sw_status check_identity(const struct sw_sweep *sweep, const struct sw_store *store,
                                     enum sw_isa isa) {
    const struct sw_store_identity *old = sw_store_identity(store);
    struct sw_store_identity now;
    sw_cli_identity(isa, &now);
    if (strcmp(old->isa, now.isa) != 0)
        return SW_FAIL(SW_UNSUPPORTED,
                       "%s was made with the instruction set %s; the ranks of this run have %s in "
                       "common: run on the same kind of processor%s",
                       sweep->store, old->isa, now.isa,
                       strcmp(old->isa, "generic") == 0 ? ", or set SWEEPSTAKE_ISA=generic" : "");
    if (strcmp(old->openblas, now.openblas) != 0)
        return SW_FAIL(SW_UNSUPPORTED,
                       "%s was made with %s, here is %s: results would not be the same bit by bit",
                       sweep->store, old->openblas, now.openblas);
    if (strcmp(old->kernel_table, now.kernel_table) != 0)
        return SW_FAIL(SW_UNSUPPORTED,
                       "%s was made with the kernel table %s, this program has %s: resume with "
                       "Sweepstake %s",
                       sweep->store, old->kernel_table, now.kernel_table, old->program);
    return SW_OK;
}

static enum sw_status check_existing(const struct sw_sweep *sweep, enum sw_isa isa) {
    struct sw_store *store = NULL;
    SW_TRY(sw_store_open(sweep->store, SW_STORE_READ, &store));
    enum sw_status status = check_plan(sweep, store);
    if (status == SW_OK) status = check_data(sweep, store);
    if (status == SW_OK) status = check_identity(sweep, store, isa);
    sw_store_close(&store);
    return status;
}

static enum sw_status create_store(const struct sw_sweep *sweep, bool resume, enum sw_isa isa) {
    struct sw_store_identity identity;
    sw_cli_identity(isa, &identity);
    if (resume) fprintf(stderr, "sweepstake: there is no %s yet: creating it\n", sweep->store);
    return sw_store_create(sweep->store, sweep, &identity);
}

enum sw_status sw_cli_prepare_store(const struct sw_sweep *sweep, bool resume, enum sw_isa isa,
                                    struct sw_store_lock **lock, bool *created) {
    if (sw_file_exists(sweep->store) && !resume)
        return SW_FAIL(SW_USAGE,
                       "%s exists: give --resume to go on with it, or name another store "
                       "(--set store=OTHER.h5)",
                       sweep->store);
    struct sw_store_lock *taken = NULL;
    SW_TRY(sw_store_lock_take(sweep->store, &taken));
    sw_store_tidy(sweep->store);
    /* Looked at again under the lock: another run may have made it since. */
    bool exists = sw_file_exists(sweep->store);
    enum sw_status status = exists ? check_existing(sweep, isa) : create_store(sweep, resume, isa);
    if (status != SW_OK) {
        sw_store_lock_release(&taken);
        return status;
    }
    sw_store_exit_clear(sweep->store);
    *lock = taken;
    *created = !exists;
    return SW_OK;
}

static bool is_empty(const char *path) {
    struct sw_store *store = NULL;
    struct sw_round_check check = {.state = SW_ROUND_MISSING};
    enum sw_status status = sw_store_open(path, SW_STORE_READ, &store);
    int64_t rows = status == SW_OK ? sw_store_n_rounds(store) : 0;
    for (int64_t row = 0; row < rows && status == SW_OK && check.state == SW_ROUND_MISSING; row++)
        status = sw_store_check_round(store, row, false, &check);
    sw_store_close(&store);
    return status == SW_OK && check.state == SW_ROUND_MISSING;
}

void sw_cli_discard_store(const char *path, const struct sw_store_lock *lock) {
    if (!sw_store_lock_is_held(lock) || !is_empty(path) || unlink(path) != 0) return;
    sw_cli_complain("%s has no round in it and was removed again", path);
}
