#include "sweepstake/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum sw_status sw_memory_alloc(size_t count, size_t size, const char *what, void **out) {
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - SW_ALIGNMENT)
        return SW_FAIL(SW_NOMEM, "%s: %zu elements of %zu bytes are more than memory can hold",
                       what, count, size);
    /* aligned_alloc wants a multiple of the alignment; at least one unit makes count 0 valid. */
    size_t padded = (bytes / SW_ALIGNMENT + 1) * SW_ALIGNMENT;
    void *memory = aligned_alloc(SW_ALIGNMENT, padded);
    if (memory == NULL) return SW_FAIL(SW_NOMEM, "%s: no memory for %zu bytes", what, bytes);
    memset(memory, 0, padded);
    *out = memory;
    return SW_OK;
}

enum sw_status sw_memory_grow(void **array, size_t old_count, size_t new_count, size_t size,
                              const char *what) {
    void *grown = NULL;
    SW_TRY(sw_memory_alloc(new_count, size, what, &grown));
    if (*array != NULL)
        memcpy(grown, *array, (old_count < new_count ? old_count : new_count) * size);
    free(*array);
    *array = grown;
    return SW_OK;
}

void sw_memory_free_at(void **pointer) {
    free(*pointer);
    *pointer = NULL;
}
