/* Module: tensor
 * Purpose: how the kept weights of a [rows, columns] matrix are stored: names and sizes of the formats,
 * positions in each of them, and values that move from one to another. What multiplies is in hal.
 * Letters: b the side of a block. */
#pragma once

#include "sweepstake/mask.h"

/* DENSE  all values, row by row
 * CSR    kept values row by row, with a column each; where each row starts
 * CSC    kept values column by column, with a row each; where each column starts
 * COO    kept values row by row, with a row and a column each
 * BSR    blocks of b x b values that keep any, block row by block row, with a block column each; where each
 *        block row starts. Inside a block row by row; places that nothing is kept at, or that lie beyond
 *        the edge of the matrix, hold 0. */
enum sw_layer_format {
    SW_FORMAT_DENSE,
    SW_FORMAT_CSR,
    SW_FORMAT_CSC,
    SW_FORMAT_COO,
    SW_FORMAT_BSR4,
    SW_FORMAT_BSR8,
    SW_FORMAT_BSR16,
    SW_FORMAT_COUNT
};

const char *sw_format_name(enum sw_layer_format format); /* "dense", "bsr8" */
/* d dense, c CSR, t CSC, o COO, b BSR */
char sw_format_letter(enum sw_layer_format format);
int64_t sw_format_block(enum sw_layer_format format); /* side of BSR's blocks; 0 for the others */
/* BSR with blocks of that side; DENSE when there is no such format. */
enum sw_layer_format sw_format_bsr(int64_t block);

/* Is every block of that side kept whole or removed whole? Those at the edges may be smaller. */
bool sw_mask_is_blocks(const uint8_t *mask, int64_t rows, int64_t columns, int64_t block);

/* Where the values of a matrix stand. */
struct sw_positions {
    enum sw_layer_format format;
    int64_t rows, columns;
    int64_t values;  /* that are stored, BSR's filling included */
    int64_t inside;  /* of those, within the matrix */
    int64_t starts;  /* CSR rows + 1, CSC columns + 1, BSR block rows + 1; else 0 */
    int64_t indices; /* kept values or blocks; 0 when dense */
    int32_t *start;  /* [starts] */
    int32_t *index;  /* [indices]: columns; of CSC rows, of BSR block columns. They ascend */
    int32_t *row;    /* [indices], COO only */
};

/* Owned by the caller; free with sw_positions_fini. Errors: SW_NOMEM. */
enum sw_status sw_positions_from_csr(const struct sw_csr *csr, enum sw_layer_format format,
                                     struct sw_positions *out) SW_NODISCARD;
/* Errors: SW_NOMEM, SW_UNSUPPORTED (2^31 or more weights). */
enum sw_status sw_positions_from_mask(const uint8_t *mask, int64_t rows, int64_t columns,
                                      enum sw_layer_format format,
                                      struct sw_positions *out) SW_NODISCARD;
void sw_positions_fini(struct sw_positions *positions);

/* Numbers that are stored, values and indices: dense rows columns; CSR 2 kept + rows + 1; CSC 2 kept +
 * columns + 1; COO 3 kept; BSR blocks b b + blocks + block rows + 1. Four bytes each. */
int64_t sw_positions_numbers(const struct sw_positions *positions);

/* Set the bits of the places that are stored, clear the others. */
void sw_positions_to_mask(const struct sw_positions *positions, uint8_t *mask);
/* Between a dense w[rows, columns] and values in the order of the format; w is 0 elsewhere. */
void sw_positions_pack(const struct sw_positions *positions, const float *w, float *values);
void sw_positions_unpack(const struct sw_positions *positions, const float *values, float *w);

/* The same matrix in another format: positions, and values in their order; both are the caller's. What a
 * dense matrix or a block holds counts as kept, zeros too. Errors: SW_NOMEM, SW_UNSUPPORTED. */
enum sw_status sw_positions_convert(const struct sw_positions *from, const float *values,
                                    enum sw_layer_format format, struct sw_positions *out,
                                    float **out_values) SW_NODISCARD;
