#include "sweepstake/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t) 2 << 20)

/* Large arrays stand on huge pages where the system has some: the processor looks fewer addresses up. Whole
 * pages only, so that an array takes no more memory than it has bytes. */
static void *alloc_aligned(size_t bytes) {
    void *memory = NULL;
    int large = bytes >= 2 * HUGE_PAGE;
    if (posix_memalign(&memory, large ? HUGE_PAGE : SW_ALIGNMENT, bytes) != 0) return NULL;
    if (large) (void) madvise(memory, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return memory;
}

enum sw_status sw_memory_alloc(size_t count, size_t size, const char *what, void **out) {
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - SW_ALIGNMENT)
        return SW_FAIL(SW_NOMEM, "%s: %zu elements of %zu bytes are more than memory can hold",
                       what, count, size);
    /* At least one unit makes count 0 valid. */
    size_t padded = (bytes / SW_ALIGNMENT + 1) * SW_ALIGNMENT;
    void *memory = alloc_aligned(padded);
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
