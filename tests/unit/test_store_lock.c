/* One writer per store: who holds the lock, who may take it, and what others see of it. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/test_main.h"
#include "sweepstake/memory.h"
#include "sweepstake/store.h"

struct names {
    char store[256], lock[256], exit[256], reserved[256];
};

static void set_names(struct names *names) {
    const char *folder = sw_test_folder();
    snprintf(names->store, sizeof names->store, "%s/x.h5", folder);
    snprintf(names->lock, sizeof names->lock, "%s/x.h5.lock", folder);
    snprintf(names->exit, sizeof names->exit, "%s/x.h5.exit", folder);
    snprintf(names->reserved, sizeof names->reserved, "%s/x.h5.exit.next", folder);
}

/* A child that takes the lock, says so, and holds it until it is told to end or killed. */
struct holder {
    pid_t pid;
    int to_child, from_child;
};

static void hold(const char *store, int read_fd, int write_fd) {
    struct sw_store_lock *lock;
    char byte = sw_store_lock_take(store, &lock) == SW_OK ? 'y' : 'n';
    if (write(write_fd, &byte, 1) != 1 || read(read_fd, &byte, 1) != 1) _exit(2);
    sw_store_lock_release(&lock);
    _exit(0);
}

static void start_holder(const char *store, struct holder *holder) {
    int down[2], up[2];
    char byte = 0;
    CU_ASSERT_EQUAL_FATAL(pipe(down) | pipe(up), 0);
    holder->pid = fork();
    if (holder->pid == 0) hold(store, down[0], up[1]);
    close(down[0]);
    close(up[1]);
    holder->to_child = down[1];
    holder->from_child = up[0];
    CU_ASSERT_EQUAL_FATAL(read(up[0], &byte, 1), 1);
    CU_ASSERT_EQUAL_FATAL(byte, 'y');
}

/* killed: without reaping it, as a zombie; reap with end_holder. */
static void kill_holder(const struct holder *holder) {
    siginfo_t info;
    kill(holder->pid, SIGKILL);
    CU_ASSERT_EQUAL(waitid(P_PID, (id_t) holder->pid, &info, WEXITED | WNOWAIT), 0);
}

static void end_holder(struct holder *holder) {
    ssize_t sent = write(holder->to_child, "e", 1);
    (void) sent;
    waitpid(holder->pid, NULL, 0);
    close(holder->to_child);
    close(holder->from_child);
}

/* ---- taking --------------------------------------------------------------------------------- */

static void lock_is_taken_once(void) {
    struct names names;
    struct sw_store_lock *lock = NULL, *second = NULL;
    struct sw_store_lock_info info;
    bool alive = false;
    set_names(&names);
    SW_TEST_FAILS(sw_store_lock_peek(names.store, &info, &alive), SW_NOT_FOUND);
    setenv("SLURM_JOB_ID", "4711", 1);
    SW_TEST_OK(sw_store_lock_take(names.store, &lock));
    unsetenv("SLURM_JOB_ID");
    SW_TEST_FAILS(sw_store_lock_take(names.store, &second), SW_IO);
    CU_ASSERT_PTR_NULL(second);
    SW_TEST_OK(sw_store_lock_peek(names.store, &info, &alive));
    CU_ASSERT_TRUE(alive);
    CU_ASSERT_EQUAL(info.pid, getpid());
    CU_ASSERT_STRING_EQUAL(info.job, "4711");
    CU_ASSERT_TRUE(info.host[0] != '\0');
    CU_ASSERT_DOUBLE_EQUAL(info.heartbeat, sw_clock_wall(), 5);
    CU_ASSERT_DOUBLE_EQUAL(info.started, info.heartbeat, 5);
    sw_store_lock_release(&lock);
    CU_ASSERT_PTR_NULL(lock);
    CU_ASSERT_FALSE(sw_file_exists(names.lock));
    SW_TEST_OK(sw_store_lock_take(names.store, &lock));
    sw_store_lock_release(&lock);
    sw_store_lock_release(&lock);
}

static void living_process_is_not_robbed(void) {
    struct names names;
    struct holder holder;
    struct sw_store_lock *lock = NULL;
    char pid[32];
    set_names(&names);
    start_holder(names.store, &holder);
    SW_TEST_FAILS(sw_store_lock_take(names.store, &lock), SW_IO);
    snprintf(pid, sizeof pid, "pid %d", (int) holder.pid);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), pid));
    end_holder(&holder);
    SW_TEST_OK(sw_store_lock_take(names.store, &lock));
    sw_store_lock_release(&lock);
}

static void killed_process_is_replaced_at_once(void) {
    struct names names;
    struct holder holder;
    struct sw_store_lock *lock = NULL;
    struct sw_store_lock_info info;
    bool alive = true;
    set_names(&names);
    start_holder(names.store, &holder);
    kill_holder(&holder); /* a zombie by now: its parent has not looked yet */
    SW_TEST_OK(sw_store_lock_peek(names.store, &info, &alive));
    CU_ASSERT_EQUAL(info.pid, holder.pid);
    CU_ASSERT_FALSE(alive);
    end_holder(&holder);
    SW_TEST_OK(sw_store_lock_take(names.store, &lock));
    SW_TEST_OK(sw_store_lock_peek(names.store, &info, &alive));
    CU_ASSERT_EQUAL(info.pid, getpid());
    CU_ASSERT_TRUE(alive);
    sw_store_lock_release(&lock);
}

/* ---- what the file says --------------------------------------------------------------------- */

static void write_lock(const struct names *names, const char *host, int64_t pid, double age,
                       const char *rest) {
    char text[512];
    int length = snprintf(text, sizeof text, "host %s\npid %lld\nheartbeat %.3f\nrounds_done 3\n%s",
                          host, (long long) pid, sw_clock_wall() - age, rest);
    SW_TEST_OK(sw_file_write(names->lock, text, (size_t) length));
}

static bool is_alive(const struct names *names) {
    struct sw_store_lock_info info;
    bool alive = false;
    SW_TEST_OK(sw_store_lock_peek(names->store, &info, &alive));
    return alive;
}

/* The lines of our own lock that name the process: a recycled pid has another start. */
static void own_mark(const struct names *names, char *out, size_t size) {
    struct sw_store_lock *lock;
    char *text;
    size_t length;
    SW_TEST_OK(sw_store_lock_take(names->store, &lock));
    SW_TEST_OK(sw_file_read(names->lock, 4096, &text, &length));
    const char *mark = strstr(text, "boot ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mark);
    snprintf(out, size, "%s", mark);
    SW_FREE(&text);
    sw_store_lock_release(&lock);
}

static void only_this_very_process_counts(void) {
    struct names names;
    char host[64] = "", mark[512], other[600];
    set_names(&names);
    gethostname(host, sizeof host - 1);
    own_mark(&names, mark, sizeof mark);
    write_lock(&names, host, getpid(), 1, mark);
    CU_ASSERT_TRUE(is_alive(&names));
    write_lock(&names, host, 1, 1, mark); /* runs, but started at another time */
    CU_ASSERT_FALSE(is_alive(&names));
    write_lock(&names, host, 999999999, 1, mark);
    CU_ASSERT_FALSE(is_alive(&names));
    snprintf(other, sizeof other, "%s", mark);
    other[5] = other[5] == 'a' ? 'b' : 'a'; /* before the last boot */
    write_lock(&names, host, getpid(), 1, other);
    CU_ASSERT_FALSE(is_alive(&names));
    snprintf(other, sizeof other, "%s", mark);
    char *space = strstr(other, "namespace "); /* in another container: not visible from here */
    CU_ASSERT_PTR_NOT_NULL_FATAL(space);
    space[10] ^= 1;
    write_lock(&names, host, 999999999, 1, other);
    CU_ASSERT_TRUE(is_alive(&names));
}

static void other_hosts_live_by_their_heartbeat(void) {
    struct names names;
    struct sw_store_lock *lock = NULL;
    set_names(&names);
    write_lock(&names, "elsewhere", 5, 2, "");
    CU_ASSERT_TRUE(is_alive(&names));
    SW_TEST_FAILS(sw_store_lock_take(names.store, &lock), SW_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "elsewhere"));
    write_lock(&names, "elsewhere", 5, SW_LOCK_STALE_SECONDS + 5, "");
    SW_TEST_OK(sw_store_lock_take(names.store, &lock));
    sw_store_lock_release(&lock);
}

/* Beats of an owner whose clock is `age` seconds behind ours, until the process is killed. */
static pid_t start_beating(const struct names *names, double age) {
    pid_t child = fork();
    while (child == 0) {
        write_lock(names, "elsewhere", 5, age, "job 77\n");
        sw_clock_sleep(0.5);
    }
    sw_clock_sleep(0.1);
    return child;
}

static void clocks_that_differ_mislead_nobody(void) {
    struct names names;
    struct sw_store_lock *lock = NULL;
    set_names(&names);
    const double ages[] = {3600, -86400};
    const char *const words[] = {"beating, with a clock 1 h 00 min behind", "ahead"};
    for (int i = 0; i < 2; i++) {
        pid_t child = start_beating(&names, ages[i]);
        CU_ASSERT_TRUE(is_alive(&names));
        SW_TEST_FAILS(sw_store_lock_take(names.store, &lock), SW_IO);
        if (strstr(sw_status_text(), words[i]) == NULL) fprintf(stderr, "  %s\n", sw_status_text());
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), words[i]));
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "job 77"));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    CU_ASSERT_FALSE(is_alive(&names));
    /* Dead, and its last beat lies a day ahead: nobody waits for that day. */
    SW_TEST_OK(sw_store_lock_take(names.store, &lock));
    sw_store_lock_release(&lock);
}

static void any_content_is_survived(void) {
    struct names names;
    struct sw_store_lock *lock = NULL;
    struct sw_store_lock_info info;
    bool alive;
    char junk[2000];
    set_names(&names);
    memset(junk, 'x', sizeof junk);
    const char *const texts[] = {"", "\n\n\n", "host",
                                 "pid x\nheartbeat nan\nworkers 99999999999999999999\n", junk};
    junk[sizeof junk - 1] = '\0';
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        SW_TEST_OK(sw_file_write(names.lock, texts[i], strlen(texts[i])));
        SW_TEST_OK(sw_store_lock_peek(names.store, &info, &alive));
        CU_ASSERT_TRUE(alive); /* changed just now: somebody may be writing it */
        CU_ASSERT_EQUAL(info.pid, 0);
        SW_TEST_FAILS(sw_store_lock_take(names.store, &lock), SW_IO);
    }
    unlink(names.lock);
    CU_ASSERT_EQUAL(mkdir(names.lock, 0700), 0);
    SW_TEST_FAILS(sw_store_lock_take(names.store, &lock), SW_IO);
    SW_TEST_FAILS(sw_store_lock_peek(names.store, &info, &alive), SW_IO);
}

/* ---- holding -------------------------------------------------------------------------------- */

static void beat_tells_of_progress_once_per_second(void) {
    struct names names;
    struct sw_store_lock *lock;
    struct sw_store_lock_info before, info;
    bool alive;
    set_names(&names);
    SW_TEST_OK(sw_store_lock_take(names.store, &lock));
    SW_TEST_OK(sw_store_lock_peek(names.store, &before, &alive));
    SW_TEST_OK(sw_store_lock_beat(lock, 5, 3));
    SW_TEST_OK(sw_store_lock_peek(names.store, &info, &alive));
    CU_ASSERT_EQUAL(info.rounds_done, 0);
    CU_ASSERT_EQUAL(info.heartbeat, before.heartbeat);
    sw_clock_sleep(1.1);
    SW_TEST_OK(sw_store_lock_beat(lock, 6, 3));
    SW_TEST_OK(sw_store_lock_peek(names.store, &info, &alive));
    CU_ASSERT_EQUAL(info.rounds_done, 6);
    CU_ASSERT_EQUAL(info.workers, 3);
    CU_ASSERT_TRUE(info.heartbeat > before.heartbeat + 1);
    CU_ASSERT_EQUAL(info.started, before.started);
    sw_store_lock_release(&lock);
}

static void lost_lock_is_noticed_and_left_alone(void) {
    struct names names;
    struct sw_store_lock *lock;
    char *text;
    size_t length;
    set_names(&names);
    SW_TEST_OK(sw_store_lock_take(names.store, &lock));
    write_lock(&names, "elsewhere", 5, 0, ""); /* a new file under the name: taken over */
    sw_clock_sleep(1.1);
    SW_TEST_FAILS(sw_store_lock_beat(lock, 1, 1), SW_IO);
    sw_store_lock_release(&lock);
    SW_TEST_OK(sw_file_read(names.lock, 4096, &text, &length));
    CU_ASSERT_EQUAL(strncmp(text, "host elsewhere\n", 15), 0);
    SW_FREE(&text);
}

static void forked_copy_releases_nothing(void) {
    struct names names;
    struct sw_store_lock *lock;
    set_names(&names);
    SW_TEST_OK(sw_store_lock_take(names.store, &lock));
    pid_t child = fork();
    if (child == 0) {
        sw_store_lock_release(&lock);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    CU_ASSERT_TRUE(sw_file_exists(names.lock));
    sw_store_lock_release(&lock);
    CU_ASSERT_FALSE(sw_file_exists(names.lock));
}

/* Many takers of one dead lock: exactly one gets it. They are held up where all of them have opened the
 * dead file, and the winners stay alive until all have tried. */
static void one_of_many_takers_wins(void) {
    enum { TAKERS = 12 };
    struct names names;
    pid_t children[TAKERS];
    int start[2], done[2];
    set_names(&names);
    write_lock(&names, "elsewhere", 5, SW_LOCK_STALE_SECONDS + 5, "");
    int dead = open(names.lock, O_RDWR | O_CLOEXEC);
    struct stat before, waiting;
    CU_ASSERT_EQUAL_FATAL(flock(dead, LOCK_EX), 0);
    CU_ASSERT_EQUAL_FATAL(stat(names.lock, &before), 0);
    CU_ASSERT_EQUAL_FATAL(pipe(start) | pipe(done), 0);
    for (int i = 0; i < TAKERS; i++) {
        children[i] = fork();
        if (children[i] != 0) continue;
        struct sw_store_lock *lock;
        char byte;
        close(start[1]);
        close(done[1]);
        (void) alarm(20);
        if (read(start[0], &byte, 1) != 0) _exit(12); /* end of file starts everybody */
        int code = sw_store_lock_take(names.store, &lock) == SW_OK ? 10 : 11;
        if (read(done[0], &byte, 1) != 0) _exit(12);
        _exit(code);
    }
    close(start[1]);
    sw_clock_sleep(0.3);
    CU_ASSERT_EQUAL(stat(names.lock, &waiting), 0);
    CU_ASSERT_EQUAL(waiting.st_ino, before.st_ino);
    (void) flock(dead, LOCK_UN); /* the children's copies share it */
    close(dead);
    sw_clock_sleep(2.6); /* the first of them watches for two seconds */
    close(done[1]);
    int winners = 0, losers = 0;
    for (int i = 0; i < TAKERS; i++) {
        int status = 0;
        waitpid(children[i], &status, 0);
        winners += WIFEXITED(status) && WEXITSTATUS(status) == 10;
        losers += WIFEXITED(status) && WEXITSTATUS(status) == 11;
    }
    close(start[0]);
    close(done[0]);
    CU_ASSERT_EQUAL(winners, 1);
    CU_ASSERT_EQUAL(losers, TAKERS - 1);
}

/* ---- exit file ------------------------------------------------------------------------------ */

static void exit_file_holds_the_code(void) {
    struct names names;
    char *text;
    size_t length;
    set_names(&names);
    sw_store_exit_clear(names.store);
    sw_store_exit_write(names.store, 75);
    SW_TEST_OK(sw_file_read(names.exit, 16, &text, &length));
    CU_ASSERT_STRING_EQUAL(text, "75\n");
    SW_FREE(&text);
    sw_store_exit_write(names.store, 0);
    SW_TEST_OK(sw_file_read(names.exit, 16, &text, &length));
    CU_ASSERT_STRING_EQUAL(text, "0\n");
    SW_FREE(&text);
    sw_store_exit_clear(names.store);
    CU_ASSERT_FALSE(sw_file_exists(names.exit));
    sw_store_exit_write(names.store, 2);
}

/* The code goes into the file that was made at the beginning: a full disk has room for no other. */
static void exit_file_needs_no_room_at_the_end(void) {
    struct names names;
    struct stat file;
    set_names(&names);
    sw_store_exit_clear(names.store);
    CU_ASSERT_EQUAL_FATAL(stat(names.reserved, &file), 0);
    ino_t reserved = file.st_ino;
    CU_ASSERT_TRUE(file.st_size >= 4);
    sw_store_exit_write(names.store, 74);
    CU_ASSERT_FALSE(sw_file_exists(names.reserved));
    CU_ASSERT_EQUAL_FATAL(stat(names.exit, &file), 0);
    CU_ASSERT_EQUAL(file.st_ino, reserved);
    CU_ASSERT_EQUAL(file.st_size, 3);
}

int main(void) {
    CU_TestInfo taking[] = {
        {"lock_is_taken_once", lock_is_taken_once},
        {"living_process_is_not_robbed", living_process_is_not_robbed},
        {"killed_process_is_replaced_at_once", killed_process_is_replaced_at_once},
        {"one_of_many_takers_wins", one_of_many_takers_wins},
        CU_TEST_INFO_NULL};
    CU_TestInfo content[] = {
        {"only_this_very_process_counts", only_this_very_process_counts},
        {"clocks_that_differ_mislead_nobody", clocks_that_differ_mislead_nobody},
        {"other_hosts_live_by_their_heartbeat", other_hosts_live_by_their_heartbeat},
        {"any_content_is_survived", any_content_is_survived},
        CU_TEST_INFO_NULL};
    CU_TestInfo holding[] = {
        {"beat_tells_of_progress_once_per_second", beat_tells_of_progress_once_per_second},
        {"lost_lock_is_noticed_and_left_alone", lost_lock_is_noticed_and_left_alone},
        {"forked_copy_releases_nothing", forked_copy_releases_nothing},
        {"exit_file_holds_the_code", exit_file_holds_the_code},
        {"exit_file_needs_no_room_at_the_end", exit_file_needs_no_room_at_the_end},
        CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"taking", NULL, NULL, NULL, NULL, taking},
                             {"content", NULL, NULL, NULL, NULL, content},
                             {"holding", NULL, NULL, NULL, NULL, holding},
                             CU_SUITE_INFO_NULL};
    (void) signal(SIGPIPE, SIG_IGN); /* holders may be dead when they are told to end */
    return sw_test_main("test_store_lock", suites);
}
