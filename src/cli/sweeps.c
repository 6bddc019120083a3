/* From a sweep file to a plan, and what a store made here would say of itself. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "sweepstake/hal.h"
#include "sweepstake/memory.h"
#include "sweepstake/plan.h"
#include "sweepstake/text.h"
#include "sweepstake/version.h"

enum sw_status sw_cli_load_sweep(const char *path, const struct sw_cli_sets *sets, enum sw_isa isa,
                                 struct sw_data_blocks *blocks, struct sw_sweep *out) {
    char *text = NULL;
    size_t length = 0;
    enum sw_status status = sw_file_exists(path)
                                ? sw_file_read(path, SW_SWEEP_FILE_LIMIT, &text, &length)
                                : SW_FAIL(SW_NOT_FOUND, "there is no sweep file %s", path);
    if (status != SW_OK) {
        sw_cli_fail(status);
        return status;
    }
    struct sw_plan_source source = {.path = path,
                                    .text = text,
                                    .text_bytes = length,
                                    .sets = sets->words,
                                    .n_sets = sets->n,
                                    .blocks = blocks,
                                    .isa = isa};
    struct sw_text errors = {0};
    status = sw_plan_build(&source, out, &errors);
    if (status != SW_OK && errors.length > 0)
        fputs(sw_text_get(&errors), stderr);
    else if (status != SW_OK)
        sw_cli_fail(status);
    sw_text_fini(&errors);
    SW_FREE(&text);
    return status;
}

void sw_cli_identity(enum sw_isa isa, struct sw_store_identity *out) {
    /* "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ... Zen MAX_THREADS=64": the first two words are the
     * version; the core that trainers use is the one that goes with the instruction set. */
    char openblas[64];
    SW_TEXT_COPY(openblas, sw_hal_blas_version());
    char *end = strchr(openblas, ' ');
    if (end != NULL) end = strchr(end + 1, ' ');
    if (end != NULL) *end = '\0';
    const char *core = sw_isa_openblas_core(isa);
    memset(out, 0, sizeof *out);
    SW_TEXT_COPY(out->isa, sw_isa_name(isa));
    snprintf(out->openblas, sizeof out->openblas, "%.40s %.20s", openblas,
             core != NULL ? core : "");
    SW_TEXT_COPY(out->program, sw_version());
    SW_TEXT_COPY(out->kernel_table, sw_hal_choice_version());
}
