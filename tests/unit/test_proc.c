/* The server and its trainers. This program is its own server: see main. */
#include "../support/test_main.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sweepstake/proc.h"
#include "sweepstake/system.h"

#define HIDDEN "serve-test"
#define PATIENCE 10.0

/* ---- the trainer ----------------------------------------------------------------------------- */

enum order { CRASH, EXIT, SPIN, TELL_VARIABLE, TELL_FILE, TELL_PLACE, USE_MEMORY };
struct command {
    int order;
    int code;
    char text[64];
};
struct answer {
    char text[64];
    pid_t group, parent;
    int open_files; /* beside the standard three */
    int reads_nothing;
};

static int count_open_files(void) {
    int n = 0;
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        if (atoi(entry->d_name) > STDERR_FILENO && atoi(entry->d_name) != dirfd(folder)) n++;
    (void) closedir(folder);
    return n;
}

static void use_memory(size_t bytes) {
    volatile char *memory = malloc(bytes);
    for (size_t i = 0; memory != NULL && i < bytes; i += 4096)
        memory[i] = 1;
    free((void *) memory);
}

static void obey(const struct command *command, const int *fds, int n_fds, struct answer *answer) {
    const char *value = getenv(command->text);
    char byte;
    switch (command->order) {
    case CRASH:
        (void) signal(command->code, SIG_DFL); /* sanitizers catch it otherwise */
        (void) raise(command->code);
        break;
    case EXIT:
        _exit(command->code);
    case SPIN:
        for (;;)
            (void) pause();
    case TELL_VARIABLE:
        strcpy(answer->text, value != NULL ? value : "(unset)");
        break;
    case TELL_FILE:
        if (n_fds == 1 && pread(fds[0], answer->text, sizeof answer->text, 0) < 0)
            strcpy(answer->text, "(bad)");
        break;
    case TELL_PLACE:
        answer->group = getpgrp();
        answer->parent = getppid();
        answer->open_files = count_open_files();
        answer->reads_nothing = read(STDIN_FILENO, &byte, 1) == 0;
        break;
    case USE_MEMORY:
        use_memory((size_t) command->code);
        break;
    default:
        _exit(99);
    }
}

static int train(int socket, const int *fds, int n_fds) {
    for (;;) {
        struct command command;
        struct answer answer = {"", 0, 0, 0, 0};
        enum sw_proc_received what;
        int got[SW_PROC_MAX_FDS + 1], n_got;
        if (sw_proc_receive(socket, true, &what, &command, sizeof command, got, &n_got) != SW_OK)
            return 98;
        if (what == SW_PROC_CLOSED) return 0;
        obey(&command, fds, n_fds, &answer);
        if (sw_proc_send(socket, &answer, sizeof answer, NULL, 0) != SW_OK) return 97;
    }
}

/* ---- helpers of the tests -------------------------------------------------------------------- */

static struct sw_server *server;

static int start(void) {
    return sw_proc_start_server(HIDDEN, &server) != SW_OK;
}
static int stop(void) {
    sw_proc_stop_server(&server);
    return server != NULL;
}

static void order(int socket, int what, int code, const char *text) {
    struct command command = {what, code, ""};
    strcpy(command.text, text);
    SW_TEST_OK(sw_proc_send(socket, &command, sizeof command, NULL, 0));
}

static struct answer ask(int socket, int what, int code, const char *text) {
    struct answer answer;
    enum sw_proc_received received = SW_PROC_NOTHING;
    int fds[SW_PROC_MAX_FDS + 1], n_fds;
    memset(&answer, 0, sizeof answer);
    order(socket, what, code, text);
    struct pollfd fd = {.fd = socket, .events = POLLIN};
    CU_ASSERT_EQUAL_FATAL(poll(&fd, 1, (int) (PATIENCE * 1000)), 1);
    SW_TEST_OK(sw_proc_receive(socket, false, &received, &answer, sizeof answer, fds, &n_fds));
    CU_ASSERT_EQUAL_FATAL(received, SW_PROC_MESSAGE);
    return answer;
}

static struct sw_proc_event await_event(pid_t pid) {
    struct sw_proc_event event = {.pid = 0};
    bool got = false;
    double end = sw_clock_monotonic() + PATIENCE;
    while (!got && sw_clock_monotonic() < end) {
        SW_TEST_OK(sw_proc_poll(server, &got, &event));
        if (!got) sw_clock_sleep(0.001);
    }
    CU_ASSERT_TRUE_FATAL(got);
    CU_ASSERT_EQUAL(event.pid, pid);
    return event;
}

/* End a trainer by closing its socket. */
static void dismiss(int socket, pid_t pid) {
    (void) close(socket);
    struct sw_proc_event event = await_event(pid);
    CU_ASSERT_EQUAL(event.exited, 1);
    CU_ASSERT_EQUAL(event.code, 0);
}

/* ---- trainers -------------------------------------------------------------------------------- */

static void a_trainer_reads_the_files_it_was_given(void) {
    int socket, file = memfd_create("test", MFD_CLOEXEC);
    pid_t pid;
    CU_ASSERT_EQUAL_FATAL(write(file, "twelve bytes", 12), 12);
    SW_TEST_OK(sw_proc_spawn(server, &file, 1, &socket, &pid));
    (void) close(file);
    CU_ASSERT_STRING_EQUAL(ask(socket, TELL_FILE, 0, "").text, "twelve bytes");
    CU_ASSERT_STRING_EQUAL(ask(socket, TELL_FILE, 0, "").text, "twelve bytes");
    dismiss(socket, pid);
}

static void a_crash_is_an_event(void) {
    static const struct {
        int number;
        const char *text;
    } cases[] = {{SIGSEGV, "killed by signal 11 (Segmentation fault)"},
                 {SIGKILL, "killed by signal 9 (Killed: out of memory?)"},
                 {SIGABRT, "killed by signal 6 (Aborted)"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int socket;
        pid_t pid;
        char text[64];
        SW_TEST_OK(sw_proc_spawn(server, NULL, 0, &socket, &pid));
        order(socket, CRASH, cases[i].number, "");
        struct sw_proc_event event = await_event(pid);
        CU_ASSERT_EQUAL(event.exited, 0);
        CU_ASSERT_EQUAL(event.code, cases[i].number);
        CU_ASSERT_STRING_EQUAL(sw_proc_describe(&event, text, sizeof text), cases[i].text);
        (void) close(socket);
    }
}

static void an_exit_code_is_an_event(void) {
    int socket;
    pid_t pid;
    char text[64];
    SW_TEST_OK(sw_proc_spawn(server, NULL, 0, &socket, &pid));
    order(socket, EXIT, 3, "");
    struct sw_proc_event event = await_event(pid);
    CU_ASSERT_EQUAL(event.exited, 1);
    CU_ASSERT_STRING_EQUAL(sw_proc_describe(&event, text, sizeof text), "ended with exit code 3");
    (void) close(socket);
}

static void a_hanging_trainer_can_be_killed(void) {
    int socket;
    pid_t pid;
    bool got = true;
    struct sw_proc_event event;
    SW_TEST_OK(sw_proc_spawn(server, NULL, 0, &socket, &pid));
    order(socket, SPIN, 0, "");
    SW_TEST_OK(sw_proc_poll(server, &got, &event));
    CU_ASSERT_FALSE(got);
    SW_TEST_OK(sw_proc_kill(server, pid));
    CU_ASSERT_EQUAL(await_event(pid).code, SIGKILL);
    (void) close(socket);
}

static void only_trainers_can_be_killed(void) {
    pid_t other = fork();
    if (other == 0) {
        (void) pause();
        _exit(0);
    }
    int socket;
    pid_t pid;
    SW_TEST_OK(sw_proc_kill(server, other));
    SW_TEST_OK(sw_proc_kill(server, -1));
    SW_TEST_OK(sw_proc_kill(server, 0));
    /* The answer of a trainer says that the server has read what came before it. */
    SW_TEST_OK(sw_proc_spawn(server, NULL, 0, &socket, &pid));
    CU_ASSERT_EQUAL(waitpid(other, NULL, WNOHANG), 0);
    dismiss(socket, pid);
    (void) kill(other, SIGKILL);
    (void) waitpid(other, NULL, 0);
}

static void signals_for_the_rank_do_not_end_a_training(void) {
    static const int signals[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP};
    int socket;
    pid_t pid;
    SW_TEST_OK(sw_proc_spawn(server, NULL, 0, &socket, &pid));
    pid_t parent = ask(socket, TELL_PLACE, 0, "").parent;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        CU_ASSERT_EQUAL(kill(pid, signals[i]), 0);
        CU_ASSERT_EQUAL(kill(parent, signals[i]), 0);
    }
    CU_ASSERT_EQUAL(ask(socket, TELL_PLACE, 0, "").parent, parent);
    dismiss(socket, pid);
}

static void a_trainer_inherits_nothing_from_its_rank(void) {
    int socket;
    pid_t pid;
    SW_TEST_OK(sw_proc_spawn(server, NULL, 0, &socket, &pid));
    struct answer place = ask(socket, TELL_PLACE, 0, "");
    CU_ASSERT_EQUAL(place.open_files, 1); /* its socket */
    CU_ASSERT_EQUAL(place.reads_nothing, 1);
    CU_ASSERT_NOT_EQUAL(place.group, getpgrp());
    CU_ASSERT_EQUAL(place.group, place.parent); /* the server leads the group */
    dismiss(socket, pid);
}

static void memory_of_a_trainer_is_told(void) {
    int socket;
    pid_t pid;
    SW_TEST_OK(sw_proc_spawn(server, NULL, 0, &socket, &pid));
    (void) ask(socket, USE_MEMORY, 64 << 20, "");
    (void) close(socket);
    CU_ASSERT_TRUE(await_event(pid).peak_rss > (int64_t) 64 << 20);
}

static void too_many_are_refused(void) {
    int sockets[17], fds[SW_PROC_MAX_FDS + 1] = {0}, extra, n = 0;
    pid_t pids[17], pid;
    while (n < 17 && sw_proc_spawn(server, NULL, 0, &sockets[n], &pids[n]) == SW_OK)
        n++;
    CU_ASSERT_EQUAL(n, 16);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "cannot start a trainer"));
    for (int i = 0; i < n; i++)
        dismiss(sockets[i], pids[i]);
    SW_TEST_FAILS(sw_proc_spawn(server, fds, SW_PROC_MAX_FDS + 1, &extra, &pid), SW_INTERNAL);
}

/* ---- environment ----------------------------------------------------------------------------- */

static void a_variable_reaches_the_next_trainer(void) {
    int socket;
    pid_t pid;
    SW_TEST_OK(sw_proc_spawn(server, NULL, 0, &socket, &pid));
    CU_ASSERT_STRING_EQUAL(ask(socket, TELL_VARIABLE, 0, "SW_TEST_CORE").text, "(unset)");
    SW_TEST_FAILS(sw_proc_set_environment(server, "SW_TEST_CORE", "Haswell"), SW_INTERNAL);
    dismiss(socket, pid);
    SW_TEST_OK(sw_proc_set_environment(server, "SW_TEST_CORE", "Haswell"));
    SW_TEST_OK(sw_proc_set_environment(server, "SW_TEST_OTHER", ""));
    SW_TEST_OK(sw_proc_spawn(server, NULL, 0, &socket, &pid));
    CU_ASSERT_STRING_EQUAL(ask(socket, TELL_VARIABLE, 0, "SW_TEST_CORE").text, "Haswell");
    CU_ASSERT_STRING_EQUAL(ask(socket, TELL_VARIABLE, 0, "SW_TEST_OTHER").text, "");
    CU_ASSERT_PTR_NULL(getenv("SW_TEST_CORE")); /* the rank keeps its own */
    dismiss(socket, pid);
}

static void a_malformed_variable_is_refused(void) {
    char longest[300];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    SW_TEST_FAILS(sw_proc_set_environment(server, "A=B", "1"), SW_INTERNAL);
    SW_TEST_FAILS(sw_proc_set_environment(server, "", "1"), SW_INTERNAL);
    SW_TEST_FAILS(sw_proc_set_environment(server, "A", longest), SW_INTERNAL);
    SW_TEST_FAILS(sw_proc_set_environment(server, longest, "1"), SW_INTERNAL);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void a_message_of_the_wrong_length_is_refused(void) {
    int ends[2], file = open("/dev/null", O_RDONLY), fds[SW_PROC_MAX_FDS + 1], n_fds = 7;
    char bytes[16] = "";
    enum sw_proc_received what;
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    int open_before = count_open_files();
    SW_TEST_OK(sw_proc_receive(ends[1], false, &what, bytes, 8, fds, &n_fds));
    CU_ASSERT_EQUAL(what, SW_PROC_NOTHING);
    SW_TEST_OK(sw_proc_send(ends[0], bytes, 16, &file, 1));
    SW_TEST_FAILS(sw_proc_receive(ends[1], false, &what, bytes, 8, fds, &n_fds), SW_INTERNAL);
    SW_TEST_OK(sw_proc_send(ends[0], bytes, 4, &file, 1));
    SW_TEST_FAILS(sw_proc_receive(ends[1], false, &what, bytes, 8, fds, &n_fds), SW_INTERNAL);
    CU_ASSERT_EQUAL(count_open_files(), open_before);
    (void) close(ends[0]);
    SW_TEST_OK(sw_proc_receive(ends[1], true, &what, bytes, 8, fds, &n_fds));
    CU_ASSERT_EQUAL(what, SW_PROC_CLOSED);
    CU_ASSERT_EQUAL(n_fds, 0);
    (void) close(ends[1]);
    (void) close(file);
}

static void a_lost_server_is_an_error(void) {
    struct sw_server *lost;
    int socket;
    pid_t pid;
    SW_TEST_OK(sw_proc_start_server(HIDDEN, &lost));
    SW_TEST_OK(sw_proc_spawn(lost, NULL, 0, &socket, &pid));
    CU_ASSERT_EQUAL(kill(ask(socket, TELL_PLACE, 0, "").parent, SIGKILL), 0);
    enum sw_status status = SW_OK;
    double end = sw_clock_monotonic() + PATIENCE;
    while (status == SW_OK && sw_clock_monotonic() < end) {
        bool got;
        struct sw_proc_event event;
        status = sw_proc_poll(lost, &got, &event);
        sw_clock_sleep(0.001);
    }
    CU_ASSERT_EQUAL(status, SW_INTERNAL);
    int other;
    SW_TEST_FAILS(sw_proc_spawn(lost, NULL, 0, &other, &pid), SW_INTERNAL);
    (void) close(socket);
    sw_proc_stop_server(&lost);
    sw_proc_stop_server(&lost);
}

/* A rank of its own: starts a server and a trainer, tells their numbers, waits to be killed. */
static void be_rank(int pipe) {
    struct sw_server *own;
    int socket;
    pid_t pids[2];
    if (sw_proc_start_server(HIDDEN, &own) != SW_OK) _exit(1);
    if (sw_proc_spawn(own, NULL, 0, &socket, &pids[1]) != SW_OK) _exit(1);
    pids[0] = ask(socket, TELL_PLACE, 0, "").parent;
    order(socket, SPIN, 0, "");
    if (write(pipe, pids, sizeof pids) != sizeof pids) _exit(1);
    for (;;)
        (void) pause();
}

/* True when the process ends, as our child, within the patience of the tests. */
static bool ends_soon(pid_t pid) {
    double end = sw_clock_monotonic() + PATIENCE;
    pid_t ended = 0;
    while (ended == 0 && sw_clock_monotonic() < end) {
        ended = waitpid(pid, NULL, WNOHANG);
        if (ended < 0 && errno == ECHILD && kill(pid, 0) == 0)
            ended = 0; /* still its first parent's */
        if (ended < 0 && errno == ESRCH) return true;
        if (ended == 0) sw_clock_sleep(0.002);
    }
    return ended != 0;
}

static void server_and_trainer_die_with_their_rank(void) {
    int ends[2];
    pid_t pids[2] = {0, 0};
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    (void) prctl(PR_SET_CHILD_SUBREAPER,
                 1); /* orphans become our children, whose end can be seen */
    pid_t rank = fork();
    if (rank == 0) be_rank(ends[1]);
    CU_ASSERT_EQUAL_FATAL(read(ends[0], pids, sizeof pids), (ssize_t) sizeof pids);
    CU_ASSERT_EQUAL(kill(pids[0], 0), 0);
    CU_ASSERT_EQUAL(kill(pids[1], 0), 0);
    (void) kill(rank, SIGKILL);
    (void) waitpid(rank, NULL, 0);
    CU_ASSERT_TRUE(ends_soon(pids[0]));
    CU_ASSERT_TRUE(ends_soon(pids[1]));
    (void) prctl(PR_SET_CHILD_SUBREAPER, 0);
    (void) close(ends[0]);
    (void) close(ends[1]);
}

static void stopping_ends_a_training(void) {
    struct sw_server *own;
    int socket;
    pid_t pid;
    SW_TEST_OK(sw_proc_start_server(HIDDEN, &own));
    SW_TEST_OK(sw_proc_spawn(own, NULL, 0, &socket, &pid));
    order(socket, SPIN, 0, "");
    sw_proc_stop_server(&own);
    CU_ASSERT_PTR_NULL(own);
    CU_ASSERT_TRUE(kill(pid, 0) < 0 && errno == ESRCH);
    (void) close(socket);
}

static void a_server_that_cannot_serve_is_an_error(void) {
    struct sw_server *own = NULL;
    SW_TEST_FAILS(sw_proc_start_server("no-such-command", &own), SW_INTERNAL);
    CU_ASSERT_PTR_NULL(own);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], HIDDEN) == 0) return sw_proc_serve(atoi(argv[2]), train);
    if (argc > 1) return 1;
    static CU_TestInfo trainers[] = {
        {"a_trainer_reads_the_files_it_was_given", a_trainer_reads_the_files_it_was_given},
        {"a_crash_is_an_event", a_crash_is_an_event},
        {"an_exit_code_is_an_event", an_exit_code_is_an_event},
        {"a_hanging_trainer_can_be_killed", a_hanging_trainer_can_be_killed},
        {"only_trainers_can_be_killed", only_trainers_can_be_killed},
        {"signals_for_the_rank_do_not_end_a_training", signals_for_the_rank_do_not_end_a_training},
        {"a_trainer_inherits_nothing_from_its_rank", a_trainer_inherits_nothing_from_its_rank},
        {"memory_of_a_trainer_is_told", memory_of_a_trainer_is_told},
        {"too_many_are_refused", too_many_are_refused},
        CU_TEST_INFO_NULL};
    static CU_TestInfo environment[] = {
        {"a_variable_reaches_the_next_trainer", a_variable_reaches_the_next_trainer},
        {"a_malformed_variable_is_refused", a_malformed_variable_is_refused},
        CU_TEST_INFO_NULL};
    static CU_TestInfo ends[] = {
        {"a_message_of_the_wrong_length_is_refused", a_message_of_the_wrong_length_is_refused},
        {"a_lost_server_is_an_error", a_lost_server_is_an_error},
        {"server_and_trainer_die_with_their_rank", server_and_trainer_die_with_their_rank},
        {"stopping_ends_a_training", stopping_ends_a_training},
        {"a_server_that_cannot_serve_is_an_error", a_server_that_cannot_serve_is_an_error},
        CU_TEST_INFO_NULL};
    static CU_SuiteInfo suites[] = {{"trainers", start, stop, NULL, NULL, trainers},
                                    {"environment", start, stop, NULL, NULL, environment},
                                    {"ends", NULL, NULL, NULL, NULL, ends},
                                    CU_SUITE_INFO_NULL};
    /* What a careless library might leave open across exec. */
    int careless = open("/dev/null", O_RDONLY);
    int code = sw_test_main("test_proc", suites);
    (void) close(careless);
    return code;
}
