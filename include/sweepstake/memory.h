/* Module: base
 * Purpose: heap arrays that are aligned for vector instructions, zeroed, and checked for overflow.
 * Ownership: the caller owns what it gets and gives it back with sw_memory_free. */
#pragma once

#include "sweepstake/status.h"

#define SW_ALIGNMENT ((size_t) 64) /* bytes: one cache line, one AVX-512 register */

/* Allocate `count` zeroed elements of `size` bytes, aligned to SW_ALIGNMENT; count 0 gives a valid
 * pointer. `out`: set on success only.
 * Errors: SW_NOMEM (the text names `what` and the bytes), also when count * size overflows. */
enum sw_status sw_memory_alloc(size_t count, size_t size, const char *what,
                               void **out) SW_NODISCARD;

/* Resize an array from sw_memory_alloc, keeping its elements; new elements are zero. *array may be
 * NULL (old_count 0). On failure *array stays valid. Errors: SW_NOMEM. */
enum sw_status sw_memory_grow(void **array, size_t old_count, size_t new_count, size_t size,
                              const char *what) SW_NODISCARD;

/* Free and set the pointer to NULL. Accepts a pointer to NULL. */
void sw_memory_free_at(void **pointer);

/* The typed front of the three calls above: SW_ALLOC(&p, n, "what") with p of any object pointer.
 */
#define SW_ALLOC(pointer, count, what)                                                             \
    sw_memory_alloc((count), sizeof **(pointer), (what), (void **) (pointer))
#define SW_GROW(pointer, old_count, new_count, what)                                               \
    sw_memory_grow((void **) (pointer), (old_count), (new_count), sizeof **(pointer), (what))
#define SW_FREE(pointer) sw_memory_free_at((void **) (pointer))
