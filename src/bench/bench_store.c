/* What the store costs over plain MPI-IO: commits of whole rounds and raw writes of the same bytes, in
 * as many calls, in turn, to two files of one folder. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bench.h"
#include "sweepstake/comm.h"
#include "sweepstake/memory.h"
#include "sweepstake/random.h"
#include "sweepstake/raw_file.h"
#include "sweepstake/text.h"

enum { COMMIT_BYTES = 256, PAGE = 4096, INPUT = 784, CLASSES = 10, CREATED = 3 };

/* ---- figures -------------------------------------------------------------------------------------- */

struct sw_bench_commits sw_bench_compare_commits(double *commits, double *raws, int64_t n,
                                                 int64_t bytes) {
    double commit = sw_bench_median(commits, n), raw = sw_bench_median(raws, n);
    return (struct sw_bench_commits){.commit_ms = 1e3 * commit,
                                     .raw_ms = 1e3 * raw,
                                     .commit_mbs = 1e-6 * (double) bytes / commit,
                                     .raw_mbs = 1e-6 * (double) bytes / raw,
                                     .ratio = raw / commit};
}

/* Two floats and a bit per weight: theta0, trained weights, mask. */
int64_t sw_bench_width_for(int64_t bytes) {
    int64_t width = (int64_t) ((double) bytes / (8.125 * (INPUT + 1 + CLASSES)));
    return width > 1 ? width : 1;
}

/* ---- what is written ------------------------------------------------------------------------------ */

/* A store, a raw file beside it, and one round's sections, which every row gets. */
struct bench {
    const struct sw_bench_store_options *options;
    char folder[SW_BENCH_PATH];
    struct sw_sweep sweep;
    struct sw_store *store;
    struct sw_raw_file *raw;
    int64_t raw_base[SW_SECTION_COUNT + 1]; /* where a section's slabs begin in the raw file */
    char *bytes[SW_SECTION_COUNT];
    struct sw_payload payload;
    char commit[COMMIT_BYTES]; /* stands for the commit record */
    double *commits, *raws;    /* seconds, [rounds] */
};

static void drop(struct bench *bench) {
    sw_raw_close(&bench->raw);
    sw_store_close(&bench->store);
    for (int s = 0; s < SW_SECTION_COUNT; s++)
        SW_FREE(&bench->bytes[s]);
    SW_FREE(&bench->commits);
    SW_FREE(&bench->raws);
    sw_sweep_fini(&bench->sweep);
}

static enum sw_status plan(const struct sw_bench_store_options *options, const char *model,
                           int64_t trials, int64_t prunes, struct sw_sweep *out) {
    struct sw_text yaml = {0};
    enum sw_status status = sw_text_add(
        &yaml,
        "sweep: bench\n"
        "data: {name: synthetic, shape: [1, 28, 28], classes: 10, train: 48, test: 16, validation: "
        "16}\n"
        "model: {name: %s}\n"
        "train: {steps: 1000, batch: 16, evaluate: {every: 100}}\n"
        "prune: {rounds: %lld}\n"
        "store: bench.h5\n",
        model, (long long) prunes);
    if (status == SW_OK) status = sw_bench_add_seeds(&yaml, trials);
    if (status == SW_OK) status = sw_bench_plan(&yaml, options->isa, out);
    sw_text_fini(&yaml);
    return status;
}

/* The record has to be one; the other bytes only have to be no zeros. */
static enum sw_status make_payload(struct bench *bench) {
    const struct sw_round_plan *round = &bench->sweep.rounds[0];
    for (int s = 0; s < SW_SECTION_COUNT; s++) {
        size_t length = (size_t) round->length[s] * sw_section_element_bytes((enum sw_section) s);
        SW_TRY(SW_ALLOC(&bench->bytes[s], length + 8, "a payload"));
        for (size_t i = 0; i < length; i += 8) {
            uint64_t word = sw_random_u64(1, SW_RANDOM_BENCH, 2000 + (uint64_t) s, i / 8);
            memcpy(bench->bytes[s] + i, &word, 8);
        }
        bench->payload.bytes[s] = bench->bytes[s];
        bench->payload.length[s] = length;
    }
    struct sw_round_record record = {.measured.attempt = 1};
    SW_TEXT_COPY(record.result.status, "ok");
    memcpy(bench->bytes[SW_SECTION_RECORD], &record, sizeof record);
    memset(bench->commit, 1, sizeof bench->commit);
    return SW_OK;
}

static int64_t payload_bytes(const struct bench *bench) {
    int64_t total = COMMIT_BYTES;
    for (int s = 0; s < SW_SECTION_COUNT; s++)
        total += (int64_t) bench->payload.length[s];
    return total;
}

static int64_t payload_calls(const struct bench *bench) {
    int64_t calls = 1;
    for (int s = 0; s < SW_SECTION_COUNT; s++)
        calls += bench->payload.length[s] > 0;
    return calls;
}

/* Sections one after the other, each from a page on, as HDF5 puts them. */
static enum sw_status create_raw(struct bench *bench, const char *path) {
    int64_t next = 0;
    for (int s = 0; s < SW_SECTION_COUNT; s++) {
        bench->raw_base[s] = next;
        next += bench->sweep.extent[s] * (int64_t) sw_section_element_bytes((enum sw_section) s);
        next = (next + PAGE - 1) / PAGE * PAGE;
    }
    bench->raw_base[SW_SECTION_COUNT] = next;
    return sw_raw_create(path, next + bench->sweep.n_rounds * COMMIT_BYTES, &bench->raw);
}

/* Both files and the bytes for `rows` rounds of a network. */
static enum sw_status set_up(struct bench *bench, const char *model, int64_t rows) {
    char path[SW_BENCH_PATH + 32];
    size_t rounds = (size_t) bench->options->rounds;
    SW_TRY(plan(bench->options, model, rows, 0, &bench->sweep));
    SW_TRY(make_payload(bench));
    SW_TRY(SW_ALLOC(&bench->commits, rounds, "times"));
    SW_TRY(SW_ALLOC(&bench->raws, rounds, "times"));
    snprintf(path, sizeof path, "%s/%s.h5", bench->folder, model);
    SW_TRY(sw_store_create(path, &bench->sweep, &bench->options->identity));
    SW_TRY(sw_store_open(path, SW_STORE_WRITE, &bench->store));
    snprintf(path, sizeof path, "%s/%s.raw", bench->folder, model);
    return create_raw(bench, path);
}

/* ---- writing -------------------------------------------------------------------------------------- */

static enum sw_status commit_row(struct bench *bench, int64_t row, bool durable, double *seconds) {
    struct sw_round_record *record = (struct sw_round_record *) bench->bytes[SW_SECTION_RECORD];
    record->result.row = row;
    double start = sw_clock_monotonic();
    SW_TRY(sw_store_commit(bench->store, row, &bench->payload, durable));
    *seconds = sw_clock_monotonic() - start;
    return SW_OK;
}

static enum sw_status write_row(struct bench *bench, int64_t row, bool durable, double *seconds) {
    const struct sw_round_plan *round = &bench->sweep.rounds[row];
    double start = sw_clock_monotonic();
    for (int s = 0; s < SW_SECTION_COUNT; s++) {
        int64_t element = (int64_t) sw_section_element_bytes((enum sw_section) s);
        if (bench->payload.length[s] == 0) continue;
        SW_TRY(sw_raw_write(bench->raw, bench->raw_base[s] + round->offset[s] * element,
                            bench->payload.bytes[s], bench->payload.length[s]));
    }
    if (durable) SW_TRY(sw_raw_sync(bench->raw));
    SW_TRY(sw_raw_write(bench->raw, bench->raw_base[SW_SECTION_COUNT] + row * COMMIT_BYTES,
                        bench->commit, COMMIT_BYTES));
    if (durable) SW_TRY(sw_raw_sync(bench->raw));
    *seconds = sw_clock_monotonic() - start;
    return SW_OK;
}

/* Rows first .. first + rounds, the first of them untimed. Who begins changes with every row. */
static enum sw_status time_rows(struct bench *bench, int64_t first, bool durable,
                                struct sw_bench_commits *out) {
    int64_t rounds = bench->options->rounds;
    for (int64_t i = 0; i <= rounds; i++) {
        int64_t at = i > 0 ? i - 1 : 0;
        if (i % 2 == 0) SW_TRY(commit_row(bench, first + i, durable, &bench->commits[at]));
        SW_TRY(write_row(bench, first + i, durable, &bench->raws[at]));
        if (i % 2 == 1) SW_TRY(commit_row(bench, first + i, durable, &bench->commits[at]));
    }
    *out = sw_bench_compare_commits(bench->commits, bench->raws, rounds, payload_bytes(bench));
    return SW_OK;
}

/* Without and with syncs. */
static enum sw_status time_both(struct bench *bench, struct sw_bench_commits *plain,
                                struct sw_bench_commits *durable) {
    SW_TRY(time_rows(bench, 0, false, plain));
    return time_rows(bench, bench->options->rounds + 1, true, durable);
}

/* ---- reading -------------------------------------------------------------------------------------- */

static enum sw_status time_reading(struct bench *bench, double *mbs) {
    static const enum sw_section sections[] = {SW_SECTION_THETA0, SW_SECTION_MASK,
                                               SW_SECTION_WEIGHTS};
    int64_t rounds = bench->options->rounds, bytes = 0;
    for (int64_t row = 0; row < rounds; row++) {
        double start = sw_clock_monotonic();
        bytes = 0;
        for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
            size_t length = 0;
            SW_TRY(sw_store_read(bench->store, row, sections[i], bench->bytes[sections[i]],
                                 bench->payload.length[sections[i]], &length));
            bytes += (int64_t) length;
        }
        bench->commits[row] = sw_clock_monotonic() - start;
    }
    *mbs = 1e-6 * (double) bytes / sw_bench_median(bench->commits, rounds);
    return SW_OK;
}

/* ---- creation ------------------------------------------------------------------------------------- */

static enum sw_status create_once(const struct bench *bench, const struct sw_sweep *sweep,
                                  double *seconds, struct sw_bench_creation *out) {
    char path[SW_BENCH_PATH + 32];
    struct stat info;
    snprintf(path, sizeof path, "%s/create.h5", bench->folder);
    double start = sw_clock_monotonic();
    SW_TRY(sw_store_create(path, sweep, &bench->options->identity));
    *seconds = sw_clock_monotonic() - start;
    int found = stat(path, &info);
    (void) remove(path);
    if (found != 0) return SW_FAIL(SW_IO, "%s is gone", path);
    out->bytes = info.st_size;
    out->disk_bytes = (int64_t) info.st_blocks * 512;
    return SW_OK;
}

static enum sw_status time_creation(const struct bench *bench, int64_t rounds,
                                    struct sw_bench_creation *out) {
    struct sw_sweep sweep;
    double seconds[CREATED];
    enum sw_status status = SW_OK;
    memset(&sweep, 0, sizeof sweep);
    SW_TRY(plan(bench->options, "lenet-300-100", rounds / 10, 9, &sweep));
    out->rounds = sweep.n_rounds;
    for (int i = 0; i < CREATED && status == SW_OK; i++)
        status = create_once(bench, &sweep, &seconds[i], out);
    if (status == SW_OK) out->ms = 1e3 * sw_bench_median(seconds, CREATED);
    sw_sweep_fini(&sweep);
    return status;
}

/* ---- the benchmark -------------------------------------------------------------------------------- */

static enum sw_status time_large(const struct bench *common, struct sw_bench_store *out) {
    struct bench bench = *common;
    char model[48];
    int64_t rounds = bench.options->rounds;
    snprintf(model, sizeof model, "mlp-%lld",
             (long long) sw_bench_width_for(bench.options->megabytes * 1000000));
    enum sw_status status = set_up(&bench, model, 2 * (rounds + 1));
    if (status == SW_OK) status = time_both(&bench, &out->plain, &out->durable);
    if (status == SW_OK) status = time_reading(&bench, &out->read_mbs);
    out->payload_bytes = payload_bytes(&bench);
    out->calls = payload_calls(&bench);
    drop(&bench);
    return status;
}

static enum sw_status time_small(const struct bench *common, struct sw_bench_store *out) {
    struct bench bench = *common;
    struct sw_bench_commits plain, durable;
    enum sw_status status = set_up(&bench, "mlp-1", 2 * (bench.options->rounds + 1));
    if (status == SW_OK) status = time_both(&bench, &plain, &durable);
    if (status == SW_OK) {
        out->small_us = 1e3 * plain.commit_ms;
        out->small_durable_us = 1e3 * durable.commit_ms;
        out->small_bytes = payload_bytes(&bench);
    }
    drop(&bench);
    return status;
}

enum sw_status sw_bench_time_store(const struct sw_bench_store_options *options,
                                   struct sw_bench_store *out) {
    static const int64_t created[SW_BENCH_CREATIONS] = {10, 1000, 10000};
    struct bench common = {.options = options};
    struct sw_bench_store result = {.rounds = options->rounds};
    if (sw_comm_size() > 1)
        return SW_FAIL(SW_UNSUPPORTED, "the store is timed by one process: start it without "
                                       "mpirun");
    SW_TRY(sw_bench_make_folder(options->folder, common.folder));
    enum sw_status status = time_large(&common, &result);
    if (status == SW_OK) status = time_small(&common, &result);
    for (int i = 0; i < SW_BENCH_CREATIONS && status == SW_OK; i++)
        status = time_creation(&common, created[i], &result.creations[i]);
    sw_bench_remove_folder(common.folder);
    if (status == SW_OK) *out = result;
    return status;
}
