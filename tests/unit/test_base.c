#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/test_main.h"
#include "sweepstake/digest.h"
#include "sweepstake/memory.h"
#include "sweepstake/random.h"
#include "sweepstake/system.h"
#include "sweepstake/text.h"

/* ---- status --------------------------------------------------------------------------------- */

static void failure_keeps_text_and_origin(void) {
    enum sw_status status = SW_FAIL(SW_IO, "file %s, byte %d", "x", 7);
    CU_ASSERT_EQUAL(status, SW_IO);
    CU_ASSERT_STRING_EQUAL(sw_status_text(), "file x, byte 7");
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_origin(), "test_base.c:"));
}

static void failure_may_quote_the_previous_text(void) {
    (void) !SW_FAIL(SW_IO, "inner");
    (void) !SW_FAIL(SW_CONFIG, "outer: %s", sw_status_text());
    CU_ASSERT_STRING_EQUAL(sw_status_text(), "outer: inner");
}

static void exit_codes_are_the_contract(void) {
    CU_ASSERT_EQUAL(sw_status_exit_code(SW_OK), 0);
    CU_ASSERT_EQUAL(sw_status_exit_code(SW_CONFIG), 1);
    CU_ASSERT_EQUAL(sw_status_exit_code(SW_PARTIAL), 2);
    CU_ASSERT_EQUAL(sw_status_exit_code(SW_INTERNAL), 70);
    CU_ASSERT_EQUAL(sw_status_exit_code(SW_IO), 74);
    CU_ASSERT_EQUAL(sw_status_exit_code(SW_DAMAGED), 74);
    CU_ASSERT_EQUAL(sw_status_exit_code(SW_STOPPED), 75);
}

/* ---- memory --------------------------------------------------------------------------------- */

static void memory_is_zeroed_and_aligned(void) {
    double *array = NULL;
    SW_TEST_OK(SW_ALLOC(&array, 1000, "array"));
    CU_ASSERT_EQUAL((uintptr_t) array % SW_ALIGNMENT, 0);
    double sum = 0;
    for (int i = 0; i < 1000; i++)
        sum += fabs(array[i]);
    CU_ASSERT_EQUAL(sum, 0);
    SW_FREE(&array);
    CU_ASSERT_PTR_NULL(array);
}

static void memory_overflow_is_refused(void) {
    double *array = NULL;
    SW_TEST_FAILS(SW_ALLOC(&array, SIZE_MAX / 4, "huge array"), SW_NOMEM);
    CU_ASSERT_PTR_NULL(array);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "huge array"));
}

static void memory_grows_keeping_its_elements(void) {
    int *array = NULL;
    SW_TEST_OK(SW_GROW(&array, 0, 3, "ints"));
    for (int i = 0; i < 3; i++)
        array[i] = i + 1;
    SW_TEST_OK(SW_GROW(&array, 3, 100, "ints"));
    CU_ASSERT_EQUAL(array[0] + array[1] + array[2], 6);
    CU_ASSERT_EQUAL(array[99], 0);
    SW_FREE(&array);
}

/* ---- text ----------------------------------------------------------------------------------- */

static void text_grows(void) {
    struct sw_text text = {0};
    CU_ASSERT_STRING_EQUAL(sw_text_get(&text), "");
    for (int i = 0; i < 500; i++)
        SW_TEST_OK(sw_text_add(&text, "%03d,", i));
    CU_ASSERT_EQUAL(text.length, 2000);
    CU_ASSERT_STRING_EQUAL(sw_text_get(&text) + 1996, "499,");
    sw_text_fini(&text);
}

static void numbers_are_read_strictly(void) {
    int64_t whole = -1;
    double real = -1;
    CU_ASSERT_TRUE(sw_text_to_int("42", &whole) && whole == 42);
    CU_ASSERT_TRUE(sw_text_to_int("-7", &whole) && whole == -7);
    static const char *const bad_ints[] = {"",   " 1", "1 ", "1.0", "0x10", "9223372036854775808",
                                           "one"};
    for (size_t i = 0; i < sizeof bad_ints / sizeof *bad_ints; i++)
        CU_ASSERT_FALSE(sw_text_to_int(bad_ints[i], &whole));
    CU_ASSERT_TRUE(sw_text_to_real("1.2e-3", &real) && real == 1.2e-3);
    static const char *const bad_reals[] = {"", "nan", "inf", "0x1p3", "1e999", "0.2x", " 1"};
    for (size_t i = 0; i < sizeof bad_reals / sizeof *bad_reals; i++)
        CU_ASSERT_FALSE(sw_text_to_real(bad_reals[i], &real));
}

static void nearest_word_is_found_or_none(void) {
    static const char *const words[] = {"magnitude", "random", "prune.rate"};
    CU_ASSERT_STRING_EQUAL(sw_text_nearest("magnitud", words, 3), "magnitude");
    CU_ASSERT_STRING_EQUAL(sw_text_nearest("prune.raet", words, 3), "prune.rate");
    CU_ASSERT_PTR_NULL(sw_text_nearest("optimizer", words, 3));
    CU_ASSERT_STRING_EQUAL(sw_text_nearest("mag", words, 3), "magnitude");
    CU_ASSERT_PTR_NULL(sw_text_nearest("ma", words, 3));
    static const char *const models[] = {"conv-2-4", "conv-6-8"};
    CU_ASSERT_PTR_NULL(sw_text_nearest("conv-", models, 2));
    CU_ASSERT_EQUAL(sw_text_distance("kitten", "sitting", 10), 3);
    CU_ASSERT_EQUAL(sw_text_distance("abc", "", 1), 2);
}

static void amounts_are_readable(void) {
    char out[32];
    CU_ASSERT_STRING_EQUAL(sw_text_bytes(out, sizeof out, 1536), "1.50 KiB");
    CU_ASSERT_STRING_EQUAL(sw_text_bytes(out, sizeof out, 7), "7 B");
    CU_ASSERT_STRING_EQUAL(sw_text_seconds(out, sizeof out, 4.24), "4.2 s");
    CU_ASSERT_STRING_EQUAL(sw_text_seconds(out, sizeof out, 200), "3 min 20 s");
    CU_ASSERT_STRING_EQUAL(sw_text_seconds(out, sizeof out, 3725), "1 h 02 min");
    CU_ASSERT_STRING_EQUAL(sw_text_seconds(out, sizeof out, NAN), "unknown");
}

static void copies_are_cut_and_padded(void) {
    char array[8];
    memset(array, 'x', sizeof array);
    SW_TEXT_COPY(array, "abc");
    CU_ASSERT_EQUAL(memcmp(array, "abc\0\0\0\0\0", 8), 0);
    SW_TEXT_COPY(array, "abcdefghijk");
    CU_ASSERT_STRING_EQUAL(array, "abcdefg");
}

/* ---- random --------------------------------------------------------------------------------- */

static void philox_matches_its_published_answer(void) {
    /* Known answer of Philox4x32-10 for counter 0 and key 0, from the Random123 distribution.
     * Purpose 0 is never used by the program and leaves the key at 0. */
    struct sw_random_words words = sw_random_draw(0, (enum sw_random_purpose) 0, 0, 0);
    CU_ASSERT_EQUAL(words.word[0], 0x6627e8d5u);
    CU_ASSERT_EQUAL(words.word[1], 0xe169c58du);
    CU_ASSERT_EQUAL(words.word[2], 0xbc57ac4cu);
    CU_ASSERT_EQUAL(words.word[3], 0x9b00dbd8u);
}

static void normals_have_the_right_moments(void) {
    enum { N = 20000 };
    double mean = 0, square = 0, fourth = 0;
    for (uint64_t i = 0; i < N; i++) {
        double x = sw_random_normal(3, SW_RANDOM_INIT, 5, i);
        mean += x / N;
        square += x * x / N;
        fourth += x * x * x * x / N;
    }
    CU_ASSERT_DOUBLE_EQUAL(mean, 0, 4 / sqrt(N));
    CU_ASSERT_DOUBLE_EQUAL(square, 1, 4 * sqrt(2.0 / N));
    CU_ASSERT_DOUBLE_EQUAL(fourth, 3, 4 * sqrt(96.0 / N));
}

static void every_coordinate_of_a_draw_matters(void) {
    uint64_t base = sw_random_u64(1, SW_RANDOM_INIT, 2, 3);
    CU_ASSERT_EQUAL(base, sw_random_u64(1, SW_RANDOM_INIT, 2, 3));
    CU_ASSERT_NOT_EQUAL(base, sw_random_u64(2, SW_RANDOM_INIT, 2, 3));
    CU_ASSERT_NOT_EQUAL(base, sw_random_u64(1, SW_RANDOM_REINIT, 2, 3));
    CU_ASSERT_NOT_EQUAL(base, sw_random_u64(1, SW_RANDOM_INIT, 3, 3));
    CU_ASSERT_NOT_EQUAL(base, sw_random_u64(1, SW_RANDOM_INIT, 2, 4));
}

static void permutations_are_permutations(void) {
    enum { N = 1000 };
    int32_t order[N], other[N];
    char seen[N] = {0};
    sw_random_permutation(7, SW_RANDOM_ORDER, 0, order, N);
    sw_random_permutation(7, SW_RANDOM_ORDER, 1, other, N);
    int same = 0;
    for (int i = 0; i < N; i++) {
        CU_ASSERT_FATAL(order[i] >= 0 && order[i] < N && !seen[order[i]]);
        seen[order[i]] = 1;
        same += order[i] == other[i];
    }
    CU_ASSERT_TRUE(same < 10);
    sw_random_permutation(7, SW_RANDOM_ORDER, 0, order, 0);
}

static void permutations_are_uniform(void) {
    /* All 6 orders of 3 elements, 6000 streams: each about 1000 times (5 standard deviations). */
    int count[27] = {0};
    for (uint64_t stream = 0; stream < 6000; stream++) {
        int32_t order[3];
        sw_random_permutation(1, SW_RANDOM_ORDER, stream, order, 3);
        count[order[0] * 9 + order[1] * 3 + order[2]]++;
    }
    int orders = 0;
    for (int i = 0; i < 27; i++) {
        if (count[i] == 0) continue;
        orders++;
        CU_ASSERT_TRUE(abs(count[i] - 1000) < 145);
    }
    CU_ASSERT_EQUAL(orders, 6);
}

/* ---- digest, files, processor --------------------------------------------------------------- */

static void digest_of_nothing_is_the_published_one(void) {
    char text[SW_DIGEST_TEXT];
    /* XXH3-128 of the empty input, from the xxHash specification. */
    CU_ASSERT_STRING_EQUAL(sw_digest_text(sw_digest_of(NULL, 0), text),
                           "99aa06d3014798d86001c324468d497f");
}

static void streamed_digest_equals_the_whole(void) {
    char bytes[5000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char) (i * 31);
    struct sw_digest_stream *stream = NULL;
    SW_TEST_OK(sw_digest_begin(&stream));
    sw_digest_update(stream, bytes, 13);
    sw_digest_update(stream, bytes + 13, sizeof bytes - 13);
    struct sw_digest pieces = sw_digest_end(&stream);
    CU_ASSERT_PTR_NULL(stream);
    CU_ASSERT_TRUE(sw_digest_equal(pieces, sw_digest_of(bytes, sizeof bytes)));
    bytes[4000] ^= 1;
    CU_ASSERT_FALSE(sw_digest_equal(pieces, sw_digest_of(bytes, sizeof bytes)));
}

static void files_are_written_and_read_back(void) {
    char path[128];
    (void) snprintf(path, sizeof path, "%s/file", sw_test_folder());
    char *bytes = NULL;
    size_t length = 0;
    SW_TEST_FAILS(sw_file_read(path, 100, &bytes, &length), SW_IO);
    SW_TEST_OK(sw_file_write(path, "hello", 5));
    SW_TEST_OK(sw_file_read(path, 100, &bytes, &length));
    CU_ASSERT_EQUAL(length, 5);
    CU_ASSERT_STRING_EQUAL(bytes, "hello");
    SW_FREE(&bytes);
    SW_TEST_FAILS(sw_file_read(path, 4, &bytes, &length), SW_CONFIG);
    SW_TEST_FAILS(sw_file_read("/", 100, &bytes, &length), SW_IO);
    CU_ASSERT_PTR_NULL(bytes);
    SW_TEST_FAILS(sw_file_write("/no/such/folder/file", "x", 1), SW_IO);
}

static void instruction_sets_have_names(void) {
    enum sw_isa isa = SW_ISA_GENERIC;
    CU_ASSERT_TRUE(sw_isa_find("avx2", &isa) && isa == SW_ISA_AVX2);
    CU_ASSERT_FALSE(sw_isa_find("avx9", &isa));
    CU_ASSERT_EQUAL(setenv("SWEEPSTAKE_ISA", "generic", 1), 0);
    CU_ASSERT_EQUAL(sw_isa_detect(), SW_ISA_GENERIC);
    CU_ASSERT_EQUAL(unsetenv("SWEEPSTAKE_ISA"), 0);
}

static void clocks_move_forward(void) {
    double before = sw_clock_monotonic();
    sw_clock_sleep(0.002);
    CU_ASSERT_TRUE(sw_clock_monotonic() - before >= 0.002);
    CU_ASSERT_TRUE(sw_clock_wall() > 1.6e9);
}

int main(void) {
    CU_TestInfo status[] = {
        {"failure keeps text and origin", failure_keeps_text_and_origin},
        {"failure may quote the previous text", failure_may_quote_the_previous_text},
        {"exit codes are the contract", exit_codes_are_the_contract},
        CU_TEST_INFO_NULL};
    CU_TestInfo memory[] = {
        {"memory is zeroed and aligned", memory_is_zeroed_and_aligned},
        {"memory overflow is refused", memory_overflow_is_refused},
        {"memory grows keeping its elements", memory_grows_keeping_its_elements},
        CU_TEST_INFO_NULL};
    CU_TestInfo text[] = {{"text grows", text_grows},
                          {"numbers are read strictly", numbers_are_read_strictly},
                          {"nearest word is found or none", nearest_word_is_found_or_none},
                          {"amounts are readable", amounts_are_readable},
                          {"copies are cut and padded", copies_are_cut_and_padded},
                          CU_TEST_INFO_NULL};
    CU_TestInfo randoms[] = {
        {"philox matches its published answer", philox_matches_its_published_answer},
        {"normals have the right moments", normals_have_the_right_moments},
        {"every coordinate of a draw matters", every_coordinate_of_a_draw_matters},
        {"permutations are permutations", permutations_are_permutations},
        {"permutations are uniform", permutations_are_uniform},
        CU_TEST_INFO_NULL};
    CU_TestInfo machine[] = {
        {"digest of nothing is the published one", digest_of_nothing_is_the_published_one},
        {"streamed digest equals the whole", streamed_digest_equals_the_whole},
        {"files are written and read back", files_are_written_and_read_back},
        {"instruction sets have names", instruction_sets_have_names},
        {"clocks move forward", clocks_move_forward},
        CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {
        {"status", NULL, NULL, NULL, NULL, status},   {"memory", NULL, NULL, NULL, NULL, memory},
        {"text", NULL, NULL, NULL, NULL, text},       {"random", NULL, NULL, NULL, NULL, randoms},
        {"machine", NULL, NULL, NULL, NULL, machine}, CU_SUITE_INFO_NULL};
    return sw_test_main("test_base", suites);
}
