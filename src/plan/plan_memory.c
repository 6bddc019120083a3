#include <string.h>

#include "plan_internal.h"
#include "sweepstake/memory.h"

/* ---- arena ---------------------------------------------------------------------------------- */

#define CHUNK_BYTES ((size_t) 64 << 10)
#define UNIT ((size_t) 16)

struct sw_plan_chunk {
    struct sw_plan_chunk *next;
    size_t used, size;
    char *bytes; /* behind this header, in the same allocation */
};

static enum sw_status add_chunk(struct sw_plan_arena *arena, size_t bytes) {
    size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    void *memory = NULL;
    SW_TRY(sw_memory_alloc(SW_ALIGNMENT + size, 1, "reading the sweep file", &memory));
    struct sw_plan_chunk *chunk = memory;
    chunk->bytes = (char *) memory + SW_ALIGNMENT;
    chunk->size = size;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    return SW_OK;
}

enum sw_status sw_plan_arena_take(struct sw_plan_arena *arena, size_t bytes, void **out) {
    /* No overflow: what is read is bounded by the size of a sweep file. */
    bytes = (bytes + UNIT - 1) / UNIT * UNIT;
    if (arena->chunks == NULL || arena->chunks->size - arena->chunks->used < bytes)
        SW_TRY(add_chunk(arena, bytes));
    *out = arena->chunks->bytes + arena->chunks->used;
    arena->chunks->used += bytes;
    return SW_OK;
}

enum sw_status sw_plan_arena_copy(struct sw_plan_arena *arena, const char *bytes, size_t length,
                                  const char **out) {
    void *memory = NULL;
    SW_TRY(sw_plan_arena_take(arena, length + 1, &memory));
    if (length > 0) memcpy(memory, bytes, length);
    *out = memory;
    return SW_OK;
}

void sw_plan_arena_fini(struct sw_plan_arena *arena) {
    while (arena->chunks != NULL) {
        struct sw_plan_chunk *next = arena->chunks->next;
        SW_FREE(&arena->chunks);
        arena->chunks = next;
    }
}

/* ---- index ---------------------------------------------------------------------------------- */

struct sw_plan_slot {
    struct sw_digest digest;
    int64_t value;
    int64_t taken;
};

/* The slot that holds a digest, or the free one where it belongs; digests are random bits. */
static struct sw_plan_slot *find_slot(struct sw_plan_slot *slots, size_t capacity,
                                      struct sw_digest digest) {
    uint64_t hash = 0;
    memcpy(&hash, digest.bytes, sizeof hash);
    size_t at = (size_t) hash & (capacity - 1);
    while (slots[at].taken && !sw_digest_equal(slots[at].digest, digest))
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

static enum sw_status widen(struct sw_plan_index *index) {
    size_t capacity = index->capacity == 0 ? 64 : index->capacity * 2;
    struct sw_plan_slot *slots = NULL;
    SW_TRY(SW_ALLOC(&slots, capacity, "index of the plan"));
    for (size_t i = 0; i < index->capacity; i++)
        if (index->slots[i].taken)
            *find_slot(slots, capacity, index->slots[i].digest) = index->slots[i];
    SW_FREE(&index->slots);
    index->slots = slots;
    index->capacity = capacity;
    return SW_OK;
}

enum sw_status sw_plan_index_add(struct sw_plan_index *index, struct sw_digest digest,
                                 int64_t value, int64_t *out) {
    if (index->used * 2 >= index->capacity) SW_TRY(widen(index));
    struct sw_plan_slot *slot = find_slot(index->slots, index->capacity, digest);
    if (!slot->taken) {
        *slot = (struct sw_plan_slot){.digest = digest, .value = value, .taken = 1};
        index->used++;
    }
    *out = slot->value;
    return SW_OK;
}

void sw_plan_index_fini(struct sw_plan_index *index) {
    SW_FREE(&index->slots);
    index->capacity = index->used = 0;
}
