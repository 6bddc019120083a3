/* What every C test program shares: a main that cannot report success by accident, and small
 * helpers. A program fails when an assertion fails, when a suite cannot start, when no test ran, or
 * when that is so on any rank of an MPI run. */
#pragma once

#include <CUnit/CUnit.h>
#include <stddef.h>

/* Run the suites; returns the exit code. `suites` ends with CU_SUITE_INFO_NULL. Prints failures and
 * one line "NAME: N passed, N failed". */
int sw_test_main(const char *name, CU_SuiteInfo *suites);

/* The same for a program that has called sw_comm_init: the outcome is that of the worst rank; rank
 * 0 prints the line, other ranks print their failures. Collective. */
int sw_test_main_mpi(const char *name, CU_SuiteInfo *suites);

/* A new empty folder, removed (with what is in it) when the program ends. Borrowed; a new one per
 * call. */
const char *sw_test_folder(void);

/* |a - b| <= absolute + relative |b| for every element; reports the worst one on failure. */
int sw_test_close(const float *a, const float *b, size_t n, double absolute, double relative);

/* Assert SW_OK, printing the status text otherwise. */
#define SW_TEST_OK(call)                                                                           \
    do {                                                                                           \
        enum sw_status sw_test_status_ = (call);                                                   \
        if (sw_test_status_ != SW_OK)                                                              \
            fprintf(stderr, "  %s:%d: %s\n", __FILE__, __LINE__, sw_status_text());                \
        CU_ASSERT_EQUAL_FATAL(sw_test_status_, SW_OK);                                             \
    } while (0)
#define SW_TEST_FAILS(call, code)                                                                  \
    do {                                                                                           \
        enum sw_status sw_test_status_ = (call);                                                   \
        CU_ASSERT_EQUAL(sw_test_status_, (code));                                                  \
    } while (0)
