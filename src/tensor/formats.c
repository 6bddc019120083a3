#include "sweepstake/formats.h"

#include <string.h>

#include "sweepstake/memory.h"

/* ---- names ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    char letter;
    int block;
} formats[SW_FORMAT_COUNT] = {
    [SW_FORMAT_DENSE] = {"dense", 'd', 0},  [SW_FORMAT_CSR] = {"csr", 'c', 0},
    [SW_FORMAT_CSC] = {"csc", 't', 0},      [SW_FORMAT_COO] = {"coo", 'o', 0},
    [SW_FORMAT_BSR4] = {"bsr4", 'b', 4},    [SW_FORMAT_BSR8] = {"bsr8", 'b', 8},
    [SW_FORMAT_BSR16] = {"bsr16", 'b', 16},
};

const char *sw_format_name(enum sw_layer_format format) {
    return formats[format].name;
}

char sw_format_letter(enum sw_layer_format format) {
    return formats[format].letter;
}

int64_t sw_format_block(enum sw_layer_format format) {
    return formats[format].block;
}

enum sw_layer_format sw_format_bsr(int64_t block) {
    for (int format = 0; format < SW_FORMAT_COUNT; format++)
        if (formats[format].block == block) return (enum sw_layer_format) format;
    return SW_FORMAT_DENSE;
}

bool sw_mask_is_blocks(const uint8_t *mask, int64_t rows, int64_t columns, int64_t block) {
    for (int64_t r = 0; r < rows; r++) {
        int64_t top = r / block * block * columns;
        for (int64_t left = 0; left < columns; left += block) {
            bool kept = sw_mask_get(mask, top + left);
            for (int64_t c = left; c < left + block && c < columns; c++)
                if (sw_mask_get(mask, r * columns + c) != kept) return false;
        }
    }
    return true;
}

/* ---- positions ------------------------------------------------------------------------------- */

static int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Walk the blocks of `csr` in order, marking each in seen[block columns] with its block row. Counts them,
 * and lists them where `out` has room. */
static int64_t list_blocks(const struct sw_csr *csr, int64_t block, int32_t *seen,
                           struct sw_positions *out) {
    int64_t wide = divide_up(csr->columns, block), high = divide_up(csr->rows, block), n = 0;
    memset(seen, 0xff, (size_t) wide * sizeof *seen); /* -1: no block row */
    for (int64_t top = 0; top < high; top++) {
        int64_t end = least((top + 1) * block, csr->rows);
        for (int32_t k = csr->row_start[top * block]; k < csr->row_start[end]; k++)
            seen[csr->column[k] / block] = (int32_t) top;
        for (int64_t left = 0; left < wide; left++) {
            if (seen[left] != top) continue;
            if (out->index != NULL) out->index[n] = (int32_t) left;
            out->inside += least(block, csr->rows - top * block) *
                           least(block, csr->columns - left * block);
            n++;
        }
        if (out->start != NULL) out->start[top + 1] = (int32_t) n;
    }
    return n;
}

static enum sw_status alloc_positions(struct sw_positions *out) {
    if (out->starts > 0)
        SW_TRY(SW_ALLOC(&out->start, (size_t) out->starts, "starts of a sparse matrix"));
    if (out->format == SW_FORMAT_COO)
        SW_TRY(SW_ALLOC(&out->row, (size_t) out->indices, "rows of a sparse matrix"));
    if (out->format == SW_FORMAT_DENSE) return SW_OK;
    return SW_ALLOC(&out->index, (size_t) out->indices, "indices of a sparse matrix");
}

static enum sw_status fill_blocks(const struct sw_csr *csr, int64_t block,
                                  struct sw_positions *out) {
    int32_t *seen = NULL;
    SW_TRY(SW_ALLOC(&seen, (size_t) divide_up(csr->columns, block), "blocks of a sparse matrix"));
    out->starts = divide_up(csr->rows, block) + 1;
    out->indices = list_blocks(csr, block, seen, out);
    out->values = out->indices * block * block;
    out->inside = 0;
    enum sw_status status = alloc_positions(out);
    if (status == SW_OK) (void) list_blocks(csr, block, seen, out);
    SW_FREE(&seen);
    return status;
}

static enum sw_status fill_singles(const struct sw_csr *csr, struct sw_positions *out) {
    bool by_column = out->format == SW_FORMAT_CSC;
    size_t nnz = (size_t) csr->nnz;
    out->values = out->inside = out->indices = csr->nnz;
    if (out->format != SW_FORMAT_COO) out->starts = (by_column ? csr->columns : csr->rows) + 1;
    SW_TRY(alloc_positions(out));
    if (nnz > 0) memcpy(out->index, by_column ? csr->row : csr->column, nnz * sizeof *out->index);
    if (out->starts > 0)
        memcpy(out->start, by_column ? csr->column_start : csr->row_start,
               (size_t) out->starts * sizeof *out->start);
    for (int64_t r = 0; out->row != NULL && r < csr->rows; r++)
        for (int32_t k = csr->row_start[r]; k < csr->row_start[r + 1]; k++)
            out->row[k] = (int32_t) r;
    return SW_OK;
}

enum sw_status sw_positions_from_csr(const struct sw_csr *csr, enum sw_layer_format format,
                                     struct sw_positions *out) {
    struct sw_positions positions = {.format = format, .rows = csr->rows, .columns = csr->columns};
    int64_t block = sw_format_block(format);
    enum sw_status status = SW_OK;
    if (block > 0)
        status = fill_blocks(csr, block, &positions);
    else if (format == SW_FORMAT_DENSE)
        positions.values = positions.inside = csr->rows * csr->columns;
    else
        status = fill_singles(csr, &positions);
    if (status == SW_OK)
        *out = positions;
    else
        sw_positions_fini(&positions);
    return status;
}

enum sw_status sw_positions_from_mask(const uint8_t *mask, int64_t rows, int64_t columns,
                                      enum sw_layer_format format, struct sw_positions *out) {
    struct sw_csr csr;
    SW_TRY(sw_csr_from_mask(mask, rows, columns, &csr));
    enum sw_status status = sw_positions_from_csr(&csr, format, out);
    sw_csr_fini(&csr);
    return status;
}

void sw_positions_fini(struct sw_positions *positions) {
    SW_FREE(&positions->start);
    SW_FREE(&positions->index);
    SW_FREE(&positions->row);
    *positions = (struct sw_positions){0};
}

int64_t sw_positions_numbers(const struct sw_positions *positions) {
    int64_t rows = positions->row != NULL ? positions->indices : 0;
    return positions->values + positions->starts + positions->indices + rows;
}

/* ---- values ---------------------------------------------------------------------------------- */

/* A walk over the stored places in the order of the values. */
struct walk {
    const struct sw_positions *positions;
    int64_t at;    /* value */
    int64_t entry; /* of index[] */
    int64_t line;  /* row, column or block row that the entry belongs to */
};

/* Place of the next value in the dense matrix, -1 when it is beyond an edge. */
static int64_t next_place(struct walk *walk) {
    const struct sw_positions *p = walk->positions;
    int64_t block = sw_format_block(p->format), size = block > 0 ? block * block : 1;
    int64_t within = walk->at % size;
    walk->entry = walk->at++ / size;
    if (p->format == SW_FORMAT_DENSE) return walk->entry;
    int64_t index = p->index[walk->entry];
    if (p->format == SW_FORMAT_COO) return p->row[walk->entry] * p->columns + index;
    while (p->start[walk->line + 1] <= walk->entry)
        walk->line++;
    if (p->format == SW_FORMAT_CSR) return walk->line * p->columns + index;
    if (p->format == SW_FORMAT_CSC) return index * p->columns + walk->line;
    int64_t row = walk->line * block + within / block, column = index * block + within % block;
    return row < p->rows && column < p->columns ? row * p->columns + column : -1;
}

void sw_positions_to_mask(const struct sw_positions *positions, uint8_t *mask) {
    struct walk walk = {.positions = positions};
    memset(mask, 0, (size_t) sw_mask_bytes(positions->rows * positions->columns));
    for (int64_t k = 0; k < positions->values; k++) {
        int64_t place = next_place(&walk);
        if (place >= 0) mask[place >> 3] |= (uint8_t) (1u << (place & 7));
    }
}

void sw_positions_pack(const struct sw_positions *positions, const float *w, float *values) {
    struct walk walk = {.positions = positions};
    for (int64_t k = 0; k < positions->values; k++) {
        int64_t place = next_place(&walk);
        values[k] = place >= 0 ? w[place] : 0.0f;
    }
}

void sw_positions_unpack(const struct sw_positions *positions, const float *values, float *w) {
    struct walk walk = {.positions = positions};
    for (int64_t i = 0; i < positions->rows * positions->columns; i++)
        w[i] = 0.0f;
    for (int64_t k = 0; k < positions->values; k++) {
        int64_t place = next_place(&walk);
        if (place >= 0) w[place] = values[k];
    }
}

/* Through a mask and a dense matrix: simple, and done once for a matrix. */
enum sw_status sw_positions_convert(const struct sw_positions *from, const float *values,
                                    enum sw_layer_format format, struct sw_positions *out,
                                    float **out_values) {
    int64_t count = from->rows * from->columns;
    struct sw_positions positions = {0};
    float *w = NULL, *converted = NULL;
    uint8_t *mask = NULL;
    enum sw_status status = SW_OK;
    SW_TRY_TO(SW_ALLOC(&mask, (size_t) sw_mask_bytes(count), "mask"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&w, (size_t) count, "dense weights"), status, cleanup);
    sw_positions_to_mask(from, mask);
    sw_positions_unpack(from, values, w);
    SW_TRY_TO(sw_positions_from_mask(mask, from->rows, from->columns, format, &positions), status,
              cleanup);
    SW_TRY_TO(SW_ALLOC(&converted, (size_t) positions.values, "weights"), status, cleanup);
    sw_positions_pack(&positions, w, converted);
    *out = positions;
    *out_values = converted;
cleanup:
    if (status != SW_OK) sw_positions_fini(&positions);
    SW_FREE(&w);
    SW_FREE(&mask);
    return status;
}
