/* sweepstake bench store and dispatch: those that need MPI and write files. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_words.h"
#include "sweepstake/comm.h"
#include "sweepstake/memory.h"
#include "sweepstake/proc.h"
#include "sweepstake/text.h"

/* ---- store ------------------------------------------------------------------------------------------- */

static void print_store_json(const struct sw_cli_bench_words *words,
                             const struct sw_bench_store *store) {
    json_t *json = json_object(), *creations = json_array();
    json_object_set_new(json, "dir", sw_cli_json_text(words->folder));
    json_object_set_new(json, "rounds", json_integer(store->rounds));
    json_object_set_new(json, "payload_bytes", json_integer(store->payload_bytes));
    json_object_set_new(json, "calls", json_integer(store->calls));
    json_object_set_new(json, "commit_ms", json_real(store->plain.commit_ms));
    json_object_set_new(json, "raw_ms", json_real(store->plain.raw_ms));
    json_object_set_new(json, "commit_mbs", json_real(store->plain.commit_mbs));
    json_object_set_new(json, "raw_mbs", json_real(store->plain.raw_mbs));
    json_object_set_new(json, "ratio", json_real(store->plain.ratio));
    json_object_set_new(json, "durable_commit_ms", json_real(store->durable.commit_ms));
    json_object_set_new(json, "durable_raw_ms", json_real(store->durable.raw_ms));
    json_object_set_new(json, "durable_commit_mbs", json_real(store->durable.commit_mbs));
    json_object_set_new(json, "durable_raw_mbs", json_real(store->durable.raw_mbs));
    json_object_set_new(json, "durable_ratio", json_real(store->durable.ratio));
    json_object_set_new(json, "small_bytes", json_integer(store->small_bytes));
    json_object_set_new(json, "small_us", json_real(store->small_us));
    json_object_set_new(json, "small_durable_us", json_real(store->small_durable_us));
    json_object_set_new(json, "read_mbs", json_real(store->read_mbs));
    for (int i = 0; i < SW_BENCH_CREATIONS; i++) {
        const struct sw_bench_creation *creation = &store->creations[i];
        json_t *item = json_object();
        json_object_set_new(item, "rounds", json_integer(creation->rounds));
        json_object_set_new(item, "ms", json_real(creation->ms));
        json_object_set_new(item, "bytes", json_integer(creation->bytes));
        json_object_set_new(item, "disk_bytes", json_integer(creation->disk_bytes));
        json_array_append_new(creations, item);
    }
    json_object_set_new(json, "create", creations);
    sw_cli_print_json(json, 0);
}

static void print_commits(const char *name, const struct sw_bench_commits *commits) {
    printf("%-10s  %9.2f  %7.0f  %9.2f  %7.0f  %5.2f\n", name, commits->commit_ms,
           commits->commit_mbs, commits->raw_ms, commits->raw_mbs, commits->ratio);
}

static void print_store_text(const struct sw_cli_bench_words *words,
                             const struct sw_bench_store *store) {
    char size[32], disk[32];
    printf("%s: rounds of %s in %lld writes, median of %lld; ratio is to MPI-IO alone\n"
           "            commit ms     MB/s     raw ms     MB/s  ratio\n",
           words->folder, sw_text_bytes(size, sizeof size, (double) store->payload_bytes),
           (long long) store->calls, (long long) store->rounds);
    print_commits("written", &store->plain);
    print_commits("synced", &store->durable);
    printf("a commit of %lld bytes: %.0f us, synced %.0f us\n"
           "reading back with checksums: %.0f MB/s\n",
           (long long) store->small_bytes, store->small_us, store->small_durable_us,
           store->read_mbs);
    for (int i = 0; i < SW_BENCH_CREATIONS; i++) {
        const struct sw_bench_creation *creation = &store->creations[i];
        printf("creating a store of %lld rounds: %.1f ms, %s, %s of it on the disk\n",
               (long long) creation->rounds, creation->ms,
               sw_text_bytes(size, sizeof size, (double) creation->bytes),
               sw_text_bytes(disk, sizeof disk, (double) creation->disk_bytes));
    }
}

int sw_cli_bench_store(const struct sw_cli_bench_words *words) {
    struct sw_bench_store_options options = {.folder = words->folder,
                                             .megabytes = words->megabytes,
                                             .rounds = words->rounds > 0 ? words->rounds : 15,
                                             .isa = sw_isa_detect()};
    struct sw_bench_store store;
    enum sw_status status = sw_comm_init();
    if (status != SW_OK) return sw_cli_fail(status);
    sw_cli_identity(options.isa, &options.identity);
    status = sw_bench_time_store(&options, &store);
    if (status == SW_OK && words->json) print_store_json(words, &store);
    if (status == SW_OK && !words->json) print_store_text(words, &store);
    int code = sw_status_exit_code(status);
    if (status != SW_OK && sw_comm_rank() == 0) code = sw_cli_fail(status);
    sw_comm_fini(true, code);
    return code;
}

/* ---- dispatch ---------------------------------------------------------------------------------------- */

static void print_dispatch_json(const struct sw_bench_dispatch *dispatch) {
    json_t *json = json_object();
    json_object_set_new(json, "workers", json_integer(dispatch->workers));
    json_object_set_new(json, "rounds", json_integer(dispatch->rounds));
    json_object_set_new(json, "seconds", json_real(dispatch->seconds));
    json_object_set_new(json, "rounds_per_second", json_real(dispatch->rounds_per_second));
    json_object_set_new(json, "coordinator_ms", json_real(dispatch->coordinator_ms));
    json_object_set_new(json, "rank0_ms", json_real(dispatch->rank0_ms));
    json_object_set_new(json, "dispatches", json_integer(dispatch->dispatches));
    json_object_set_new(json, "dispatch_ms", sw_cli_json_real(dispatch->dispatch_ms));
    json_object_set_new(json, "dispatch_p99_ms", sw_cli_json_real(dispatch->dispatch_p99_ms));
    json_object_set_new(json, "dispatch_worst_ms", sw_cli_json_real(dispatch->worst_ms));
    json_object_set_new(json, "idle_seconds", json_real(dispatch->idle_seconds));
    json_object_set_new(json, "rank0_share", json_real(dispatch->rank0_share));
    json_object_set_new(json, "idle_share", sw_cli_json_real(dispatch->idle_share));
    sw_cli_print_json(json, 0);
}

static void print_dispatch_text(const struct sw_bench_dispatch *dispatch) {
    char share[16];
    printf("%lld rounds on %lld worker%s: %.2f s, %.0f rounds per second\n",
           (long long) dispatch->rounds, (long long) dispatch->workers,
           dispatch->workers == 1 ? "" : "s", dispatch->seconds, dispatch->rounds_per_second);
    printf("CPU of rank 0 per round: %.3f ms of work, %.3f ms in all\n", dispatch->coordinator_ms,
           dispatch->rank0_ms);
    if (dispatch->dispatches > 0)
        printf("result sent to next assignment received: %.3f ms median, %.3f ms 99 %%, %.3f ms "
               "worst\n",
               dispatch->dispatch_ms, dispatch->dispatch_p99_ms, dispatch->worst_ms);
    printf("with one long round, %.1f s: rank 0 takes %s %% of a core", dispatch->idle_seconds,
           sw_cli_percent(share, sizeof share, dispatch->rank0_share));
    if (dispatch->idle_share >= 0)
        printf(", the busiest idle worker %s %%\n",
               sw_cli_percent(share, sizeof share, dispatch->idle_share));
    else
        printf("; no worker was idle (two are needed)\n");
}

static bool is_launched(void) {
    return getenv("OMPI_COMM_WORLD_SIZE") != NULL || getenv("PMIX_RANK") != NULL;
}

/* Become mpirun with that many workers: rank 0 needs no core of its own. Returns only on failure. */
static enum sw_status launch(int64_t workers, char **argv) {
    char program[PATH_MAX], ranks[24];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    size_t n = 0;
    const char **words = NULL;
    if (length < 0) return SW_FAIL(SW_INTERNAL, "cannot find this program: %s", strerror(errno));
    program[length] = '\0';
    snprintf(ranks, sizeof ranks, "%lld", (long long) workers + 1);
    while (argv[n] != NULL)
        n++;
    SW_TRY(SW_ALLOC(&words, n + 6, "arguments"));
    const char *const first[] = {"mpirun", "-n", ranks, "--oversubscribe", program, "bench"};
    memcpy(words, first, sizeof first);
    memcpy(words + 6, argv + 1, n * sizeof *words); /* with the NULL at the end */
    (void) execvp("mpirun", (char *const *) words);
    SW_FREE(&words);
    return SW_FAIL(SW_UNSUPPORTED, "cannot start mpirun: %s", strerror(errno));
}

static enum sw_status check_workers(const struct sw_cli_bench_words *words) {
    int64_t workers = sw_comm_size() > 1 ? sw_comm_size() - 1 : 1;
    if (words->workers == 0 || words->workers == workers) return SW_OK;
    return SW_FAIL(SW_USAGE, "--workers %lld: mpirun has started %d ranks, one of them no worker",
                   (long long) words->workers, sw_comm_size());
}

static enum sw_status time_dispatch(const struct sw_cli_bench_words *words,
                                    struct sw_server *server) {
    struct sw_bench_dispatch_options options = {.folder = words->folder,
                                                .rounds = words->rounds > 0 ? words->rounds : 500,
                                                .idle_seconds = words->idle,
                                                .isa = sw_isa_detect()};
    struct sw_bench_dispatch dispatch;
    sw_cli_identity(options.isa, &options.identity);
    SW_TRY(sw_comm_agree(check_workers(words)));
    SW_TRY(sw_bench_time_dispatch(&options, server, &dispatch));
    if (sw_comm_rank() != 0) return SW_OK;
    if (words->json)
        print_dispatch_json(&dispatch);
    else
        print_dispatch_text(&dispatch);
    return SW_OK;
}

int sw_cli_bench_dispatch(const struct sw_cli_bench_words *words, char **argv) {
    struct sw_server *server = NULL;
    if (words->workers > 0 && !is_launched()) return sw_cli_fail(launch(words->workers, argv));
    /* As for `run': the server is started while this process has neither MPI nor threads. */
    enum sw_status status = sw_proc_start_server("--trainer-server", &server);
    if (status != SW_OK) return sw_cli_fail(status);
    status = sw_comm_init();
    if (status != SW_OK) {
        sw_proc_stop_server(&server);
        return sw_cli_fail(status);
    }
    status = time_dispatch(words, server);
    int code = sw_status_exit_code(status);
    if (status != SW_OK && sw_comm_rank() == 0) code = sw_cli_fail(status);
    sw_proc_stop_server(&server);
    sw_comm_fini(status != SW_INTERNAL, code);
    return code;
}
