/* Module: tensor
 * Purpose: bit masks over weights and compressed sparse rows built from them; shapes only, no
 * arithmetic. Bit i of a mask is bit i % 8 (lowest first) of byte i / 8; 1 keeps the weight. Unused
 * bits of the last byte are 0. Weights of a [rows, columns] matrix are numbered row by row. */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "sweepstake/status.h"

/* Bytes of a mask over `count` weights. */
int64_t sw_mask_bytes(int64_t count);
static inline bool sw_mask_get(const uint8_t *mask, int64_t index) {
    return (mask[index >> 3] >> (index & 7)) & 1;
}
/* Bits first .. first + 63 (first is a multiple of 8), the first one lowest; from `count` on they are 0.
 * To go over the kept weights bit by bit costs a misjudged branch for every other one. */
static inline uint64_t sw_mask_word(const uint8_t *mask, int64_t count, int64_t first) {
    uint64_t word = 0;
    int64_t left = count - first;
    if (left >= 64) {
        memcpy(&word, mask + (first >> 3), sizeof word);
        return le64toh(word);
    }
    memcpy(&word, mask + (first >> 3), (size_t) ((left + 7) >> 3));
    return le64toh(word) & ((UINT64_C(1) << left) - 1);
}
void sw_mask_clear_bit(uint8_t *mask, int64_t index);
/* Clear those of the same 64 bits that are set in `bits`. */
void sw_mask_clear_word(uint8_t *mask, int64_t count, int64_t first, uint64_t bits);
/* Set the first `count` bits, clear the rest of the last byte. */
void sw_mask_fill(uint8_t *mask, int64_t count);
int64_t sw_mask_count(const uint8_t *mask, int64_t count);
/* True when every kept weight of `inner` is kept in `outer`. */
bool sw_mask_is_nested(const uint8_t *inner, const uint8_t *outer, int64_t count);
/* True when the unused bits of the last byte are 0. */
bool sw_mask_is_clean(const uint8_t *mask, int64_t count);

/* Gather kept elements of from[count] into out[], in order; returns how many. Scatter is the
 * inverse; removed elements of out[count] become 0. */
int64_t sw_mask_gather(const uint8_t *mask, int64_t count, const float *from, float *out);
int64_t sw_mask_scatter(const uint8_t *mask, int64_t count, const float *from, float *out);

/* Positions of a sparse matrix, without values: value k of the compact array stands at
 * (row of k, column[k]); row r owns k in row_start[r] .. row_start[r + 1]. Rows and columns ascend.
 * The transposed view lists the same values by columns: column c owns t in
 * column_start[c] .. column_start[c + 1], row[t] its row and value[t] its place in the compact
 * array. */
struct sw_csr {
    int64_t rows, columns, nnz;
    int32_t *row_start;    /* [rows + 1] */
    int32_t *column;       /* [nnz] */
    int32_t *column_start; /* [columns + 1] */
    int32_t *row;          /* [nnz] */
    int32_t *value;        /* [nnz] */
};

/* Positions of the kept weights of a [rows, columns] mask. Owned by the caller; free with
 * sw_csr_fini. Errors: SW_NOMEM, SW_UNSUPPORTED (2^31 or more weights). */
enum sw_status sw_csr_from_mask(const uint8_t *mask, int64_t rows, int64_t columns,
                                struct sw_csr *out) SW_NODISCARD;
void sw_csr_fini(struct sw_csr *csr);
