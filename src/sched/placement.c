#include "placement.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sweepstake/comm.h"
#include "sweepstake/memory.h"
#include "sweepstake/text.h"

#define NOTE_BYTES 400

/* A processor of the node, in the order of the hardware. */
struct unit {
    unsigned number; /* as the system counts */
    int core, memory;
    bool taken;
};

struct node {
    struct unit *units;
    int n_units, n_cores, n_memories;
    int *free; /* [n_memories] free cores that a worker may use; scratch */
};

/* ---- the node -------------------------------------------------------------------------------- */

static int index_of_core(hwloc_topology_t topology, hwloc_obj_t unit) {
    hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, unit);
    return (int) (core != NULL ? core->logical_index : unit->logical_index);
}

/* The nearest memory; where it is not known there is one. */
static int index_of_memory(hwloc_topology_t topology, hwloc_obj_t unit) {
    int n = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
    for (int i = 0; i < n; i++) {
        hwloc_obj_t memory = hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, (unsigned) i);
        if (hwloc_bitmap_isset(memory->cpuset, unit->os_index)) return i;
    }
    return 0;
}

static enum sw_status list_units(hwloc_topology_t topology, struct node *node) {
    int n = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
    node->n_memories = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
    if (node->n_memories < 1) node->n_memories = 1;
    SW_TRY(SW_ALLOC(&node->units, (size_t) n, "processors"));
    SW_TRY(SW_ALLOC(&node->free, (size_t) node->n_memories, "processors"));
    for (int i = 0; i < n; i++) {
        hwloc_obj_t unit = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PU, (unsigned) i);
        if (unit->os_index >= CPU_SETSIZE) continue;
        struct unit *one = &node->units[node->n_units++];
        *one = (struct unit){.number = unit->os_index,
                             .core = index_of_core(topology, unit),
                             .memory = index_of_memory(topology, unit)};
        if (one->core >= node->n_cores) node->n_cores = one->core + 1;
    }
    return SW_OK;
}

/* ---- choosing -------------------------------------------------------------------------------- */

/* True when nobody is on the unit's core yet, and no earlier unit of that core would do. */
static bool is_whole_core(const struct node *node, int at, const cpu_set_t *allowed) {
    for (int i = 0; i < node->n_units; i++) {
        const struct unit *unit = &node->units[i];
        if (unit->core != node->units[at].core) continue;
        if (unit->taken || (i < at && CPU_ISSET(unit->number, allowed))) return false;
    }
    return CPU_ISSET(node->units[at].number, allowed);
}

/* The memory with the most free cores: neighbours then have different ones where there are several. */
static int find_memory(struct node *node, const cpu_set_t *allowed) {
    int best = 0;
    for (int i = 0; i < node->n_memories; i++)
        node->free[i] = 0;
    for (int i = 0; i < node->n_units; i++)
        if (is_whole_core(node, i, allowed)) node->free[node->units[i].memory]++;
    for (int i = 1; i < node->n_memories; i++)
        if (node->free[i] > node->free[best]) best = i;
    return best;
}

/* Take up to `wanted` units; memory -1 means any. Returns how many. */
static int take_units(struct node *node, const cpu_set_t *allowed, int memory, bool whole,
                      int wanted, cpu_set_t *out) {
    int got = 0;
    for (int i = 0; i < node->n_units && got < wanted; i++) {
        struct unit *unit = &node->units[i];
        bool good = whole ? is_whole_core(node, i, allowed)
                          : !unit->taken && CPU_ISSET(unit->number, allowed);
        if (!good || (memory >= 0 && unit->memory != memory)) continue;
        unit->taken = true;
        CPU_SET(unit->number, out);
        got++;
    }
    return got;
}

/* True when the worker got all; *shares when some are second hyper-threads of a core. */
static bool serve(struct node *node, const cpu_set_t *allowed, int threads, cpu_set_t *out,
                  bool *shares) {
    int got = take_units(node, allowed, find_memory(node, allowed), true, threads, out);
    if (got < threads) got += take_units(node, allowed, -1, true, threads - got, out);
    if (got < threads) *shares = true;
    if (got < threads) got += take_units(node, allowed, -1, false, threads - got, out);
    return got == threads;
}

/* The worker with the fewest processors that has none yet: it has the least choice. */
static int find_next(const struct sw_placement_rank *ranks, int n, const cpu_set_t *out) {
    int best = -1;
    for (int i = 0; i < n; i++) {
        if (!ranks[i].works || CPU_COUNT(&out[i]) > 0) continue;
        if (best < 0 || CPU_COUNT(&ranks[i].allowed) < CPU_COUNT(&ranks[best].allowed)) best = i;
    }
    return best;
}

static bool serve_all(struct node *node, const struct sw_placement_rank *ranks, int n, int threads,
                      cpu_set_t *out, bool *shares) {
    for (int next; (next = find_next(ranks, n, out)) >= 0;)
        if (!serve(node, &ranks[next].allowed, threads, &out[next], shares)) return false;
    return true;
}

/* ---- what a person should know --------------------------------------------------------------- */

static int count_cores(const struct node *node, const cpu_set_t *allowed) {
    int cores = 0;
    for (int core = 0; core < node->n_cores; core++) {
        bool has = false;
        for (int i = 0; i < node->n_units; i++)
            has |= node->units[i].core == core && CPU_ISSET(node->units[i].number, allowed);
        cores += has;
    }
    return cores;
}

/* Two workers that may use one and the same processor only. */
static bool find_crowded(const struct sw_placement_rank *ranks, int n, int *a, int *b) {
    for (*a = 0; *a < n; (*a)++)
        for (*b = *a + 1; *b < n; (*b)++)
            if (ranks[*a].works && ranks[*b].works && CPU_COUNT(&ranks[*a].allowed) == 1 &&
                CPU_EQUAL(&ranks[*a].allowed, &ranks[*b].allowed))
                return true;
    return false;
}

static void note_crowd(const struct node *node, const struct sw_placement_rank *ranks, int n,
                       int threads, char *note, size_t size) {
    char host[64] = "this node";
    int workers = 0, a, b;
    cpu_set_t together;
    CPU_ZERO(&together);
    (void) gethostname(host, sizeof host - 1);
    for (int i = 0; i < n; i++) {
        workers += ranks[i].works != 0;
        if (ranks[i].works) CPU_OR(&together, &together, &ranks[i].allowed);
    }
    if (find_crowded(ranks, n, &a, &b)) {
        unsigned only = 0;
        while (!CPU_ISSET(only, &ranks[a].allowed))
            only++;
        (void) snprintf(note, size,
                        "warning: %s: the launcher gave ranks %d and %d the same single core, %u: "
                        "they share it (mpirun --bind-to none leaves placing to this program)",
                        host, (int) ranks[a].rank, (int) ranks[b].rank, only);
        return;
    }
    int cores = count_cores(node, &together);
    (void) snprintf(
        note, size,
        "warning: %s: %d worker%s with %d thread%s%s ha%s only %d core%s: trainings are "
        "not bound to cores and slow each other down%s",
        host, workers, workers == 1 ? "" : "s", threads, threads == 1 ? "" : "s",
        workers == 1 ? "" : " each", workers == 1 ? "s" : "ve", cores, cores == 1 ? "" : "s",
        CPU_COUNT(&together) < node->n_units
            ? "; the launcher allows no more (mpirun --bind-to none, srun --cpus-per-task)"
            : "");
}

void sw_placement_assign(hwloc_topology_t topology, const struct sw_placement_rank *ranks, int n,
                         int threads, cpu_set_t *out, char *note, size_t size) {
    struct node node = {.n_units = 0};
    bool shares = false;
    *note = '\0';
    for (int i = 0; i < n; i++)
        CPU_ZERO(&out[i]);
    bool good = list_units(topology, &node) == SW_OK &&
                serve_all(&node, ranks, n, threads, out, &shares);
    if (!good) {
        for (int i = 0; i < n; i++)
            CPU_ZERO(&out[i]);
        note_crowd(&node, ranks, n, threads, note, size);
    } else if (shares) {
        char host[64] = "this node";
        (void) gethostname(host, sizeof host - 1);
        (void) snprintf(note, size, "%s: some trainings share a core as hyper-threads", host);
    }
    SW_FREE(&node.units);
    SW_FREE(&node.free);
}

void sw_placement_note_alone(int threads, char *note, size_t size) {
    cpu_set_t allowed;
    *note = '\0';
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) >= threads)
        return;
    (void) snprintf(note, size,
                    "warning: %d threads have only %d processor%s: they slow each other down",
                    threads, CPU_COUNT(&allowed), CPU_COUNT(&allowed) == 1 ? "" : "s");
}

/* ---- together -------------------------------------------------------------------------------- */

/* Only what is needed, and without binding this process to one processor after the other to ask it. */
static bool load_topology(hwloc_topology_t *out) {
    if (hwloc_topology_init(out) != 0) return false;
    if (hwloc_topology_set_flags(*out, HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING) == 0 &&
        hwloc_topology_load(*out) == 0)
        return true;
    hwloc_topology_destroy(*out);
    return false;
}

struct verdict {
    char note[NOTE_BYTES];
};

static void decide(const struct sw_placement_rank *ranks, int n, int threads, cpu_set_t *out,
                   struct verdict *verdict) {
    hwloc_topology_t topology;
    if (!load_topology(&topology)) {
        SW_TEXT_COPY(verdict->note,
                     "warning: hwloc cannot read the processors of a node: trainings "
                     "are not bound to cores");
        return;
    }
    sw_placement_assign(topology, ranks, n, threads, out, verdict->note, sizeof verdict->note);
    hwloc_topology_destroy(topology);
}

/* The note of the lowest rank that has one, to all. */
static enum sw_status share_note(struct verdict *verdict) {
    int64_t mine = verdict->note[0] != '\0' ? sw_comm_rank() : INT64_MAX, first = INT64_MAX;
    SW_TRY(sw_comm_minimum(mine, &first));
    if (first == INT64_MAX) return SW_OK;
    return sw_comm_broadcast_from((int) first, verdict, (int64_t) sizeof *verdict);
}

static enum sw_status agree(const struct sw_placement_rank *mine, int threads, int node_rank,
                            int node_size, struct sw_placement_rank *ranks, cpu_set_t *sets,
                            struct verdict *verdict) {
    SW_TRY(sw_comm_node_gather(mine, (int64_t) sizeof *mine, ranks));
    if (node_rank == 0) decide(ranks, node_size, threads, sets, verdict);
    SW_TRY(sw_comm_node_broadcast(sets, node_size * (int64_t) sizeof *sets));
    return share_note(verdict);
}

enum sw_status sw_placement_agree(bool works, int threads, cpu_set_t *out, char *note,
                                  size_t size) {
    struct sw_placement_rank mine = {.rank = sw_comm_rank(), .works = works};
    struct sw_placement_rank *ranks = NULL;
    struct verdict verdict = {""};
    cpu_set_t *sets = NULL;
    int node_rank = 0, node_size = 0;
    sw_comm_node(&node_rank, &node_size);
    /* More processors than the set can hold: none of them, so that nothing is bound. */
    if (sched_getaffinity(0, sizeof mine.allowed, &mine.allowed) != 0) CPU_ZERO(&mine.allowed);
    enum sw_status status = SW_ALLOC(&ranks, (size_t) node_size, "ranks of the node");
    if (status == SW_OK) status = SW_ALLOC(&sets, (size_t) node_size, "processors");
    status = sw_comm_agree(status);
    if (status == SW_OK && ranks != NULL && sets != NULL)
        status = agree(&mine, threads, node_rank, node_size, ranks, sets, &verdict);
    if (status == SW_OK && sets != NULL) {
        *out = sets[node_rank];
        sw_text_copy(note, size, verdict.note);
    }
    SW_FREE(&sets);
    SW_FREE(&ranks);
    return status;
}
