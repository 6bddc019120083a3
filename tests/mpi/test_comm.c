/* Ranks and messages, on 1, 2 and 4 ranks. */
#include "../support/test_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweepstake/comm.h"
#include "sweepstake/system.h"

#define PATIENCE 10.0 /* seconds until a message that should have come counts as lost */

/* ---- start-up -------------------------------------------------------------------------------- */

static void environment_is_changed_only_once(void) {
    (void) setenv("OPENBLAS_NUM_THREADS", "7", 1);
    (void) unsetenv("HWLOC_COMPONENTS");
    CU_ASSERT_TRUE(sw_comm_prepare_environment());
    CU_ASSERT_STRING_EQUAL(getenv("OPENBLAS_NUM_THREADS"), "1");
    CU_ASSERT_STRING_EQUAL(getenv("HWLOC_COMPONENTS"), "-opencl,-cuda,-nvml,-gl");
    CU_ASSERT_STRING_EQUAL(getenv("OMPI_MCA_fbtl_posix_write_datasieving"), "0");
    CU_ASSERT_FALSE(sw_comm_prepare_environment());
}

static void ranks_are_numbered_within_world_and_node(void) {
    int node_rank = -1, node_size = -1;
    sw_comm_node(&node_rank, &node_size);
    CU_ASSERT_TRUE(sw_comm_rank() >= 0 && sw_comm_rank() < sw_comm_size());
    CU_ASSERT_EQUAL(node_size, sw_comm_size()); /* the tests run on one host */
    CU_ASSERT_EQUAL(node_rank, sw_comm_rank());
    SW_TEST_OK(sw_comm_node_barrier());
}

static void broadcasts_come_from_the_first_rank(void) {
    char word[8] = "other";
    if (sw_comm_rank() == 0) memcpy(word, "first", 6);
    SW_TEST_OK(sw_comm_broadcast(word, sizeof word));
    CU_ASSERT_STRING_EQUAL(word, "first");
    int64_t number = sw_comm_rank() == 0 ? 41 : -1;
    SW_TEST_OK(sw_comm_node_broadcast(&number, sizeof number));
    CU_ASSERT_EQUAL(number, 41);
    SW_TEST_FAILS(sw_comm_broadcast(word, -1), SW_INTERNAL);
    SW_TEST_FAILS(sw_comm_broadcast(word, (int64_t) 1 << 40), SW_INTERNAL);
}

static void a_node_gathers_in_the_order_of_its_ranks(void) {
    int node_rank = -1, node_size = 0, all[64] = {0};
    sw_comm_node(&node_rank, &node_size);
    int mine = 100 + node_rank;
    CU_ASSERT_FATAL(node_size <= 64);
    SW_TEST_OK(sw_comm_node_gather(&mine, sizeof mine, all));
    for (int i = 0; i < node_size; i++)
        CU_ASSERT_EQUAL(all[i], 100 + i);
    SW_TEST_FAILS(sw_comm_node_gather(&mine, -1, all), SW_INTERNAL);
    int last = sw_comm_size() - 1, number = sw_comm_rank();
    SW_TEST_OK(sw_comm_broadcast_from(last, &number, sizeof number));
    CU_ASSERT_EQUAL(number, last);
}

static void minimum_is_over_all_ranks(void) {
    int64_t least = 0;
    SW_TEST_OK(sw_comm_minimum(INT64_C(5000000000) - sw_comm_rank(), &least));
    CU_ASSERT_EQUAL(least, INT64_C(5000000000) - (sw_comm_size() - 1));
}

static void agreement_carries_the_worst_code_and_its_text(void) {
    SW_TEST_OK(sw_comm_agree(SW_OK));
    int last = sw_comm_size() - 1;
    enum sw_status mine = SW_OK;
    if (sw_comm_rank() == last) mine = SW_FAIL(SW_IO, "the disk of rank %d is full", last);
    SW_TEST_FAILS(sw_comm_agree(mine), SW_IO);
    char expected[64];
    snprintf(expected, sizeof expected, "the disk of rank %d is full", last);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), expected));
    SW_TEST_FAILS(sw_comm_agree(SW_FAIL(SW_CONFIG, "everyone fails")), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(sw_status_text(), "everyone fails");
}

/* ---- signs of life --------------------------------------------------------------------------- */

#define SLOW_SECONDS 2.5 /* of work, far beyond the patience of the others */

static int looks; /* of what rank 0 does meanwhile */

static enum sw_status look(void *context) {
    CU_ASSERT_PTR_EQUAL(context, &looks);
    looks++;
    return SW_OK;
}

static enum sw_status work_slowly(void *context) {
    double end = sw_clock_monotonic() + SLOW_SECONDS;
    while (sw_clock_monotonic() < end)
        sw_clock_sleep(0.1);
    *(int *) context += 1;
    return SW_OK;
}

static enum sw_status fail_at_work(void *context) {
    (void) context;
    return SW_FAIL(SW_DAMAGED, "image 7 is torn");
}

/* Each rank in turn takes longer than the patience of those that wait for it. */
static void a_rank_that_works_is_not_taken_for_dead(void) {
    int done = 0;
    sw_comm_set_patience(1);
    sw_comm_set_meanwhile(look, &looks);
    if (sw_comm_rank() == 0) SW_TEST_OK(sw_comm_work(work_slowly, &done));
    SW_TEST_OK(sw_comm_agree(SW_OK));
    int looks_at_work = looks;
    if (sw_comm_rank() == sw_comm_size() - 1) SW_TEST_OK(sw_comm_work(work_slowly, &done));
    SW_TEST_OK(sw_comm_agree(SW_OK));
    sw_comm_set_meanwhile(NULL, NULL);
    sw_comm_set_patience(60);
    bool first = sw_comm_rank() == 0, last = sw_comm_rank() == sw_comm_size() - 1;
    CU_ASSERT_EQUAL(done, first + last);
    /* Four times within the patience, for seconds: also while another one works. */
    if (first) CU_ASSERT_TRUE(looks_at_work >= 4);
    if (first) CU_ASSERT_TRUE(looks >= looks_at_work + 4);
}

static void work_that_fails_keeps_its_text(void) {
    SW_TEST_FAILS(sw_comm_work(fail_at_work, NULL), SW_DAMAGED);
    CU_ASSERT_STRING_EQUAL(sw_status_text(), "image 7 is torn");
    SW_TEST_OK(sw_comm_node_barrier());
}

/* ---- messages -------------------------------------------------------------------------------- */

/* Poll until a message comes; false when none does. */
static bool await(struct sw_inbox *inbox, int *source, unsigned char *message) {
    double end = sw_clock_monotonic() + PATIENCE;
    bool got = false;
    while (!got && sw_clock_monotonic() < end) {
        SW_TEST_OK(sw_inbox_poll(inbox, &got, source, message));
        if (!got) sw_clock_sleep(0.001);
    }
    return got;
}

static void messages_arrive_in_order_and_are_copies(void) {
    struct sw_inbox *inbox;
    unsigned char message[SW_MESSAGE_BYTES];
    int next = (sw_comm_rank() + 1) % sw_comm_size();
    int previous = (sw_comm_rank() + sw_comm_size() - 1) % sw_comm_size();
    SW_TEST_OK(sw_inbox_open(-1, &inbox));
    for (int i = 0; i < 100; i++) {
        memset(message, i, sizeof message);
        SW_TEST_OK(sw_comm_send(next, message));
        memset(message, 255, sizeof message); /* must not reach the receiver */
    }
    for (int i = 0; i < 100; i++) {
        int source = -1;
        CU_ASSERT_TRUE_FATAL(await(inbox, &source, message));
        CU_ASSERT_EQUAL(source, previous);
        CU_ASSERT_EQUAL(message[0], i);
        CU_ASSERT_EQUAL(message[SW_MESSAGE_BYTES - 1], i);
    }
    CU_ASSERT_TRUE(sw_comm_flush(PATIENCE));
    bool got = true;
    int source;
    SW_TEST_OK(sw_inbox_poll(inbox, &got, &source, message));
    CU_ASSERT_FALSE(got);
    sw_inbox_close(&inbox);
    CU_ASSERT_PTR_NULL(inbox);
    sw_inbox_close(&inbox);
    SW_TEST_OK(sw_comm_node_barrier());
}

static void an_inbox_takes_only_what_its_source_sends(void) {
    struct sw_inbox *inbox;
    unsigned char message[SW_MESSAGE_BYTES] = {0};
    int last = sw_comm_size() - 1, source = -1;
    /* Everyone but rank 0 sends to rank 0; the inbox for the last rank sees just that one. */
    if (sw_comm_rank() != 0 || last == 0) {
        message[0] = (unsigned char) (100 + sw_comm_rank());
        SW_TEST_OK(sw_comm_send(0, message));
    }
    if (sw_comm_rank() == 0) {
        SW_TEST_OK(sw_inbox_open(last, &inbox));
        CU_ASSERT_TRUE_FATAL(await(inbox, &source, message));
        CU_ASSERT_EQUAL(source, last);
        CU_ASSERT_EQUAL(message[0], 100 + last);
        sw_inbox_close(&inbox);
        SW_TEST_OK(sw_inbox_open(-1, &inbox));
        for (int i = 1; i < last; i++)
            CU_ASSERT_TRUE_FATAL(await(inbox, &source, message) && source != last);
        sw_inbox_close(&inbox);
    }
    SW_TEST_OK(sw_comm_node_barrier());
}

static void an_inbox_wants_an_existing_rank(void) {
    struct sw_inbox *inbox = NULL;
    SW_TEST_FAILS(sw_inbox_open(sw_comm_size(), &inbox), SW_INTERNAL);
    SW_TEST_FAILS(sw_inbox_open(-2, &inbox), SW_INTERNAL);
    CU_ASSERT_PTR_NULL(inbox);
}

static void sending_to_no_rank_fails(void) {
    unsigned char message[SW_MESSAGE_BYTES] = {0};
    SW_TEST_FAILS(sw_comm_send(sw_comm_size(), message), SW_INTERNAL);
    CU_ASSERT_TRUE(sw_comm_flush(0));
}

int main(void) {
    static CU_TestInfo start_up[] = {
        {"environment_is_changed_only_once", environment_is_changed_only_once},
        {"ranks_are_numbered_within_world_and_node", ranks_are_numbered_within_world_and_node},
        {"broadcasts_come_from_the_first_rank", broadcasts_come_from_the_first_rank},
        {"a_node_gathers_in_the_order_of_its_ranks", a_node_gathers_in_the_order_of_its_ranks},
        {"minimum_is_over_all_ranks", minimum_is_over_all_ranks},
        {"agreement_carries_the_worst_code_and_its_text",
         agreement_carries_the_worst_code_and_its_text},
        {"a_rank_that_works_is_not_taken_for_dead", a_rank_that_works_is_not_taken_for_dead},
        {"work_that_fails_keeps_its_text", work_that_fails_keeps_its_text},
        CU_TEST_INFO_NULL};
    static CU_TestInfo messages[] = {
        {"messages_arrive_in_order_and_are_copies", messages_arrive_in_order_and_are_copies},
        {"an_inbox_takes_only_what_its_source_sends", an_inbox_takes_only_what_its_source_sends},
        {"an_inbox_wants_an_existing_rank", an_inbox_wants_an_existing_rank},
        {"sending_to_no_rank_fails", sending_to_no_rank_fails},
        CU_TEST_INFO_NULL};
    static CU_SuiteInfo suites[] = {{"start_up", NULL, NULL, NULL, NULL, start_up},
                                    {"messages", NULL, NULL, NULL, NULL, messages},
                                    CU_SUITE_INFO_NULL};
    (void) sw_comm_prepare_environment();
    if (sw_comm_init() != SW_OK) return 1;
    int code = sw_test_main_mpi("test_comm", suites);
    sw_comm_fini(true, code);
    return code;
}
