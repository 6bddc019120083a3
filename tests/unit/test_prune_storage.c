/* What a sweep file says about storage, and which masks allow it. */
#include <stdio.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/memory.h"
#include "sweepstake/prune.h"
#include "sweepstake/text.h"

static struct sw_arch arch, conv;
static struct sw_trial_spec spec;

static int set_up(void) {
    return sw_arch_create("mlp-37-19", (int64_t[3]){1, 6, 6}, 10, &arch) != SW_OK ||
           sw_arch_create("conv-2", (int64_t[3]){1, 28, 28}, 10, &conv) != SW_OK;
}

static int tear_down(void) {
    sw_arch_fini(&arch);
    sw_arch_fini(&conv);
    return 0;
}

static void choose(const char *granularity, const char *format, const char *block_size) {
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.prune_granularity, granularity);
    SW_TEXT_COPY(spec.train_format, format);
    SW_TEXT_COPY(spec.train_block_size, block_size);
}

/* ---- what settings mean ------------------------------------------------------------------------ */

static void settings_become_storage(void) {
    static const struct {
        const char *granularity, *format, *block_size;
        enum sw_control control;
        bool forced;
        enum sw_layer_format wanted;
        int64_t block;
    } cases[] = {
        {"weight", "auto", "auto", SW_CONTROL_TICKET, false, SW_FORMAT_DENSE, 1},
        {"neuron", "auto", "auto", SW_CONTROL_TICKET, false, SW_FORMAT_DENSE, 1},
        {"block8", "auto", "auto", SW_CONTROL_TICKET, false, SW_FORMAT_DENSE, 8},
        {"block8", "auto", "auto", SW_CONTROL_SHUFFLE, false, SW_FORMAT_DENSE, 8},
        {"block8", "auto", "auto", SW_CONTROL_REINIT, false, SW_FORMAT_DENSE, 8},
        {"block8", "auto", "auto", SW_CONTROL_RANDOM, false, SW_FORMAT_DENSE, 1},
        {"block16", "auto", "4", SW_CONTROL_TICKET, false, SW_FORMAT_DENSE, 4},
        {"block16", "bsr", "auto", SW_CONTROL_TICKET, true, SW_FORMAT_BSR16, 16},
        {"block16", "bsr", "8", SW_CONTROL_TICKET, true, SW_FORMAT_BSR8, 8},
        {"block4", "bsr", "4", SW_CONTROL_TICKET, true, SW_FORMAT_BSR4, 4},
        {"weight", "dense", "auto", SW_CONTROL_TICKET, true, SW_FORMAT_DENSE, 1},
        {"weight", "csr", "auto", SW_CONTROL_TICKET, true, SW_FORMAT_CSR, 1},
        {"weight", "csc", "auto", SW_CONTROL_RANDOM, true, SW_FORMAT_CSC, 1},
        {"weight", "coo", "auto", SW_CONTROL_TICKET, true, SW_FORMAT_COO, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sw_net_storage storage;
        const char *key = NULL;
        choose(cases[i].granularity, cases[i].format, cases[i].block_size);
        SW_TEST_OK(sw_prune_check(&spec, &arch, &key));
        sw_prune_storage(&spec, cases[i].control, &storage);
        CU_ASSERT_EQUAL(storage.forced, cases[i].forced);
        CU_ASSERT_EQUAL(storage.format, cases[i].wanted);
        CU_ASSERT_EQUAL(storage.block, cases[i].block);
    }
}

/* ---- what cannot be ---------------------------------------------------------------------------- */

static void check_refused(const struct sw_arch *network, const char *wanted_key, const char *part) {
    const char *key = NULL;
    SW_TEST_FAILS(sw_prune_check(&spec, network, &key), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(key, wanted_key);
    if (strstr(sw_status_text(), part) == NULL) fprintf(stderr, "  %s\n", sw_status_text());
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), part));
}

static void blocks_need_tickets_of_blocks(void) {
    choose("weight", "bsr", "auto");
    check_refused(&arch, "train.format", "prune.granularity block4, block8 or block16");
    choose("neuron", "bsr", "auto");
    check_refused(&arch, "train.format", "prune.granularity neuron keeps parts");
    choose("block8", "bsr", "auto");
    SW_TEXT_COPY(spec.control, "reinit,random");
    check_refused(&arch, "train.format", "control random keeps parts");
    SW_TEXT_COPY(spec.control, "reinit,shuffle");
    const char *key = NULL;
    SW_TEST_OK(sw_prune_check(&spec, &arch, &key));
}

static void block_sizes_divide_the_blocks_of_tickets(void) {
    choose("block8", "bsr", "16");
    check_refused(&arch, "train.block_size", "got 16; allowed is at most 8");
    choose("block4", "auto", "8");
    check_refused(&arch, "train.block_size", "got 8; allowed is at most 4");
    choose("weight", "auto", "4");
    check_refused(&arch, "train.block_size", "not used by train.format auto");
    choose("block8", "csr", "8");
    check_refused(&arch, "train.block_size", "not used by train.format csr");
}

static void convolutions_have_two_formats(void) {
    static const char *const formats[] = {"csc", "coo", "bsr"};
    for (int i = 0; i < 3; i++) {
        choose("block8", formats[i], "auto");
        check_refused(&conv, "train.format", "convolution; right are auto, dense or csr");
    }
    choose("block8", "csr", "auto");
    const char *key = NULL;
    SW_TEST_OK(sw_prune_check(&spec, &conv, &key));
}

/* Every word means something, and the formats are those of the tensor module. */
static void words_are_formats(void) {
    const char *word = NULL, *summary = NULL;
    struct sw_net_storage storage;
    int n = 0;
    for (size_t i = 0; (word = sw_prune_format_at(i, &summary)) != NULL; i++, n++) {
        CU_ASSERT(strlen(summary) > 5);
        choose("block8", word, "auto");
        sw_prune_storage(&spec, SW_CONTROL_TICKET, &storage);
        CU_ASSERT_EQUAL(storage.forced, strcmp(word, "auto") != 0);
        if (storage.forced)
            CU_ASSERT_EQUAL(strncmp(sw_format_name(storage.format), word, strlen(word)), 0);
    }
    CU_ASSERT_EQUAL(n, 6);
    for (n = 0; (word = sw_prune_block_size_at((size_t) n, &summary)) != NULL; n++)
        CU_ASSERT(strlen(summary) > 5);
    CU_ASSERT_EQUAL(n, 4);
}

static CU_TestInfo tests[] = {
    {"settings_become_storage", settings_become_storage},
    {"blocks_need_tickets_of_blocks", blocks_need_tickets_of_blocks},
    {"block_sizes_divide_the_blocks_of_tickets", block_sizes_divide_the_blocks_of_tickets},
    {"convolutions_have_two_formats", convolutions_have_two_formats},
    {"words_are_formats", words_are_formats},
    CU_TEST_INFO_NULL,
};

int main(void) {
    CU_SuiteInfo suites[] = {
        {"storage", set_up, tear_down, NULL, NULL, tests},
        CU_SUITE_INFO_NULL,
    };
    return sw_test_main("test_prune_storage", suites);
}
