#include <stdio.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/random.h"

/* A mask that keeps about `percent` of the weights. */
static void random_mask(uint8_t *mask, int64_t count, int percent, uint64_t seed) {
    sw_mask_fill(mask, count);
    for (int64_t i = 0; i < count; i++)
        if (sw_random_uniform(seed, SW_RANDOM_BENCH, 0, (uint64_t) i) * 100 >= percent)
            sw_mask_clear_bit(mask, i);
}

/* ---- bits ------------------------------------------------------------------------------------ */

static void bytes_round_up(void) {
    CU_ASSERT_EQUAL(sw_mask_bytes(0), 0);
    CU_ASSERT_EQUAL(sw_mask_bytes(1), 1);
    CU_ASSERT_EQUAL(sw_mask_bytes(8), 1);
    CU_ASSERT_EQUAL(sw_mask_bytes(9), 2);
    CU_ASSERT_EQUAL(sw_mask_bytes((int64_t) 1 << 40), (int64_t) 1 << 37);
}

static void fill_sets_all_bits_and_no_more(void) {
    for (int64_t count = 0; count <= 150; count++) {
        uint8_t mask[24];
        memset(mask, 0xaa, sizeof mask);
        sw_mask_fill(mask, count);
        CU_ASSERT_EQUAL(sw_mask_count(mask, count), count);
        CU_ASSERT_TRUE(sw_mask_is_clean(mask, count));
        CU_ASSERT_EQUAL(mask[sw_mask_bytes(count)], 0xaa);
    }
}

static void lowest_bit_comes_first(void) {
    const uint8_t mask[] = {0x01, 0x80};
    CU_ASSERT_TRUE(sw_mask_get(mask, 0));
    CU_ASSERT_FALSE(sw_mask_get(mask, 1));
    CU_ASSERT_FALSE(sw_mask_get(mask, 8));
    CU_ASSERT_TRUE(sw_mask_get(mask, 15));
}

static void clear_bit_clears_one(void) {
    uint8_t mask[13];
    for (int64_t i = 0; i < 100; i++) {
        sw_mask_fill(mask, 100);
        sw_mask_clear_bit(mask, i);
        CU_ASSERT_EQUAL(sw_mask_count(mask, 100), 99);
        CU_ASSERT_FALSE(sw_mask_get(mask, i));
    }
}

static void count_ignores_bits_past_the_end(void) {
    uint8_t mask[17];
    memset(mask, 0xff, sizeof mask);
    for (int64_t count = 0; count <= 136; count++)
        CU_ASSERT_EQUAL(sw_mask_count(mask, count), count);
}

static void unused_bits_are_noticed(void) {
    uint8_t mask[2] = {0xff, 0x07};
    CU_ASSERT_TRUE(sw_mask_is_clean(mask, 11));
    mask[1] |= 0x08;
    CU_ASSERT_FALSE(sw_mask_is_clean(mask, 11));
    CU_ASSERT_TRUE(sw_mask_is_clean(mask, 16));
    CU_ASSERT_TRUE(sw_mask_is_clean(mask, 0));
}

static void nesting(void) {
    uint8_t outer[13];
    uint8_t inner[13];
    random_mask(outer, 99, 60, 1);
    memcpy(inner, outer, sizeof inner);
    CU_ASSERT_TRUE(sw_mask_is_nested(inner, outer, 99));
    for (int64_t i = 0; i < 99; i++)
        if (sw_mask_get(outer, i)) {
            sw_mask_clear_bit(outer, i);
            break;
        }
    CU_ASSERT_FALSE(sw_mask_is_nested(inner, outer, 99));
    CU_ASSERT_TRUE(sw_mask_is_nested(outer, inner, 99));
}

/* ---- values ---------------------------------------------------------------------------------- */

static void words_are_the_bits_and_nothing_behind_them(void) {
    static const int64_t counts[] = {1, 7, 8, 9, 63, 64, 65, 72, 127, 128, 130};
    uint8_t bytes[32];
    int wrong = 0;
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
        for (int64_t first = 0; first < counts[c]; first += 8) {
            int64_t n = counts[c] - first < 64 ? counts[c] - first : 64;
            for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = (uint8_t) (73 * i + 29);
            uint64_t word = sw_mask_word(bytes, counts[c], first),
                     gone = UINT64_C(0x5a5ac3c3a5a53c3c);
            for (int64_t i = 0; i < 64; i++)
                wrong += (word >> i & 1) != (i < n && sw_mask_get(bytes, first + i));
            sw_mask_clear_word(bytes, counts[c], first, gone);
            for (int64_t i = 0; i < n; i++)
                wrong += sw_mask_get(bytes, first + i) != ((word & ~gone) >> i & 1);
            for (size_t i = 0; i < sizeof bytes;
                 i++) /* the bytes before and behind are as they were */
                if ((int64_t) i < first / 8 || (int64_t) i >= (first + n + 7) / 8)
                    wrong += bytes[i] != (uint8_t) (73 * i + 29);
        }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void gather_and_scatter_are_inverse(void) {
    enum { COUNT = 203 };
    uint8_t mask[26];
    float from[COUNT];
    float kept[COUNT];
    float back[COUNT];
    random_mask(mask, COUNT, 40, 2);
    for (int i = 0; i < COUNT; i++)
        from[i] = (float) (i + 1);
    int64_t n = sw_mask_gather(mask, COUNT, from, kept);
    CU_ASSERT_EQUAL(n, sw_mask_count(mask, COUNT));
    CU_ASSERT_EQUAL(sw_mask_scatter(mask, COUNT, kept, back), n);
    for (int i = 0; i < COUNT; i++)
        CU_ASSERT_EQUAL(back[i], sw_mask_get(mask, i) ? from[i] : 0.0f);
    for (int64_t i = 1; i < n; i++)
        CU_ASSERT_TRUE(kept[i - 1] < kept[i]);
}

/* ---- compressed sparse rows ------------------------------------------------------------------ */

/* Every invariant of struct sw_csr against the mask. */
static void check_csr(const uint8_t *mask, int64_t rows, int64_t columns,
                      const struct sw_csr *csr) {
    CU_ASSERT_EQUAL_FATAL(csr->nnz, sw_mask_count(mask, rows * columns));
    CU_ASSERT_EQUAL(csr->row_start[0], 0);
    CU_ASSERT_EQUAL(csr->row_start[rows], csr->nnz);
    CU_ASSERT_EQUAL(csr->column_start[0], 0);
    CU_ASSERT_EQUAL(csr->column_start[columns], csr->nnz);
    int32_t k = 0;
    for (int64_t r = 0; r < rows; r++) {
        CU_ASSERT_EQUAL(csr->row_start[r], k);
        for (int64_t c = 0; c < columns; c++)
            if (sw_mask_get(mask, r * columns + c)) CU_ASSERT_EQUAL(csr->column[k++], c);
    }
    for (int64_t c = 0; c < columns; c++)
        for (int32_t t = csr->column_start[c]; t < csr->column_start[c + 1]; t++) {
            int32_t place = csr->value[t];
            CU_ASSERT_EQUAL(csr->column[place], c);
            CU_ASSERT_TRUE(csr->row_start[csr->row[t]] <= place);
            CU_ASSERT_TRUE(place < csr->row_start[csr->row[t] + 1]);
            if (t > csr->column_start[c]) CU_ASSERT_TRUE(csr->row[t - 1] < csr->row[t]);
        }
}

static void csr_lists_the_kept_weights_both_ways(void) {
    static const struct {
        int64_t rows, columns;
        int percent;
    } cases[] = {{1, 1, 100}, {1, 1, 0},   {1, 9, 50},  {9, 1, 50},
                 {5, 7, 0},   {5, 7, 100}, {37, 53, 3}, {64, 64, 50}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t mask[512];
        struct sw_csr csr;
        random_mask(mask, cases[i].rows * cases[i].columns, cases[i].percent, 3);
        SW_TEST_OK(sw_csr_from_mask(mask, cases[i].rows, cases[i].columns, &csr));
        check_csr(mask, cases[i].rows, cases[i].columns, &csr);
        sw_csr_fini(&csr);
        CU_ASSERT_PTR_NULL(csr.row_start);
    }
}

static void csr_of_a_mask_with_dirty_last_byte_stays_inside(void) {
    uint8_t mask[2] = {0xff, 0xff};
    struct sw_csr csr;
    SW_TEST_OK(sw_csr_from_mask(mask, 3, 3, &csr));
    CU_ASSERT_EQUAL(csr.nnz, 9);
    check_csr(mask, 3, 3, &csr);
    sw_csr_fini(&csr);
}

static void csr_of_no_rows_is_empty(void) {
    struct sw_csr csr;
    SW_TEST_OK(sw_csr_from_mask(NULL, 0, 5, &csr));
    CU_ASSERT_EQUAL(csr.nnz, 0);
    CU_ASSERT_EQUAL(csr.column_start[5], 0);
    sw_csr_fini(&csr);
}

static void csr_refuses_impossible_sizes(void) {
    struct sw_csr csr = {.nnz = 42};
    SW_TEST_FAILS(sw_csr_from_mask(NULL, 1 << 16, 1 << 15, &csr), SW_UNSUPPORTED);
    SW_TEST_FAILS(sw_csr_from_mask(NULL, INT64_MAX, 3, &csr), SW_UNSUPPORTED);
    SW_TEST_FAILS(sw_csr_from_mask(NULL, -1, 3, &csr), SW_INTERNAL);
    CU_ASSERT_EQUAL(csr.nnz, 42);
}

static CU_TestInfo bits[] = {
    {"bytes_round_up", bytes_round_up},
    {"fill_sets_all_bits_and_no_more", fill_sets_all_bits_and_no_more},
    {"lowest_bit_comes_first", lowest_bit_comes_first},
    {"clear_bit_clears_one", clear_bit_clears_one},
    {"count_ignores_bits_past_the_end", count_ignores_bits_past_the_end},
    {"unused_bits_are_noticed", unused_bits_are_noticed},
    {"nesting", nesting},
    {"words_are_the_bits_and_nothing_behind_them", words_are_the_bits_and_nothing_behind_them},
    {"gather_and_scatter_are_inverse", gather_and_scatter_are_inverse},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo rows[] = {
    {"csr_lists_the_kept_weights_both_ways", csr_lists_the_kept_weights_both_ways},
    {"csr_of_a_mask_with_dirty_last_byte_stays_inside",
     csr_of_a_mask_with_dirty_last_byte_stays_inside},
    {"csr_of_no_rows_is_empty", csr_of_no_rows_is_empty},
    {"csr_refuses_impossible_sizes", csr_refuses_impossible_sizes},
    CU_TEST_INFO_NULL,
};

int main(void) {
    CU_SuiteInfo suites[] = {
        {"mask", NULL, NULL, NULL, NULL, bits},
        {"csr", NULL, NULL, NULL, NULL, rows},
        CU_SUITE_INFO_NULL,
    };
    return sw_test_main("test_mask", suites);
}
