/* The same plan on every rank: rank 0 reads the sweep file and looks at the data, the others are told. */
#include "run_start.h"

#include <string.h>

#include "sweepstake/comm.h"
#include "sweepstake/memory.h"
#include "sweepstake/plan.h"
#include "sweepstake/text.h"

/* What rank 0 tells: the --set words, each with its NUL, then the file, then the data sets. */
struct parcel {
    int64_t n_sets, set_bytes, text_bytes, n_datas;
};

static int64_t parcel_bytes(const struct parcel *parcel) {
    return parcel->set_bytes + parcel->text_bytes +
           parcel->n_datas * (int64_t) sizeof(struct sw_data_info);
}

static void weigh(const struct sw_cli_sets *sets, const struct sw_sweep *sweep,
                  struct parcel *parcel) {
    parcel->n_sets = (int64_t) sets->n;
    for (size_t i = 0; i < sets->n; i++)
        parcel->set_bytes += (int64_t) strlen(sets->words[i]) + 1;
    parcel->text_bytes = (int64_t) sweep->text_bytes;
    parcel->n_datas = sweep->n_datas;
}

static void pack(const struct sw_cli_sets *sets, const struct sw_sweep *sweep, char *bytes) {
    for (size_t i = 0; i < sets->n; i++) {
        size_t length = strlen(sets->words[i]) + 1;
        memcpy(bytes, sets->words[i], length);
        bytes += length;
    }
    memcpy(bytes, sweep->text, sweep->text_bytes);
    memcpy(bytes + sweep->text_bytes, sweep->datas, (size_t) sweep->n_datas * sizeof *sweep->datas);
}

/* Build the plan that rank 0 has built, from its parcel. */
static enum sw_status unpack(const struct parcel *parcel, const char *bytes, const char *path,
                             enum sw_isa isa, struct sw_sweep *out) {
    const char **words = NULL;
    struct sw_data_info *known = NULL;
    struct sw_text errors = {0};
    enum sw_status status = SW_OK;
    SW_TRY_TO(SW_ALLOC(&words, (size_t) parcel->n_sets, "--set"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&known, (size_t) parcel->n_datas, "data sets"), status, cleanup);
    const char *word = bytes;
    for (int64_t i = 0; i < parcel->n_sets; i++) {
        words[i] = word;
        word += strlen(word) + 1;
    }
    const char *text = bytes + parcel->set_bytes;
    memcpy(known, text + parcel->text_bytes, (size_t) parcel->n_datas * sizeof *known);
    struct sw_plan_source source = {.path = path,
                                    .text = text,
                                    .text_bytes = (size_t) parcel->text_bytes,
                                    .sets = words,
                                    .n_sets = (size_t) parcel->n_sets,
                                    .known = known,
                                    .n_known = parcel->n_datas,
                                    .isa = isa};
    status = sw_plan_build(&source, out, &errors);
cleanup:
    sw_text_fini(&errors);
    SW_FREE(&known);
    SW_FREE(&words);
    return status;
}

static enum sw_status share(bool first, const char *path, const struct sw_cli_sets *sets,
                            enum sw_isa isa, struct sw_sweep *sweep) {
    struct parcel parcel = {0};
    char *bytes = NULL;
    if (first) weigh(sets, sweep, &parcel);
    SW_TRY(sw_comm_broadcast(&parcel, (int64_t) sizeof parcel));
    enum sw_status status = SW_ALLOC(&bytes, (size_t) parcel_bytes(&parcel), "sweep");
    if (status == SW_OK && first) pack(sets, sweep, bytes);
    SW_TRY_TO(sw_comm_agree(status), status, cleanup);
    SW_TRY_TO(sw_comm_broadcast(bytes, parcel_bytes(&parcel)), status, cleanup);
    if (!first) status = unpack(&parcel, bytes, path, isa, sweep);
cleanup:
    SW_FREE(&bytes);
    return status;
}

struct loading {
    const char *path;
    const struct sw_cli_sets *sets;
    enum sw_isa isa;
    struct sw_data_blocks *blocks;
    struct sw_sweep *sweep;
    bool failed;
};

static enum sw_status load(void *context) {
    struct loading *loading = context;
    enum sw_status status = sw_cli_load_sweep(loading->path, loading->sets, loading->isa,
                                              loading->blocks, loading->sweep);
    loading->failed = status != SW_OK;
    return status;
}

enum sw_status sw_cli_share_sweep(const char *path, const struct sw_cli_sets *sets, enum sw_isa isa,
                                  struct sw_data_blocks *blocks, struct sw_sweep *out,
                                  bool *reported) {
    bool first = sw_comm_rank() == 0;
    struct sw_sweep sweep;
    memset(&sweep, 0, sizeof sweep);
    struct loading loading = {path, sets, isa, blocks, &sweep, false};
    /* The data sets are read to know their checksums. */
    enum sw_status status = first ? sw_comm_work(load, &loading) : SW_OK;
    status = sw_comm_agree(status);
    *reported = loading.failed;
    /* From here on a rank may fail alone: all have to agree before the next collective call. */
    if (status == SW_OK && sw_comm_size() > 1)
        status = sw_comm_agree(share(first, path, sets, isa, &sweep));
    if (status == SW_OK) {
        *out = sweep;
    } else {
        SW_TEXT_COPY(out->store, sweep.store);
        sw_sweep_fini(&sweep);
    }
    return status;
}
