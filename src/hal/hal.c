#include "sweepstake/backend.h"
#include "sweepstake/memory.h"

#define MAX_THREADS 1024

static enum sw_status check_options(const struct sw_hal_options *options) {
    if (options == NULL || options->threads < 1 || options->threads > MAX_THREADS)
        return SW_FAIL(SW_INTERNAL, "a device needs between 1 and %d threads", MAX_THREADS);
    if ((int) options->isa < 0 || options->isa > sw_isa_detect())
        return SW_FAIL(SW_UNSUPPORTED, "instruction set %d: this processor runs 0 to %d (%s)",
                       (int) options->isa, (int) sw_isa_detect(), sw_isa_name(sw_isa_detect()));
    return SW_OK;
}

enum sw_status sw_hal_open(const struct sw_backend *backend, const struct sw_hal_options *options,
                           struct sw_hal **out) {
    if (backend == NULL) return SW_FAIL(SW_INTERNAL, "no backend to open a device of");
    SW_TRY(check_options(options));
    SW_TRY(sw_backend_probe(backend));
    struct sw_hal *hal = NULL;
    SW_TRY(SW_ALLOC(&hal, 1, "a device"));
    hal->backend = backend;
    hal->options = *options;
    enum sw_status status = backend->open(hal);
    if (status != SW_OK) {
        SW_FREE(&hal);
        return status;
    }
    *out = hal;
    return SW_OK;
}

void sw_hal_close(struct sw_hal **hal) {
    if (*hal == NULL) return;
    (*hal)->backend->close(*hal);
    SW_FREE(hal);
}

int sw_hal_threads(const struct sw_hal *hal) {
    return hal->options.threads;
}

enum sw_isa sw_hal_isa(const struct sw_hal *hal) {
    return hal->options.isa;
}
