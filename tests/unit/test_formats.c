/* Storage formats: what they hold, how much, and that nothing is lost between them. */
#include <stdio.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/formats.h"
#include "sweepstake/memory.h"
#include "sweepstake/random.h"

enum { MOST = 64 * 64 };

/* Matrices with empty rows and columns, ragged edges for every block, and extremes. */
static const struct shape {
    int64_t rows, columns;
    int percent;
} shapes[] = {
    {1, 1, 100}, {1, 1, 0},    {1, 17, 40},   {17, 1, 40}, {4, 4, 100}, {16, 16, 20},
    {5, 7, 0},   {33, 35, 30}, {35, 33, 100}, {64, 64, 2}, {31, 64, 5}, {50, 49, 60},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* Row and column 2 are empty; kept values are never 0. */
static void make_matrix(const struct shape *shape, uint64_t seed, uint8_t *mask, float *w) {
    int64_t count = shape->rows * shape->columns;
    sw_mask_fill(mask, count);
    for (int64_t i = 0; i < count; i++) {
        double drawn = sw_random_uniform(seed, SW_RANDOM_BENCH, 0, (uint64_t) i) * 100;
        bool empty = i / shape->columns == 2 || i % shape->columns == 2;
        if (drawn >= shape->percent || (empty && shape->percent < 100)) sw_mask_clear_bit(mask, i);
        w[i] = sw_mask_get(mask, i) ? (float) (i + 1) : 0.0f;
    }
}

static int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/* Blocks that keep any weight, by looking at each. */
static int64_t count_blocks(const uint8_t *mask, const struct shape *shape, int64_t block) {
    int64_t n = 0;
    for (int64_t top = 0; top < shape->rows; top += block)
        for (int64_t left = 0; left < shape->columns; left += block) {
            bool any = false;
            for (int64_t r = top; r < top + block && r < shape->rows; r++)
                for (int64_t c = left; c < left + block && c < shape->columns; c++)
                    any |= sw_mask_get(mask, r * shape->columns + c);
            n += any;
        }
    return n;
}

/* ---- counts ---------------------------------------------------------------------------------- */

static void formats_store_as_many_numbers_as_they_say(void) {
    uint8_t mask[MOST / 8];
    static float w[MOST];
    for (int s = 0; s < SHAPES; s++) {
        const struct shape *shape = &shapes[s];
        make_matrix(shape, 1, mask, w);
        int64_t nnz = sw_mask_count(mask, shape->rows * shape->columns);
        for (int f = 0; f < SW_FORMAT_COUNT; f++) {
            enum sw_layer_format format = (enum sw_layer_format) f;
            struct sw_positions positions;
            int64_t b = sw_format_block(format), want = shape->rows * shape->columns;
            if (format == SW_FORMAT_CSR) want = 2 * nnz + shape->rows + 1;
            if (format == SW_FORMAT_CSC) want = 2 * nnz + shape->columns + 1;
            if (format == SW_FORMAT_COO) want = 3 * nnz;
            if (b > 0)
                want = count_blocks(mask, shape, b) * (b * b + 1) + divide_up(shape->rows, b) + 1;
            SW_TEST_OK(
                sw_positions_from_mask(mask, shape->rows, shape->columns, format, &positions));
            CU_ASSERT_EQUAL(sw_positions_numbers(&positions), want);
            sw_positions_fini(&positions);
            CU_ASSERT_PTR_NULL(positions.index);
        }
    }
}

/* 3 x 5: rows 0 and 2 keep columns 1, 3 and 0, 4. */
static void small_matrix_in_every_format(void) {
    uint8_t mask[2] = {0x0a, 0x44};
    const float w[15] = {0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4};
    static const struct {
        enum sw_layer_format format;
        int64_t starts, indices, values;
        int32_t start[6], index[4], row[4];
        float value[32];
    } want[] = {
        {SW_FORMAT_CSR, 4, 4, 4, {0, 2, 2, 4}, {1, 3, 0, 4}, {0}, {1, 2, 3, 4}},
        {SW_FORMAT_CSC, 6, 4, 4, {0, 1, 2, 2, 3, 4}, {2, 0, 0, 2}, {0}, {3, 1, 2, 4}},
        {SW_FORMAT_COO, 0, 4, 4, {0}, {1, 3, 0, 4}, {0, 0, 2, 2}, {1, 2, 3, 4}},
        {SW_FORMAT_BSR4, 2, 2, 32, {0, 2}, {0, 1}, {0}, {0, 1, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0,
                                                         0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4}},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct sw_positions p;
        float values[32];
        SW_TEST_OK(sw_positions_from_mask(mask, 3, 5, want[i].format, &p));
        CU_ASSERT_EQUAL_FATAL(p.starts, want[i].starts);
        CU_ASSERT_EQUAL_FATAL(p.indices, want[i].indices);
        CU_ASSERT_EQUAL_FATAL(p.values, want[i].values);
        if (p.starts > 0) CU_ASSERT_EQUAL(memcmp(p.start, want[i].start, (size_t) p.starts * 4), 0);
        CU_ASSERT_EQUAL(memcmp(p.index, want[i].index, (size_t) p.indices * 4), 0);
        if (p.row != NULL) CU_ASSERT_EQUAL(memcmp(p.row, want[i].row, (size_t) p.indices * 4), 0);
        sw_positions_pack(&p, w, values);
        CU_ASSERT_EQUAL(memcmp(values, want[i].value, (size_t) p.values * 4), 0);
        CU_ASSERT_EQUAL(p.inside, want[i].format == SW_FORMAT_BSR4 ? 15 : 4);
        sw_positions_fini(&p);
    }
}

/* ---- nothing is lost --------------------------------------------------------------------------- */

static void check_conversion(const struct sw_positions *from, const float *values, const float *w,
                             enum sw_layer_format format) {
    static float back[MOST];
    struct sw_positions to;
    float *converted = NULL;
    SW_TEST_OK(sw_positions_convert(from, values, format, &to, &converted));
    CU_ASSERT_EQUAL(to.format, format);
    sw_positions_unpack(&to, converted, back);
    CU_ASSERT_EQUAL(memcmp(back, w, (size_t) (to.rows * to.columns) * sizeof *w), 0);
    sw_positions_fini(&to);
    SW_FREE(&converted);
}

static void every_format_converts_to_every_other(void) {
    uint8_t mask[MOST / 8];
    static float w[MOST], values[MOST * 16];
    for (int s = 0; s < SHAPES * 3; s++) {
        const struct shape *shape = &shapes[s % SHAPES];
        make_matrix(shape, (uint64_t) (2 + s), mask, w);
        for (int from = 0; from < SW_FORMAT_COUNT; from++) {
            struct sw_positions positions;
            SW_TEST_OK(sw_positions_from_mask(mask, shape->rows, shape->columns,
                                              (enum sw_layer_format) from, &positions));
            sw_positions_pack(&positions, w, values);
            for (int to = 0; to < SW_FORMAT_COUNT; to++)
                check_conversion(&positions, values, w, (enum sw_layer_format) to);
            sw_positions_fini(&positions);
        }
    }
}

/* Formats of single weights keep the places exactly, BSR all places of its blocks. */
static void places_come_back(void) {
    uint8_t mask[MOST / 8], back[MOST / 8];
    static float w[MOST];
    for (int s = 0; s < SHAPES; s++) {
        const struct shape *shape = &shapes[s];
        int64_t count = shape->rows * shape->columns;
        make_matrix(shape, 90, mask, w);
        for (int f = 0; f < SW_FORMAT_COUNT; f++) {
            enum sw_layer_format format = (enum sw_layer_format) f;
            struct sw_positions positions;
            SW_TEST_OK(
                sw_positions_from_mask(mask, shape->rows, shape->columns, format, &positions));
            sw_positions_to_mask(&positions, back);
            CU_ASSERT(sw_mask_is_nested(mask, back, count));
            CU_ASSERT(sw_mask_is_clean(back, count));
            CU_ASSERT_EQUAL(sw_mask_count(back, count), positions.inside);
            bool single = sw_format_block(format) == 0 && format != SW_FORMAT_DENSE;
            if (single) CU_ASSERT(sw_mask_is_nested(back, mask, count));
            if (sw_format_block(format) > 0)
                CU_ASSERT(
                    sw_mask_is_blocks(back, shape->rows, shape->columns, sw_format_block(format)));
            sw_positions_fini(&positions);
        }
    }
}

/* ---- blocks ------------------------------------------------------------------------------------ */

static void masks_of_whole_blocks_are_recognised(void) {
    enum { ROWS = 19, COLUMNS = 21, COUNT = ROWS * COLUMNS };
    uint8_t mask[(COUNT + 7) / 8];
    for (int64_t block = 4; block <= 16; block *= 2) {
        sw_mask_fill(mask, COUNT);
        CU_ASSERT(sw_mask_is_blocks(mask, ROWS, COLUMNS, block));
        for (int64_t i = 0; i < COUNT; i++) { /* a block inside, one at the edge, the corner */
            int64_t r = i / COLUMNS / block, c = i % COLUMNS / block;
            bool corner = r == (ROWS - 1) / block && c == (COLUMNS - 1) / block;
            if ((r == 0 && c == 0) || (r == 1 && c == (COLUMNS - 1) / block) || corner)
                sw_mask_clear_bit(mask, i);
        }
        CU_ASSERT(sw_mask_is_blocks(mask, ROWS, COLUMNS, block));
        if (block > 4) CU_ASSERT(sw_mask_is_blocks(mask, ROWS, COLUMNS, block / 2));
        if (block < 16) CU_ASSERT_FALSE(sw_mask_is_blocks(mask, ROWS, COLUMNS, block * 2));
        sw_mask_clear_bit(mask, 7 * COLUMNS + 17); /* one weight of a block */
        CU_ASSERT_FALSE(sw_mask_is_blocks(mask, ROWS, COLUMNS, block));
    }
    CU_ASSERT(sw_mask_is_blocks(mask, 0, 5, 4));
}

static void names_and_blocks_belong_together(void) {
    CU_ASSERT_STRING_EQUAL(sw_format_name(SW_FORMAT_DENSE), "dense");
    CU_ASSERT_STRING_EQUAL(sw_format_name(SW_FORMAT_BSR16), "bsr16");
    CU_ASSERT_EQUAL(sw_format_letter(SW_FORMAT_CSR), 'c');
    CU_ASSERT_EQUAL(sw_format_letter(SW_FORMAT_BSR4), 'b');
    CU_ASSERT_EQUAL(sw_format_bsr(8), SW_FORMAT_BSR8);
    CU_ASSERT_EQUAL(sw_format_bsr(16), SW_FORMAT_BSR16);
    CU_ASSERT_EQUAL(sw_format_bsr(5), SW_FORMAT_DENSE);
    CU_ASSERT_EQUAL(sw_format_bsr(0), SW_FORMAT_DENSE);
}

static void impossible_sizes_are_refused(void) {
    struct sw_positions positions = {.values = 42};
    SW_TEST_FAILS(sw_positions_from_mask(NULL, 1 << 16, 1 << 15, SW_FORMAT_BSR4, &positions),
                  SW_UNSUPPORTED);
    CU_ASSERT_EQUAL(positions.values, 42);
    SW_TEST_OK(sw_positions_from_mask(NULL, 0, 5, SW_FORMAT_BSR8, &positions));
    CU_ASSERT_EQUAL(sw_positions_numbers(&positions), 1); /* one start */
    sw_positions_fini(&positions);
}

static CU_TestInfo tests[] = {
    {"formats_store_as_many_numbers_as_they_say", formats_store_as_many_numbers_as_they_say},
    {"small_matrix_in_every_format", small_matrix_in_every_format},
    {"every_format_converts_to_every_other", every_format_converts_to_every_other},
    {"places_come_back", places_come_back},
    {"masks_of_whole_blocks_are_recognised", masks_of_whole_blocks_are_recognised},
    {"names_and_blocks_belong_together", names_and_blocks_belong_together},
    {"impossible_sizes_are_refused", impossible_sizes_are_refused},
    CU_TEST_INFO_NULL,
};

int main(void) {
    CU_SuiteInfo suites[] = {
        {"formats", NULL, NULL, NULL, NULL, tests},
        CU_SUITE_INFO_NULL,
    };
    return sw_test_main("test_formats", suites);
}
