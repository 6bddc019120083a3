#include "sched_rig.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_sink.h"
#include "sweepstake/comm.h"
#include "sweepstake/memory.h"
#include "sweepstake/plan.h"
#include "sweepstake/trial.h"

#define HIDDEN "serve-trainers"

const char *const sw_rig_small =
    "sweep: rig\n"
    "data: {name: synthetic, shape: [1, 5, 5], classes: 4, train: 240, test: 80, validation: 40}\n"
    "model: {name: mlp-16-12}\n"
    "train: {steps: 40, batch: 20, evaluate: {every: 10}, optimizer: {name: adam, lr: 5e-3}}\n"
    "prune: {rounds: 2}\n"
    "control: [reinit]\n"
    "grid: {prune.rate: [0.3, 0.6]}\n"
    "store: unused.h5\n";
const char *const sw_rig_endless =
    "sweep: rig\n"
    "data: {name: synthetic, shape: [1, 5, 5], classes: 4, train: 240, test: 80, validation: 40}\n"
    "model: {name: mlp-16-12}\n"
    "train: {steps: 100000000, batch: 20, evaluate: {every: 100000000}}\n"
    "prune: {rounds: 1}\n"
    "store: unused.h5\n";
const char *const sw_rig_long =
    "sweep: rig\n"
    "data: {name: synthetic, shape: [1, 5, 5], classes: 4, train: 240, test: 80, validation: 40}\n"
    "model: {name: mlp-16-12}\n"
    "train: {steps: 200000, batch: 20, evaluate: {every: 2000}}\n"
    "prune: {rounds: 0}\n"
    "store: unused.h5\n";

struct sw_rig sw_rig;

/* ---- main ------------------------------------------------------------------------------------ */

/* OpenBLAS and Open MPI read these while they are loaded. */
static void restart_with_environment(char **argv) {
    const char *core = sw_isa_openblas_core(sw_isa_detect()), *set = getenv("OPENBLAS_CORETYPE");
    bool changed = sw_comm_prepare_environment();
    if (set == NULL || strcmp(set, core) != 0) changed |= setenv("OPENBLAS_CORETYPE", core, 1) == 0;
    if (changed) (void) execv("/proc/self/exe", argv);
}

static enum sw_status find_last_rank(void) {
    bool last = sw_comm_rank() == sw_comm_size() - 1;
    return sw_comm_minimum(last ? (int64_t) getpid() : INT64_MAX, &sw_rig.last_rank_pid);
}

enum sw_status sw_rig_start_server(void) {
    return sw_proc_start_server(HIDDEN, &sw_rig.server);
}

int sw_rig_main(int argc, char **argv, const char *name, CU_SuiteInfo *suites) {
    if (argc == 3 && strcmp(argv[1], HIDDEN) == 0)
        return sw_proc_serve(atoi(argv[2]), sw_sched_trainer_main);
    restart_with_environment(argv);
    if (sw_rig_start_server() != SW_OK) return 1;
    if (sw_comm_init() != SW_OK || find_last_rank() != SW_OK) return 1;
    sw_rig_reset();
    int code = sw_test_main_mpi(name, suites);
    sw_proc_stop_server(&sw_rig.server);
    sw_sweep_fini(&sw_rig.sweep);
    sw_text_fini(&sw_rig.notices);
    sw_comm_fini(true, code);
    return code;
}

/* ---- running --------------------------------------------------------------------------------- */

void sw_rig_reset(void) {
    sw_rig.on_round = NULL;
    sw_rig.on_tick = NULL;
    sw_rig.on_notice = NULL;
    sw_rig.options = (struct sw_sched_options){
        .threads = 1, .attempts = 2, .hang_seconds = 60, .grace_seconds = 10, .backend = "cpu"};
}

static void create_store(const char *path) {
    struct sw_store_identity identity = {"", "test", "test", "test"};
    SW_TEST_OK(sw_store_create(path, &sw_rig.sweep, &identity));
}

void sw_rig_open(const char *yaml) {
    struct sw_text errors = {0};
    struct sw_plan_source source = {
        .path = "rig.yaml", .text = yaml, .text_bytes = strlen(yaml), .isa = sw_isa_detect()};
    sw_sweep_fini(&sw_rig.sweep);
    memset(&sw_rig.sweep, 0, sizeof sw_rig.sweep);
    SW_TEST_OK(sw_plan_build(&source, &sw_rig.sweep, &errors));
    sw_text_fini(&errors);
    if (sw_comm_rank() == 0) {
        (void) snprintf(sw_rig.store, sizeof sw_rig.store, "%s/rig.h5", sw_test_folder());
        create_store(sw_rig.store);
    }
    SW_TEST_OK(sw_comm_broadcast(sw_rig.store, sizeof sw_rig.store));
}

static void round_done(void *context, const struct sw_sched_view *view,
                       const struct sw_round_record *record) {
    struct sw_rig *rig = context;
    rig->rounds_done++;
    rig->view = *view;
    CU_ASSERT_TRUE(record->result.row >= 0 && record->result.row < rig->sweep.n_rounds);
    if (rig->on_round != NULL) rig->on_round(rig);
}
static void tick(void *context, const struct sw_sched_view *view) {
    struct sw_rig *rig = context;
    rig->ticks++;
    rig->view = *view;
    if (rig->on_tick != NULL) rig->on_tick(rig);
}
static void notice(void *context, const char *text) {
    struct sw_rig *rig = context;
    SW_TEST_OK(sw_text_add(&rig->notices, "%s\n", text));
    if (rig->on_notice != NULL) rig->on_notice(rig, text);
}

enum sw_status sw_rig_run(void) {
    struct sw_store_lock *lock = NULL;
    struct sw_sched_observer observer = {&sw_rig, round_done, tick, notice};
    bool first = sw_comm_rank() == 0;
    sw_rig.rounds_done = sw_rig.ticks = sw_rig.stage = 0;
    sw_rig.view = (struct sw_sched_view){0};
    sw_text_fini(&sw_rig.notices);
    if (first) SW_TEST_OK(sw_store_lock_take(sw_rig.store, &lock));
    enum sw_status status = sw_sched_run(&sw_rig.sweep, sw_rig.store, lock, sw_rig.server,
                                         sw_isa_detect(), &sw_rig.options, first ? &observer : NULL,
                                         &sw_rig.clean);
    sw_store_lock_release(&lock);
    return status;
}

/* ---- one round after the other --------------------------------------------------------------- */

static struct sw_round_task make_task(int64_t row) {
    const struct sw_sweep *sweep = &sw_rig.sweep;
    const struct sw_round_plan *plan = &sweep->rounds[row];
    const struct sw_arch *arch = &sweep->archs[plan->arch];
    struct sw_round_task task;
    memset(&task, 0, sizeof task);
    task.spec = sweep->trials[plan->trial];
    task.plan = *plan;
    task.data = sweep->datas[plan->data];
    task.n_layers = arch->n_layers;
    (void) sw_sweep_snapshots(sweep, row, task.snapshot_step);
    task.dense_row = sw_sweep_row(sweep, plan->trial, 0, SW_CONTROL_TICKET);
    for (int64_t i = 0, l = 0; i < arch->n_params; i++) {
        if (!arch->params[i].prunable) continue;
        task.kept[l] = sweep->kept[row * sweep->max_layers + l];
        task.parent_kept[l] = arch->params[i].count;
        if (plan->parent >= 0)
            task.parent_kept[l] = sweep->kept[plan->parent * sweep->max_layers + l];
        l++;
    }
    return task;
}

static void commit_row(struct sw_store *store, int64_t row, const struct sw_fake_sink *sink) {
    struct sw_payload payload;
    for (int s = 0; s < SW_SECTION_COUNT; s++) {
        payload.length[s] = 0;
        payload.bytes[s] = sw_fake_sink_get(sink, row, (enum sw_section) s, &payload.length[s]);
    }
    SW_TEST_OK(sw_store_commit(store, row, &payload, false));
}

/* Run the first n rows here and commit them. */
static void run_in_order(const char *path, int64_t n) {
    static struct sw_fake_sink memory;
    struct sw_hal_options options = {.threads = 1, .isa = sw_isa_detect()};
    struct sw_trial_place place = {.backend = "cpu", .threads = 1, .attempt = 1};
    struct sw_store *store = NULL;
    struct sw_hal *hal = NULL;
    struct sw_data data;
    char *block = NULL;
    const struct sw_trial_spec *spec = &sw_rig.sweep.trials[0];
    SW_TEST_OK(SW_ALLOC(&block, (size_t) sw_rig.sweep.datas[0].block_bytes, "data"));
    SW_TEST_OK(sw_data_decode(spec, &sw_rig.sweep.datas[0], block));
    SW_TEST_OK(sw_data_open(spec, &sw_rig.sweep.datas[0], block, &data));
    SW_TEST_OK(sw_hal_open(sw_backend_find("cpu"), &options, &hal));
    SW_TEST_OK(sw_store_open(path, SW_STORE_WRITE, &store));
    sw_fake_sink_init(&memory);
    for (int64_t row = 0; row < n; row++) {
        struct sw_round_task task = make_task(row);
        struct sw_sink sink = sw_fake_sink_open(&memory, row);
        SW_TEST_OK(sw_trial_run_round(&task, hal, &data, &place, &sink));
        commit_row(store, row, &memory);
    }
    sw_fake_sink_fini(&memory);
    sw_store_close(&store);
    sw_hal_close(&hal);
    sw_data_close(&data);
    SW_FREE(&block);
}

static void read_digest(const char *path, char text[SW_DIGEST_TEXT]) {
    struct sw_store *store = NULL;
    struct sw_digest digest;
    SW_TEST_OK(sw_store_open(path, SW_STORE_READ, &store));
    SW_TEST_OK(sw_store_digest(store, &digest));
    (void) sw_digest_text(digest, text);
    sw_store_close(&store);
}

void sw_rig_digest(char text[SW_DIGEST_TEXT]) {
    memset(text, 0, SW_DIGEST_TEXT);
    if (sw_comm_rank() == 0) read_digest(sw_rig.store, text);
    SW_TEST_OK(sw_comm_broadcast(text, SW_DIGEST_TEXT));
}

void sw_rig_expected_digest(char text[SW_DIGEST_TEXT]) {
    memset(text, 0, SW_DIGEST_TEXT);
    if (sw_comm_rank() == 0) {
        char path[256];
        (void) snprintf(path, sizeof path, "%s/expected.h5", sw_test_folder());
        create_store(path);
        run_in_order(path, sw_rig.sweep.n_rounds);
        read_digest(path, text);
    }
    SW_TEST_OK(sw_comm_broadcast(text, SW_DIGEST_TEXT));
}

void sw_rig_commit_first(int64_t n) {
    if (sw_comm_rank() == 0) run_in_order(sw_rig.store, n);
    SW_TEST_OK(sw_comm_node_barrier());
}

enum sw_round_state sw_rig_state(int64_t row, struct sw_round_record *record) {
    struct sw_store *store = NULL;
    struct sw_round_check check;
    memset(record, 0, sizeof *record);
    SW_TEST_OK(sw_store_open(sw_rig.store, SW_STORE_READ, &store));
    SW_TEST_OK(sw_store_check_round(store, row, true, &check));
    if (check.state == SW_ROUND_COMMITTED) SW_TEST_OK(sw_store_read_record(store, row, record));
    sw_store_close(&store);
    return check.state;
}

/* ---- processes ------------------------------------------------------------------------------- */

/* Parent of a process, and whether it is a trainer; 0 when it is gone. */
static pid_t read_parent(pid_t pid, bool *is_trainer) {
    char path[64], text[512] = "";
    int parent = 0;
    (void) snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    if (fgets(text, sizeof text, file) == NULL) text[0] = '\0';
    (void) fclose(file);
    const char *end = strrchr(text, ')');
    char state = 'Z';
    *is_trainer = strstr(text, "(sw-trainer)") != NULL;
    if (end == NULL || sscanf(end + 1, " %c %d", &state, &parent) != 2 || state == 'Z') return 0;
    return parent;
}

/* The server of a trainer that belongs to this test; 0 for other processes. */
static pid_t find_parent_server(pid_t pid, pid_t *rank) {
    bool is_trainer = false, other;
    pid_t server = read_parent(pid, &is_trainer);
    if (server == 0 || !is_trainer) return 0;
    *rank = read_parent(server, &other);
    if (*rank == 0 || (*rank != getpid() && read_parent(*rank, &other) != getppid())) return 0;
    return server;
}

int sw_rig_signal_trainers(int number) {
    int n = 0;
    DIR *folder = opendir("/proc");
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        pid_t pid = (pid_t) atoi(entry->d_name), rank;
        if (pid > 0 && find_parent_server(pid, &rank) != 0) n += kill(pid, number) == 0;
    }
    (void) closedir(folder);
    return n;
}

pid_t sw_rig_find_server(void) {
    pid_t found = 0;
    DIR *folder = opendir("/proc");
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        pid_t pid = (pid_t) atoi(entry->d_name), rank = 0;
        pid_t server = pid > 0 ? find_parent_server(pid, &rank) : 0;
        if (server != 0 && rank == getpid()) found = server;
    }
    (void) closedir(folder);
    return found;
}

pid_t sw_rig_find_worker(void) {
    pid_t found = 0;
    DIR *folder = opendir("/proc");
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        pid_t pid = (pid_t) atoi(entry->d_name), rank = 0;
        if (pid > 0 && find_parent_server(pid, &rank) != 0) found = rank;
    }
    (void) closedir(folder);
    return found;
}
