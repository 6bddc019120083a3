#include "conv_tiles.h"

#include <stdlib.h>

#include "sweepstake/memory.h"

/* ---- blocks ---------------------------------------------------------------------------------- */

#define TILE_HEIGHT 2 /* of the largest tile */
#define TILE_WIDTH 4
#define NEAR_BYTES 24576 /* of the nearest cache that a tile's input may take */
#define VISIT_TAPS 32    /* blocks grow until visits have that many */
#define FEW_TAPS 24      /* a visit with fewer, or with fewer for a channel, does LONG_SPAN tiles */
#define THIN_TAPS 0.6
#define LONG_SPAN 8
#define LARGEST_OFFSET 65536 /* pixels; offsets are 16-bit numbers */
#define LARGEST_AREA 1024    /* pixels of a kernel: a visit has to fit a chunk */

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static int64_t pitch_of(const struct sw_planes *planes) {
    return planes->width + 2 * planes->border;
}

static int64_t pixels_of(const struct sw_planes *planes) {
    return (planes->height + 2 * planes->border) * pitch_of(planes);
}

int sw_hal_conv_has_tiles(enum sw_isa isa, const struct sw_conv *conv) {
    return isa >= SW_ISA_AVX2 && conv->stride * conv->stride <= SW_CONV_PARTS &&
           conv->kernel * conv->kernel <= LARGEST_AREA && pixels_of(&conv->in) <= LARGEST_OFFSET &&
           pixels_of(&conv->out) <= LARGEST_OFFSET;
}

/* Channels whose part of what a tile reads fits the nearest cache: tiles of results `step` pixels apart, of
 * which each reads `side` x `side` pixels of `from`. */
static int64_t count_near(int64_t side, int64_t step) {
    int64_t pixels = ((TILE_HEIGHT - 1) * step + side) * ((TILE_WIDTH - 1) * step + side);
    return most(1, NEAR_BYTES / (pixels * SW_HAL_LANES * (int64_t) sizeof(float)));
}

/* Blocks of `from`'s channels; `nnz` taps are in `cells` of a channel and a visit. Where visits would have
 * few taps, their own cost weighs more than a nearer cache: blocks grow, and visits do tiles in turn, whose
 * rows the processor then fetches ahead by itself (not where they are `step` pixels apart). */
static void size_blocks(const struct sw_planes *from, int64_t side, int64_t step, int64_t cells,
                        int64_t nnz, struct sw_conv_tiles *tiles) {
    int64_t block = most(count_near(side, step), VISIT_TAPS * cells / most(nnz, 1));
    block = least(block, least(SW_CONV_CHUNK / (side * side), LARGEST_OFFSET / pixels_of(from)));
    tiles->blocks = (from->channels + block - 1) / block;
    tiles->block = (from->channels + tiles->blocks - 1) / tiles->blocks;
    int few = nnz * tiles->block < FEW_TAPS * cells || (double) nnz < THIN_TAPS * (double) cells;
    tiles->span = few && step == 1 ? LONG_SPAN : 1;
}

static void size_forward(const struct sw_conv *conv, int64_t nnz, struct sw_conv_tiles *tiles) {
    tiles->parts = 1;
    size_blocks(&conv->in, conv->kernel, conv->stride, conv->out.channels * conv->in.channels, nnz,
                tiles);
}

static void size_backward(const struct sw_conv *conv, int64_t nnz, struct sw_conv_tiles *tiles) {
    tiles->parts = conv->stride;
    size_blocks(&conv->out, (conv->kernel + conv->stride - 1) / conv->stride, 1,
                conv->out.channels * conv->in.channels * conv->stride * conv->stride, nnz, tiles);
}

static int64_t count_blocks(const struct sw_conv_tiles *tiles) {
    return tiles->parts * tiles->parts * tiles->blocks;
}

/* Sizes of the tables depend on the shape alone, so that they can be predicted: they have room for a visit
 * of each channel of results in each block, one to look ahead at, and chunks of half the size. */
static int64_t count_visits(const struct sw_conv_tiles *tiles, int64_t rows) {
    return count_blocks(tiles) * rows + 1;
}

static int64_t count_chunks(const struct sw_conv_tiles *tiles, int64_t nnz) {
    return tiles->blocks + 2 * nnz / SW_CONV_CHUNK;
}

/* ---- sorting taps into visits ---------------------------------------------------------------- */

/* A table while it is made. A cell is (block of a part, channel of the result). */
struct making {
    const struct sw_conv *conv;
    const struct sw_planes *from, *to;
    struct sw_conv_tiles *tiles;
    int64_t nnz, cells;
    int32_t *cell;      /* [nnz] of each tap, in the order of the CSR */
    uint16_t *unsorted; /* [nnz] its offset */
    int32_t *next;      /* [cells] taps, then the place of the next one */
    int32_t *start;     /* this and the rest: as in struct sw_conv_tiles */
    struct sw_conv_visit *visits;
    uint16_t *offset;
    int32_t *place;
    struct sw_conv_chunk *chunk;
};

static void put_tap(struct making *m, int64_t t, int64_t row, int64_t part, int64_t channel,
                    int64_t y, int64_t x) {
    int64_t block = part * m->tiles->blocks + channel / m->tiles->block;
    int64_t plane = channel % m->tiles->block;
    m->cell[t] = (int32_t) (block * m->to->channels + row);
    m->unsorted[t] = (uint16_t) (plane * pixels_of(m->from) + y * pitch_of(m->from) + x);
    m->next[m->cell[t]]++;
}

static void put_forward(const struct sw_csr *csr, struct making *m) {
    const int64_t side = m->conv->kernel, area = side * side;
    for (int64_t row = 0; row < csr->rows; row++)
        for (int32_t t = csr->row_start[row]; t < csr->row_start[row + 1]; t++)
            put_tap(m, t, row, 0, csr->column[t] / area, csr->column[t] % area / side,
                    csr->column[t] % side);
}

/* The part of the gradient of inputs that a row or column of the kernel contributes to. */
static int64_t part_of(const struct sw_conv *conv, int64_t tap) {
    return ((tap - conv->padding) % conv->stride + conv->stride) % conv->stride;
}

static void put_backward(const struct sw_csr *csr, struct making *m) {
    const struct sw_conv *conv = m->conv;
    const int64_t side = conv->kernel, area = side * side;
    for (int64_t column = 0; column < csr->columns; column++) {
        int64_t ky = column % area / side, kx = column % side;
        int64_t py = part_of(conv, ky), px = part_of(conv, kx);
        int64_t y = (sw_conv_part_tap(conv, py) - ky) / conv->stride;
        int64_t x = (sw_conv_part_tap(conv, px) - kx) / conv->stride;
        for (int32_t t = csr->column_start[column]; t < csr->column_start[column + 1]; t++)
            put_tap(m, t, column / area, py * conv->stride + px, csr->row[t], y, x);
    }
}

static int compare_visits(const void *a, const void *b) {
    const struct sw_conv_visit *x = a, *y = b;
    return x->count != y->count ? (x->count > y->count) - (x->count < y->count)
                                : (x->row > y->row) - (x->row < y->row);
}

/* Share the rows of the block's planes that the tiles below are the first to read among its visits. */
static void fill_ahead(const struct making *m, struct sw_conv_visit *visits, int64_t n,
                       int64_t planes) {
    int64_t step = m->tiles->parts > 1 ? 1 : m->conv->stride;
    int64_t rows = TILE_HEIGHT * step / m->tiles->ahead, units = planes * rows;
    for (int64_t i = 0; i < n; i++) {
        int64_t unit = i * units / n;
        visits[i].ahead = (int32_t) (unit / rows * pixels_of(m->from) +
                                     unit % rows * m->tiles->ahead * pitch_of(m->from));
    }
}

/* Visits of one block; returns where they end. All channels of results have one in the first block of a
 * part, which sets their sums, and those of outputs in the last one, which adds the bias. */
static struct sw_conv_visit *fill_block(struct making *m, int64_t block, int32_t *first,
                                        struct sw_conv_visit *visits) {
    const int64_t rows = m->to->channels, within = block % m->tiles->blocks;
    const int64_t last = m->tiles->blocks - 1;
    int32_t *next = m->next + block * rows;
    int64_t n = 0;
    for (int64_t r = 0; r < rows; r++)
        if (next[r] > 0 || within == 0 || (m->to == &m->conv->out && within == last))
            visits[n++] = (struct sw_conv_visit){.row = (int32_t) r, .count = next[r]};
    qsort(visits, (size_t) n, sizeof *visits, compare_visits);
    for (int64_t i = 0; i < n; i++) {
        visits[i].first = next[visits[i].row] = *first;
        *first += visits[i].count;
    }
    fill_ahead(m, visits, n, least(m->tiles->block, m->from->channels - within * m->tiles->block));
    return visits + n;
}

static void sort_taps(struct making *m) {
    struct sw_conv_visit *end = m->visits;
    int32_t first = 0;
    for (int64_t b = 0; b < count_blocks(m->tiles); b++) {
        m->start[b] = (int32_t) (end - m->visits);
        end = fill_block(m, b, &first, end);
    }
    m->start[count_blocks(m->tiles)] = (int32_t) (end - m->visits);
    for (int64_t t = 0; t < m->nnz; t++) {
        int32_t at = m->next[m->cell[t]]++;
        m->offset[at] = m->unsorted[t];
        m->place[at] = (int32_t) t;
    }
}

/* Cut the visits of each block into chunks. */
static void cut_chunks(struct making *m) {
    int64_t n = 0;
    for (int64_t b = 0; b < m->tiles->blocks; b++) {
        int64_t taps = SW_CONV_CHUNK + 1; /* full */
        for (int32_t v = m->start[b]; v < m->start[b + 1]; v++) {
            taps += m->visits[v].count;
            if (taps > SW_CONV_CHUNK) {
                m->chunk[n++] = (struct sw_conv_chunk){.block = (int32_t) b, .first = v};
                taps = m->visits[v].count;
            }
            m->chunk[n - 1].last = v + 1;
        }
    }
    m->tiles->chunks = n;
}

/* ---- making tables --------------------------------------------------------------------------- */

static enum sw_status alloc_making(struct making *m) {
    size_t nnz = (size_t) m->nnz, cells = (size_t) m->cells;
    SW_TRY(SW_ALLOC(&m->cell, nnz, "taps of a convolution"));
    SW_TRY(SW_ALLOC(&m->unsorted, nnz, "taps of a convolution"));
    SW_TRY(SW_ALLOC(&m->next, cells, "visits of a convolution"));
    SW_TRY(SW_ALLOC(&m->start, (size_t) count_blocks(m->tiles) + 1, "blocks of a convolution"));
    SW_TRY(SW_ALLOC(&m->visits, (size_t) count_visits(m->tiles, m->to->channels),
                    "visits of a convolution"));
    SW_TRY(SW_ALLOC(&m->offset, nnz, "taps of a convolution"));
    SW_TRY(SW_ALLOC(&m->place, nnz, "taps of a convolution"));
    size_t chunks = (size_t) count_chunks(m->tiles, m->nnz);
    return SW_ALLOC(&m->chunk, chunks, "chunks of a convolution");
}

static void free_making(struct making *m) {
    SW_FREE(&m->cell);
    SW_FREE(&m->unsorted);
    SW_FREE(&m->next);
    SW_FREE(&m->start);
    SW_FREE(&m->visits);
    SW_FREE(&m->offset);
    SW_FREE(&m->place);
    SW_FREE(&m->chunk);
}

static enum sw_status upload_new(struct sw_hal *hal, const void *from, int64_t n, size_t size,
                                 const char *what, struct sw_buffer **out) {
    SW_TRY(sw_hal_alloc(hal, n * (int64_t) size, what, out));
    return sw_hal_upload(*out, 0, from, n * (int64_t) size);
}

static enum sw_status upload_tiles(struct sw_hal *hal, const struct making *m) {
    struct sw_conv_tiles *tiles = m->tiles;
    int64_t blocks = count_blocks(tiles), visits = count_visits(tiles, m->to->channels);
    int64_t chunks = count_chunks(tiles, m->nnz);
    SW_TRY(upload_new(hal, m->start, blocks + 1, sizeof *m->start, "blocks", &tiles->start));
    SW_TRY(upload_new(hal, m->visits, visits, sizeof *m->visits, "visits", &tiles->visits));
    SW_TRY(upload_new(hal, m->offset, m->nnz, sizeof *m->offset, "taps", &tiles->offset));
    SW_TRY(upload_new(hal, m->place, m->nnz, sizeof *m->place, "value places", &tiles->place));
    if (tiles->chunks == 0) return SW_OK;
    return upload_new(hal, m->chunk, chunks, sizeof *m->chunk, "chunks", &tiles->chunk);
}

/* Rows to fetch in a visit, so that all of a block are fetched while it is gone through. */
static int64_t choose_ahead(const struct making *m) {
    int64_t step = m->tiles->parts > 1 ? 1 : m->conv->stride;
    int64_t rows = TILE_HEIGHT * step, ahead = 1;
    while (ahead * m->to->channels < rows * m->tiles->block && rows % (2 * ahead) == 0)
        ahead *= 2;
    return ahead;
}

static enum sw_status create_tiles(const struct sw_csr *csr, struct sw_sparse_conv *sparse,
                                   int backward) {
    const struct sw_conv *conv = &sparse->conv;
    struct making m = {.conv = conv,
                       .from = backward ? &conv->out : &conv->in,
                       .to = backward ? &conv->in : &conv->out,
                       .tiles = backward ? &sparse->backward : &sparse->forward,
                       .nnz = csr->nnz};
    (backward ? size_backward : size_forward)(conv, csr->nnz, m.tiles);
    m.cells = count_blocks(m.tiles) * m.to->channels;
    m.tiles->ahead = choose_ahead(&m);
    enum sw_status status = alloc_making(&m);
    if (status == SW_OK) {
        (backward ? put_backward : put_forward)(csr, &m);
        sort_taps(&m);
        if (!backward) cut_chunks(&m);
        for (int64_t i = 0; backward && i < m.nnz; i++)
            m.place[i] = csr->value[m.place[i]];
        status = upload_tiles(sparse->hal, &m);
    }
    free_making(&m);
    return status;
}

enum sw_status sw_hal_create_conv_tiles(const struct sw_csr *csr, struct sw_sparse_conv *sparse) {
    SW_TRY(create_tiles(csr, sparse, 0));
    return create_tiles(csr, sparse, 1);
}

static void free_tiles(struct sw_conv_tiles *tiles) {
    sw_hal_free(&tiles->start);
    sw_hal_free(&tiles->visits);
    sw_hal_free(&tiles->offset);
    sw_hal_free(&tiles->place);
    sw_hal_free(&tiles->chunk);
}

void sw_hal_free_conv_tiles(struct sw_sparse_conv *sparse) {
    free_tiles(&sparse->forward);
    free_tiles(&sparse->backward);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static int64_t bytes_of(const struct sw_buffer *buffer) {
    return buffer != NULL ? buffer->bytes : 0;
}

static int64_t bytes_of_tiles(const struct sw_conv_tiles *tiles) {
    return bytes_of(tiles->start) + bytes_of(tiles->visits) + bytes_of(tiles->offset) +
           bytes_of(tiles->place) + bytes_of(tiles->chunk);
}

int64_t sw_hal_conv_tiles_bytes(const struct sw_sparse_conv *sparse) {
    return bytes_of_tiles(&sparse->forward) + bytes_of_tiles(&sparse->backward);
}

static int64_t predict(const struct sw_conv_tiles *tiles, int64_t rows, int64_t nnz) {
    return (count_blocks(tiles) + 1 + nnz) * (int64_t) sizeof(int32_t) +
           count_visits(tiles, rows) * (int64_t) sizeof(struct sw_conv_visit) +
           nnz * (int64_t) sizeof(uint16_t);
}

int64_t sw_hal_conv_tiles_predict_bytes(const struct sw_conv *conv, int64_t nnz) {
    struct sw_conv_tiles forward = {0}, backward = {0};
    size_forward(conv, nnz, &forward);
    size_backward(conv, nnz, &backward);
    return predict(&forward, conv->out.channels, nnz) + predict(&backward, conv->in.channels, nnz) +
           count_chunks(&forward, nnz) * (int64_t) sizeof(struct sw_conv_chunk);
}
