/* sweepstake run: the whole sweep, on all ranks. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "progress.h"
#include "run_start.h"
#include "sweepstake/comm.h"
#include "sweepstake/hal.h"
#include "sweepstake/memory.h"
#include "sweepstake/proc.h"
#include "sweepstake/sched.h"
#include "sweepstake/text.h"

#define INIT_SECONDS 120      /* for the ranks to find each other; a large job takes its time */
#define INTERNAL_EXIT_CODE 70 /* of SW_INTERNAL, where no function may be called */
#define LEAST_PATIENCE 10.0   /* a loaded machine is silent for seconds */

struct run {
    struct sw_cli_sweep_arguments given;
    bool resume;
    struct sw_sched_options options;
    enum sw_isa isa;
    struct sw_sweep sweep;
    struct sw_data_blocks blocks; /* data sets that rank 0 decodes on the way to the plan */
    struct sw_server *server;
    struct sw_store_lock *lock;       /* rank 0 */
    bool created;                     /* the store; rank 0 */
    struct sw_cli_progress *progress; /* rank 0 */
    bool reported;                    /* the failure has been told already */
};

/* ---- arguments ----------------------------------------------------------------------------------------- */

enum {
    KEY_RESUME = 'r',
    KEY_THREADS = 't',
    KEY_ATTEMPTS = 256,
    KEY_HANG,
    KEY_LOST,
    KEY_GRACE,
    KEY_CHECKPOINT,
    KEY_DURABLE,
    KEY_BACKEND,
    KEY_BIND
};

static const struct argp_option options[] = {
    SW_CLI_SET_OPTION,
    {"resume", KEY_RESUME, NULL, 0, "go on with an existing store; make it when there is none", 0},
    {"threads", KEY_THREADS, "N", 0, "threads of each training (1); results do not depend on it",
     0},
    {"attempts", KEY_ATTEMPTS, "N", 0, "tries of a round whose training process crashes (3)", 0},
    {"hang-timeout", KEY_HANG, "S", 0, "kill a training without progress for S seconds (600)", 0},
    {"checkpoint", KEY_CHECKPOINT, "S", 0,
     "save running rounds every S seconds beside the store (120); 0 never does; results do not "
     "depend on it",
     0},
    {"lost-timeout", KEY_LOST, "S", 0,
     "give a rank's round to another when the rank is not heard for S seconds (30); ranks end when rank 0 is "
     "not heard for twice as long, and all of them when that happens to any before the first round",
     0},
    {"grace", KEY_GRACE, "S", 0,
     "after SIGUSR1 or SIGUSR2, give running rounds S seconds to be saved, or with --checkpoint 0 to "
     "finish (60)",
     0},
    {"durable", KEY_DURABLE, NULL, 0,
     "sync every round and checkpoint to the disk: survives a power loss", 0},
    {"bind", KEY_BIND, "none|cores", 0,
     "put the trainings of several ranks on cores of their own among those that the launcher gave (cores); "
     "results do not depend on it",
     0},
    {"backend", KEY_BACKEND, "NAME", 0, "where trainings run (cpu); see `show backends'", 0},
    {0},
};

static void set_backend(struct argp_state *state, struct run *run, const char *name) {
    if (sw_backend_find(name) == NULL) {
        argp_error(state, "--backend '%s': sweepstake show backends lists what this build has",
                   name);
        sw_cli_leave();
    }
    run->options.backend = name;
}

static error_t set_bind(struct argp_state *state, struct run *run, const char *word) {
    run->options.bind = strcmp(word, "cores") == 0;
    if (run->options.bind || strcmp(word, "none") == 0) return 0;
    return SW_CLI_WRONG(state, "--bind '%s': none or cores is needed", word);
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct run *run = state->input;
    struct sw_sched_options *sched = &run->options;
    switch (key) {
    case KEY_RESUME:
        run->resume = true;
        return 0;
    case KEY_THREADS:
        sched->threads = (int) sw_cli_int(state, "--threads", arg, 1, 1024);
        return 0;
    case KEY_ATTEMPTS:
        sched->attempts = sw_cli_int(state, "--attempts", arg, 1, 100);
        return 0;
    case KEY_HANG:
        sched->hang_seconds = sw_cli_real(state, "--hang-timeout", arg, 1, 1e9);
        return 0;
    case KEY_LOST:
        sched->lost_seconds = sw_cli_real(state, "--lost-timeout", arg, 1, 1e9);
        return 0;
    case KEY_GRACE:
        sched->grace_seconds = sw_cli_real(state, "--grace", arg, 0, 1e9);
        return 0;
    case KEY_CHECKPOINT:
        sched->checkpoint_seconds = sw_cli_real(state, "--checkpoint", arg, 0, 1e9);
        return 0;
    case KEY_DURABLE:
        sched->durable = true;
        return 0;
    case KEY_BIND:
        return set_bind(state, run, arg);
    case KEY_BACKEND:
        set_backend(state, run, arg);
        return 0;
    default:
        return sw_cli_parse_sweep(key, arg, state, &run->given);
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse_option,
    .args_doc = "SWEEP.yaml",
    .doc =
        "Run a sweep. Under mpirun or srun rank 0 hands out rounds and the other ranks train; "
        "alone, one process does both.\v"
        "SIGUSR1 and SIGUSR2 stop the sweep at the next safe point, SIGTERM and SIGINT within "
        "seconds; --resume goes on where every trial stood: from its last committed round and the "
        "checkpoint of the one that was running."};

/* ---- steps ------------------------------------------------------------------------------------------------ */

/* srun without --mpi=pmix starts N worlds of one rank each. */
static void warn_of_lonely_ranks(void) {
    const char *tasks = getenv("SLURM_NTASKS");
    int64_t n = 0;
    if (sw_comm_size() > 1 || tasks == NULL || getenv("OMPI_COMM_WORLD_SIZE") != NULL) return;
    if (!sw_text_to_int(tasks, &n) || n <= 1) return;
    sw_cli_complain("warning: Slurm has %s tasks, but this process is alone in its MPI world; "
                    "start it with mpirun, or with srun --mpi=pmix",
                    tasks);
}

/* main holds the stop signals back until sw_sched_run looks for them. */
static enum sw_status check_stop(void) {
    static const int numbers[] = {SIGUSR1, SIGUSR2, SIGTERM};
    sigset_t pending;
    if (sigpending(&pending) != 0) return SW_OK;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigismember(&pending, numbers[i]) == 1)
            return SW_FAIL(SW_STOPPED,
                           "stopped by SIG%s before the first round; run again with --resume",
                           sigabbrev_np(numbers[i]));
    return SW_OK;
}

static void leave_init(int number) {
    static const char text[] =
        "sweepstake: MPI did not start: a rank has died, or cannot be reached\n";
    (void) number;
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void) written;
    _exit(INTERNAL_EXIT_CODE);
}

/* MPI waits for ever for a rank that died on its way here. */
static enum sw_status init_comm(const struct run *run) {
    struct sigaction action = {.sa_handler = leave_init}, before;
    (void) sigaction(SIGALRM, &action, &before);
    (void) alarm(INIT_SECONDS);
    enum sw_status status = sw_comm_init();
    (void) alarm(0);
    (void) sigaction(SIGALRM, &before, NULL);
    sw_comm_set_patience(fmax(2 * run->options.lost_seconds, LEAST_PATIENCE));
    return status;
}

static enum sw_status prepare_store(void *context) {
    struct run *run = context;
    return sw_cli_prepare_store(&run->sweep, run->resume, run->isa, &run->lock, &run->created);
}

/* Everything up to the first training. Collective. */
static enum sw_status start(struct run *run) {
    int64_t isa = (int64_t) sw_isa_detect();
    /* When a rank is missing here, the next call says so, too, and rank 0 learns where the exit file
     * belongs. */
    enum sw_status met = sw_comm_minimum(isa, &isa);
    run->isa = (enum sw_isa) isa;
    enum sw_status status = sw_cli_share_sweep(run->given.path, &run->given.sets, run->isa,
                                               &run->blocks, &run->sweep, &run->reported);
    if (status == SW_OK) status = met;
    if (status != SW_OK) return status;
    status = sw_backend_probe(sw_backend_find(run->options.backend));
    if (status == SW_OK) status = check_stop();
    SW_TRY(sw_comm_agree(status));
    SW_TRY(sw_sched_check_memory(&run->sweep, &run->blocks));
    if (sw_comm_rank() == 0) status = sw_comm_work(prepare_store, run);
    if (status == SW_OK && sw_comm_rank() == 0)
        status = sw_cli_progress_create(&run->sweep, &run->progress);
    return sw_comm_agree(status);
}

static enum sw_status train(struct run *run, bool *clean) {
    struct sw_sched_observer observer = {0};
    run->options.blocks = &run->blocks;
    run->options.silent_seconds = 2 * run->options.lost_seconds;
    if (run->progress != NULL) observer = sw_cli_progress_observer(run->progress);
    enum sw_status outcome = sw_sched_run(&run->sweep, run->sweep.store, run->lock, run->server,
                                          run->isa, &run->options,
                                          run->progress != NULL ? &observer : NULL, clean);
    if (run->progress != NULL) sw_cli_progress_finish(run->progress, outcome);
    return outcome;
}

/* One rank speaks for all. */
static int report(const struct run *run, enum sw_status outcome) {
    bool speaks = sw_comm_rank() == sw_comm_speaker() && !run->reported;
    if (outcome != SW_OK && outcome != SW_PARTIAL && speaks) return sw_cli_fail(outcome);
    return sw_status_exit_code(outcome);
}

/* The exit file is the store owner's. A run that was refused for another reason than its owner has a word
 * to say, too: the script that started it learns the code in no other way. */
static bool owns_exit_file(const struct run *run) {
    struct sw_store_lock_info owner;
    bool alive = false;
    if (run->lock != NULL) return true;
    if (sw_comm_rank() != 0 || run->sweep.store[0] == '\0') return false;
    enum sw_status status = sw_store_lock_peek(run->sweep.store, &owner, &alive);
    return status == SW_NOT_FOUND || (status == SW_OK && !alive);
}

/* The exit file tells the real code: under --enable-recovery mpirun's own is always 0. */
static void release(struct run *run, enum sw_status outcome, int code) {
    bool failed = outcome != SW_OK && outcome != SW_PARTIAL && outcome != SW_STOPPED;
    sw_cli_progress_destroy(&run->progress);
    if (failed && run->created) sw_cli_discard_store(run->sweep.store, run->lock);
    if (owns_exit_file(run)) sw_store_exit_write(run->sweep.store, code);
    if (run->lock != NULL) sw_store_lock_release(&run->lock);
    sw_proc_stop_server(&run->server);
    sw_sweep_fini(&run->sweep);
    sw_data_blocks_close(&run->blocks);
    SW_FREE(&run->given.sets.words);
}

int sw_cli_run(int argc, char **argv) {
    struct run run = {.options = {.threads = 1,
                                  .attempts = 3,
                                  .hang_seconds = 600,
                                  .lost_seconds = 30,
                                  .grace_seconds = 60,
                                  .checkpoint_seconds = 120,
                                  .bind = true,
                                  .backend = "cpu"}};
    /* Beyond a limit on file sizes a write is to fail with a message, not to end the process. */
    (void) signal(SIGXFSZ, SIG_IGN);
    sw_cli_parse(&argp, argc, argv, &run);
    /* The server is started while this process has neither MPI nor threads. */
    enum sw_status status = sw_proc_start_server("--trainer-server", &run.server);
    if (status != SW_OK) return sw_cli_fail(status);
    status = init_comm(&run);
    if (status != SW_OK) {
        sw_proc_stop_server(&run.server);
        return sw_cli_fail(status);
    }
    warn_of_lonely_ranks();
    bool clean = true;
    status = start(&run);
    if (status == SW_OK) status = train(&run, &clean);
    int code = report(&run, status);
    release(&run, status, code);
    fflush(stdout);
    sw_comm_fini(clean, code);
    return code;
}
