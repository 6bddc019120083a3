#include "node_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sweepstake/comm.h"
#include "sweepstake/memory.h"
#include "sweepstake/sched.h"
#include "sweepstake/text.h"

#define PATH_BYTES 4096
#define NO_LIMIT ((int64_t) 1 << 60) /* kernels write "no limit" as some huge number */

/* ---- files of the system --------------------------------------------------------------------- */

/* The number behind `key` (at the beginning of a line) of a file; -1 when there is none. An empty key takes
 * the first line. */
static int64_t read_number(const char *path, const char *key) {
    char line[256];
    int64_t number = -1;
    size_t length = strlen(key);
    FILE *file = fopen(path, "re");
    while (file != NULL && number < 0 && fgets(line, sizeof line, file) != NULL) {
        char *end = NULL;
        if (strncmp(line, key, length) != 0) continue;
        long long value = strtoll(line + length, &end, 10);
        if (end != line + length && value >= 0) number = value;
        if (length == 0) break;
    }
    if (file != NULL) (void) fclose(file);
    return number;
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* The two versions of control groups. */
struct dialect {
    const char *mount, *limit, *usage;
    const char *caches[2]; /* pages that the kernel gives back when it needs them */
};
static const struct dialect dialects[] = {
    {"/sys/fs/cgroup/memory",
     "memory.limit_in_bytes",
     "memory.usage_in_bytes",
     {"total_inactive_file ", "total_active_file "}},
    {"/sys/fs/cgroup", "memory.max", "memory.current", {"inactive_file ", "active_file "}}};

/* What one group leaves; INT64_MAX without a limit. */
static int64_t read_group(const struct dialect *dialect, const char *folder) {
    char path[PATH_BYTES + 64];
    (void) snprintf(path, sizeof path, "%s/%s", folder, dialect->limit);
    int64_t limit = read_number(path, "");
    if (limit < 0 || limit >= NO_LIMIT) return INT64_MAX;
    (void) snprintf(path, sizeof path, "%s/%s", folder, dialect->usage);
    int64_t used = read_number(path, "");
    (void) snprintf(path, sizeof path, "%s/memory.stat", folder);
    for (int i = 0; i < 2; i++) {
        int64_t cache = read_number(path, dialect->caches[i]);
        if (cache > 0) used -= cache;
    }
    return limit - (used > 0 ? smaller(used, limit) : 0);
}

/* The limits of a group and of those around it. Within a container its path may not be visible: then the
 * mount itself is the group. */
static int64_t read_groups(const char *root, const struct dialect *dialect, const char *group) {
    char folder[PATH_BYTES];
    int64_t least = INT64_MAX;
    int length = snprintf(folder, sizeof folder, "%s%s%s", root, dialect->mount, group);
    size_t shortest = strlen(root) + strlen(dialect->mount);
    if (length < 0 || (size_t) length >= sizeof folder) return least;
    for (;;) {
        least = smaller(least, read_group(dialect, folder));
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= shortest || slash == NULL) return least;
        *slash = '\0';
    }
}

/* Lines "4:memory:/path" (version 1) and "0::/path" (version 2). */
static int64_t read_all_groups(const char *root) {
    char path[PATH_BYTES], line[PATH_BYTES];
    int64_t least = INT64_MAX;
    (void) snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (group == NULL) continue;
        *group++ = '\0';
        if (controllers[1] == '\0') least = smaller(least, read_groups(root, &dialects[1], group));
        if (strcmp(controllers + 1, "memory") == 0)
            least = smaller(least, read_groups(root, &dialects[0], group));
    }
    if (file != NULL) (void) fclose(file);
    return least;
}

void sw_node_memory_read(const char *root, struct sw_node_memory *out) {
    char path[PATH_BYTES];
    struct rlimit limit;
    (void) snprintf(path, sizeof path, "%s/proc/meminfo", root);
    int64_t free_kib = read_number(path, "MemAvailable:");
    int64_t machine = free_kib < 0 ? INT64_MAX : free_kib * 1024;
    int64_t groups = read_all_groups(root);
    *out = (struct sw_node_memory){
        .bytes = smaller(machine, groups), .limited = groups < machine, .address = INT64_MAX};
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur < (rlim_t) NO_LIMIT)
        out->address = (int64_t) limit.rlim_cur;
}

/* ---- judging --------------------------------------------------------------------------------- */

/* Bytes of all data sets together, of the largest of them, and of the largest training. */
struct need {
    int64_t data, largest_data, training;
};

static struct need find_need(const struct sw_sweep *sweep) {
    struct need need = {0};
    for (int64_t i = 0; i < sweep->n_datas; i++) {
        need.data += sweep->datas[i].block_bytes;
        if (sweep->datas[i].block_bytes > need.largest_data)
            need.largest_data = sweep->datas[i].block_bytes;
    }
    for (int64_t row = 0; row < sweep->n_rounds; row++)
        if (sweep->rounds[row].rank_bytes > need.training)
            need.training = sweep->rounds[row].rank_bytes;
    return need;
}

enum sw_status sw_node_memory_check(const struct sw_sweep *sweep, int workers,
                                    const struct sw_node_memory *memory, const char *host) {
    struct need need = find_need(sweep);
    char texts[4][24];
    const char *data = sw_text_bytes(texts[0], sizeof *texts, (double) need.data);
    const char *training = sw_text_bytes(texts[1], sizeof *texts, (double) need.training);
    double total = (double) need.data + workers * (double) need.training;
    char who[48] = "its worker";
    if (workers == 0) return SW_OK;
    if (workers > 1) (void) snprintf(who, sizeof who, "each of its %d workers", workers);
    if (total > (double) memory->bytes)
        return SW_FAIL(SW_UNSUPPORTED,
                       "%s has %s of free memory%s, but %s are planned: its data sets need %s and "
                       "%s up to %s: %s",
                       host, sw_text_bytes(texts[2], sizeof *texts, (double) memory->bytes),
                       memory->limited ? " (what the memory limit of its job or container leaves)"
                                       : "",
                       sw_text_bytes(texts[3], sizeof *texts, total), data, who, training,
                       workers == 1 ? "choose a smaller network, batch or data set"
                                    : "start fewer workers there");
    if ((double) need.largest_data + (double) need.training > (double) memory->address)
        return SW_FAIL(SW_UNSUPPORTED,
                       "%s: a process may have %s of memory (ulimit -v), but a training needs up "
                       "to %s and its data set %s: raise the limit",
                       host, sw_text_bytes(texts[2], sizeof *texts, (double) memory->address),
                       training,
                       sw_text_bytes(texts[3], sizeof *texts, (double) need.largest_data));
    return SW_OK;
}

/* ---- together -------------------------------------------------------------------------------- */

/* What the ranks of a node have to tell each other. */
struct view {
    struct sw_node_memory memory;
    int64_t works;
    int64_t held; /* bytes of data sets in its memory */
};

/* The tightest limits of the node's ranks, which may be in control groups of their own. */
static enum sw_status check_views(const struct sw_sweep *sweep, const struct view *views, int n) {
    struct sw_node_memory least = {.bytes = INT64_MAX, .address = INT64_MAX};
    char host[64] = "this node";
    int workers = 0;
    int64_t held = 0;
    (void) gethostname(host, sizeof host - 1);
    for (int i = 0; i < n; i++) {
        held += views[i].held;
        if (!views[i].works) continue;
        workers++;
        if (views[i].memory.bytes < least.bytes) {
            least.bytes = views[i].memory.bytes;
            least.limited = views[i].memory.limited;
        }
        least.address = smaller(least.address, views[i].memory.address);
    }
    least.bytes = smaller(least.bytes, INT64_MAX - held) + held;
    return sw_node_memory_check(sweep, workers, &least, host);
}

/* Bytes of the data sets that this rank has decoded already: they are planned for, but no longer free. */
static int64_t count_held(const struct sw_sweep *sweep, const struct sw_data_blocks *blocks) {
    int64_t bytes = 0;
    for (int64_t i = 0; blocks != NULL && i < blocks->n; i++)
        if (blocks->fds[i] >= 0) bytes += sweep->datas[i].block_bytes;
    return bytes;
}

enum sw_status sw_sched_check_memory(const struct sw_sweep *sweep,
                                     const struct sw_data_blocks *blocks) {
    int node_rank, node_size;
    struct view *views = NULL;
    struct view mine = {.works = sw_comm_rank() != 0 || sw_comm_size() == 1};
    sw_comm_node(&node_rank, &node_size);
    sw_node_memory_read("", &mine.memory);
    mine.held = count_held(sweep, blocks);
    enum sw_status status = SW_ALLOC(&views, (size_t) node_size, "ranks of the node");
    status = sw_comm_agree(status);
    if (status == SW_OK) status = sw_comm_node_gather(&mine, (int64_t) sizeof mine, views);
    if (status == SW_OK) status = sw_comm_agree(check_views(sweep, views, node_size));
    SW_FREE(&views);
    return status;
}
