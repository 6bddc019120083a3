/* Who gets which processor, on machines that hwloc makes up; and whether a node has enough memory. */
#include "../support/test_main.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../src/sched/node_memory.h"
#include "../../src/sched/placement.h"

/* ---- processors ------------------------------------------------------------------------------- */

#define MAX_RANKS 64
static struct sw_placement_rank ranks[MAX_RANKS];
static cpu_set_t sets[MAX_RANKS];
static char note[400];

/* "0-3,8" */
static cpu_set_t set_of(const char *list) {
    cpu_set_t set;
    CPU_ZERO(&set);
    while (*list != '\0') {
        char *end;
        long first = strtol(list, &end, 10), last = first;
        if (*end == '-') last = strtol(end + 1, &end, 10);
        for (long i = first; i <= last; i++)
            CPU_SET((size_t) i, &set);
        list = *end == ',' ? end + 1 : end;
    }
    return set;
}

/* A coordinator (when first_works is 0) and workers, each allowed what its word says; the last word goes on. */
static void place_on(const char *machine, int n, int first_works, int threads,
                     const char *const *allowed, int n_allowed) {
    hwloc_topology_t topology;
    CU_ASSERT_EQUAL_FATAL(hwloc_topology_init(&topology), 0);
    CU_ASSERT_EQUAL_FATAL(hwloc_topology_set_synthetic(topology, machine), 0);
    CU_ASSERT_EQUAL_FATAL(hwloc_topology_load(topology), 0);
    for (int i = 0; i < n; i++)
        ranks[i] = (struct sw_placement_rank){
            .rank = i,
            .works = i > 0 || first_works,
            .allowed = set_of(allowed[i < n_allowed ? i : n_allowed - 1])};
    sw_placement_assign(topology, ranks, n, threads, sets, note, sizeof note);
    hwloc_topology_destroy(topology);
}

static void check_set(int rank, const char *list) {
    cpu_set_t expected = set_of(list);
    CU_ASSERT_TRUE(CPU_EQUAL(&sets[rank], &expected));
}

/* Everybody has `threads` processors, allowed ones, and no two the same. */
static void check_disjoint(int n, int threads) {
    cpu_set_t taken, both;
    CPU_ZERO(&taken);
    for (int i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(CPU_COUNT(&sets[i]), ranks[i].works ? threads : 0);
        CPU_AND(&both, &sets[i], &taken);
        CU_ASSERT_EQUAL(CPU_COUNT(&both), 0);
        CPU_OR(&taken, &taken, &sets[i]);
        CPU_AND(&both, &sets[i], &ranks[i].allowed);
        CU_ASSERT_TRUE(CPU_EQUAL(&both, &sets[i]));
    }
}

static void expect_note(const char *part) {
    if (strstr(note, part) == NULL) fprintf(stderr, "  no '%s' in '%s'\n", part, note);
    CU_ASSERT_PTR_NOT_NULL(strstr(note, part));
}

#define TWO_NODES "numa:2 core:4 pu:2" /* processors 0-7 (cores of two: 0,1 2,3 ...), 8-15 */

static void one_unit_of_each_core_comes_first(void) {
    place_on(TWO_NODES, 5, 0, 2, (const char *const[]){"0-15"}, 1);
    check_disjoint(5, 2);
    for (int i = 0; i < 16; i++) /* never two of one core */
        for (int rank = 1; rank < 5; rank++)
            if (i % 2 == 0)
                CU_ASSERT_FALSE(CPU_ISSET(i, &sets[rank]) && CPU_ISSET(i + 1, &sets[rank]));
    CU_ASSERT_STRING_EQUAL(note, "");
}

static void a_worker_stays_in_one_memory(void) {
    place_on(TWO_NODES, 3, 0, 3, (const char *const[]){"0-15"}, 1);
    check_set(1, "0,2,4");
    check_set(2, "8,10,12"); /* not 6,8,10 */
    check_set(0, "");
    CU_ASSERT_STRING_EQUAL(note, "");
    place_on(TWO_NODES, 2, 0, 6, (const char *const[]){"0-15"}, 1);
    check_disjoint(2, 6); /* more than a memory has: whole cores of both */
    CU_ASSERT_STRING_EQUAL(note, "");
}

static void a_rank_that_is_alone_works(void) {
    place_on("core:4 pu:1", 1, 1, 2, (const char *const[]){"0-3"}, 1);
    check_set(0, "0-1");
}

static void what_the_launcher_gave_is_kept(void) {
    place_on("core:8 pu:1", 4, 0, 1, (const char *const[]){"0", "5", "6", "7"}, 4);
    check_set(1, "5");
    check_set(2, "6");
    check_set(3, "7");
    place_on("core:8 pu:1", 3, 0, 2, (const char *const[]){"0-7", "2-3,6-7"}, 2);
    check_disjoint(3, 2);
    CU_ASSERT_STRING_EQUAL(note, "");
}

/* The worker with less choice is served first, whatever its number. */
static void nested_sets_find_room(void) {
    place_on("core:4 pu:1", 4, 0, 1, (const char *const[]){"0", "0-2", "0-1", "0"}, 4);
    check_set(3, "0");
    check_set(2, "1");
    check_set(1, "2");
    CU_ASSERT_STRING_EQUAL(note, "");
}

static void second_hyper_threads_are_used_when_cores_run_out(void) {
    place_on("core:2 pu:2", 5, 0, 1, (const char *const[]){"0-3"}, 1);
    check_disjoint(5, 1);
    check_set(1, "0");
    check_set(2, "2");
    expect_note("hyper-threads");
}

static void too_few_cores_bind_nobody(void) {
    place_on("core:2 pu:1", 4, 0, 1, (const char *const[]){"0-1"}, 1);
    for (int i = 0; i < 4; i++)
        check_set(i, "");
    expect_note("3 workers with 1 thread each have only 2 cores");
    CU_ASSERT_PTR_NULL(strstr(note, "launcher"));
    place_on("core:8 pu:1", 2, 0, 4, (const char *const[]){"0", "1"}, 2);
    check_set(1, "");
    expect_note("1 worker with 4 threads has only 1 core:");
    expect_note("the launcher allows no more");
}

static void two_on_one_core_are_named(void) {
    place_on("core:8 pu:1", 5, 0, 1, (const char *const[]){"0", "1", "2", "3", "2"}, 5);
    expect_note("ranks 2 and 4 the same single core, 2");
    for (int i = 0; i < 5; i++)
        check_set(i, "");
}

static void odd_sets_do_no_harm(void) {
    place_on("core:2 pu:1", 3, 0, 1, (const char *const[]){"0", "", "0-1"}, 3);
    for (int i = 0; i < 3; i++)
        check_set(i, "");
    expect_note("2 workers");
    place_on("core:2 pu:1", 3, 0, 1, (const char *const[]){"0", "500-900"}, 2);
    expect_note("2 workers");
    place_on("numa:4 core:16 pu:1", MAX_RANKS, 0, 1, (const char *const[]){"0-63"}, 1);
    check_disjoint(MAX_RANKS, 1);
}

/* ---- memory ----------------------------------------------------------------------------------- */

static void put(const char *root, const char *path, const char *text) {
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void) mkdir(full, 0755);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    fclose(file);
}

static struct sw_node_memory read_root(const char *root) {
    struct sw_node_memory memory;
    sw_node_memory_read(root, &memory);
    return memory;
}

static void the_machine_says_what_is_available(void) {
    const char *root = sw_test_folder();
    CU_ASSERT_EQUAL(read_root(root).bytes, INT64_MAX); /* nothing known */
    put(root, "/proc/meminfo", "MemTotal:       100 kB\nMemFree:  1 kB\nMemAvailable:    64 kB\n");
    CU_ASSERT_EQUAL(read_root(root).bytes, 64 * 1024);
    CU_ASSERT_EQUAL(read_root(root).limited, 0);
    put(root, "/proc/meminfo", "MemAvailable: none\n");
    CU_ASSERT_EQUAL(read_root(root).bytes, INT64_MAX);
    CU_ASSERT_TRUE(read_root("").bytes > 0);
}

static void version_2_groups_limit_it(void) {
    const char *root = sw_test_folder();
    put(root, "/proc/meminfo", "MemAvailable: 1000 kB\n");
    put(root, "/proc/self/cgroup", "0::/job/step\n");
    put(root, "/sys/fs/cgroup/job/step/memory.max", "max\n");
    CU_ASSERT_EQUAL(read_root(root).bytes, 1000 * 1024);
    /* The limit of the group around it counts; caches are given back. */
    put(root, "/sys/fs/cgroup/job/memory.max", "500000\n");
    put(root, "/sys/fs/cgroup/job/memory.current", "300000\n");
    CU_ASSERT_EQUAL(read_root(root).bytes, 200000);
    CU_ASSERT_EQUAL(read_root(root).limited, 1);
    put(root, "/sys/fs/cgroup/job/memory.stat",
        "anon 5\ninactive_file 100000\nactive_file 50000\n");
    CU_ASSERT_EQUAL(read_root(root).bytes, 350000);
    put(root, "/sys/fs/cgroup/memory.max", "900000\n");
    put(root, "/sys/fs/cgroup/memory.current", "950000\n"); /* above its limit */
    CU_ASSERT_EQUAL(read_root(root).bytes, 0);
}

static void version_1_groups_limit_it(void) {
    const char *root = sw_test_folder();
    put(root, "/proc/meminfo", "MemAvailable: 1000 kB\n");
    put(root, "/proc/self/cgroup", "9:name=systemd:/\n4:memory:/docker/abc\n0::/\n");
    put(root, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    CU_ASSERT_EQUAL(read_root(root).bytes, 1000 * 1024);
    /* In a container the group's own path is not there: the mount is the group. */
    put(root, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "700000\n");
    put(root, "/sys/fs/cgroup/memory/memory.usage_in_bytes", "200000\n");
    put(root, "/sys/fs/cgroup/memory/memory.stat", "total_inactive_file 40000\n");
    CU_ASSERT_EQUAL(read_root(root).bytes, 540000);
}

static void an_address_limit_is_seen(void) {
    struct rlimit old, limit;
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_AS, &old), 0);
    limit = old;
    limit.rlim_cur = (rlim_t) 1 << 46; /* room enough also for sanitizers */
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_AS, &limit), 0);
    CU_ASSERT_EQUAL(read_root("").address, (int64_t) 1 << 46);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_AS, &old), 0);
}

static void figures_are_in_the_refusal(void) {
    struct sw_data_info datas[2] = {{.block_bytes = 3 << 20}, {.block_bytes = 1 << 20}};
    struct sw_round_plan rounds[2] = {{.rank_bytes = 1 << 20}, {.rank_bytes = 10 << 20}};
    struct sw_sweep sweep = {.n_datas = 2, .datas = datas, .n_rounds = 2, .rounds = rounds};
    struct sw_node_memory memory = {.bytes = 24 << 20, .limited = 1, .address = INT64_MAX};
    SW_TEST_OK(sw_node_memory_check(&sweep, 2, &memory, "node7"));
    SW_TEST_OK(sw_node_memory_check(&sweep, 0, &(struct sw_node_memory){0}, "node7"));
    memory.bytes--;
    SW_TEST_FAILS(sw_node_memory_check(&sweep, 2, &memory, "node7"), SW_UNSUPPORTED);
    const char *parts[] = {"node7 has 24.00 MiB of free memory",
                           "memory limit",
                           "24.00 MiB are planned",
                           "4.00 MiB",
                           "2 workers",
                           "10.00 MiB"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strstr(sw_status_text(), parts[i]) == NULL)
            fprintf(stderr, "  no '%s' in '%s'\n", parts[i], sw_status_text());
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), parts[i]));
    }
    memory = (struct sw_node_memory){.bytes = INT64_MAX, .address = 12 << 20};
    SW_TEST_FAILS(sw_node_memory_check(&sweep, 2, &memory, "node7"), SW_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "ulimit -v"));
}

int main(void) {
    static CU_TestInfo processors[] = {
        {"one_unit_of_each_core_comes_first", one_unit_of_each_core_comes_first},
        {"a_worker_stays_in_one_memory", a_worker_stays_in_one_memory},
        {"a_rank_that_is_alone_works", a_rank_that_is_alone_works},
        {"what_the_launcher_gave_is_kept", what_the_launcher_gave_is_kept},
        {"nested_sets_find_room", nested_sets_find_room},
        {"second_hyper_threads_are_used_when_cores_run_out",
         second_hyper_threads_are_used_when_cores_run_out},
        {"too_few_cores_bind_nobody", too_few_cores_bind_nobody},
        {"two_on_one_core_are_named", two_on_one_core_are_named},
        {"odd_sets_do_no_harm", odd_sets_do_no_harm},
        CU_TEST_INFO_NULL};
    static CU_TestInfo memory[] = {
        {"the_machine_says_what_is_available", the_machine_says_what_is_available},
        {"version_2_groups_limit_it", version_2_groups_limit_it},
        {"version_1_groups_limit_it", version_1_groups_limit_it},
        {"an_address_limit_is_seen", an_address_limit_is_seen},
        {"figures_are_in_the_refusal", figures_are_in_the_refusal},
        CU_TEST_INFO_NULL};
    static CU_SuiteInfo suites[] = {{"processors", NULL, NULL, NULL, NULL, processors},
                                    {"memory", NULL, NULL, NULL, NULL, memory},
                                    CU_SUITE_INFO_NULL};
    return sw_test_main("test_placement", suites);
}
