#include "test_main.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sweepstake/comm.h"

/* ---- running -------------------------------------------------------------------------------- */

struct outcome {
    unsigned run, failed;
    int broken; /* a suite could not start, or CUnit itself failed */
};

static struct outcome run_suites(CU_SuiteInfo *suites) {
    struct outcome outcome = {0, 0, 1};
    if (CU_initialize_registry() != CUE_SUCCESS) return outcome;
    if (CU_register_suites(suites) == CUE_SUCCESS) {
        /* CU_run_all_tests returns 0 even when assertions fail: look at all four numbers. */
        CU_ErrorCode error = CU_run_all_tests();
        outcome.run = CU_get_number_of_tests_run();
        outcome.failed = CU_get_number_of_tests_failed();
        outcome.broken = error != CUE_SUCCESS || CU_get_number_of_suites_failed() > 0 ||
                         (CU_get_number_of_failures() > 0 && outcome.failed == 0);
    }
    for (CU_pFailureRecord record = CU_get_failure_list(); record != NULL; record = record->pNext)
        fprintf(stderr, "  FAILED %s/%s %s:%u: %s\n",
                record->pSuite != NULL ? record->pSuite->pName : "?",
                record->pTest != NULL ? record->pTest->pName : "?", record->strFileName,
                record->uiLineNumber, record->strCondition);
    CU_cleanup_registry();
    return outcome;
}

static int is_bad(const struct outcome *outcome) {
    return outcome->broken || outcome->failed > 0 || outcome->run == 0;
}

static void print_line(const char *name, const struct outcome *outcome, int other_bad) {
    unsigned failed = outcome->failed;
    if (failed == 0 && (is_bad(outcome) || other_bad)) failed = 1;
    printf("%s: %u passed, %u failed\n", name, outcome->run - outcome->failed, failed);
    fflush(stdout);
}

int sw_test_main(const char *name, CU_SuiteInfo *suites) {
    struct outcome outcome = run_suites(suites);
    print_line(name, &outcome, 0);
    return is_bad(&outcome);
}

int sw_test_main_mpi(const char *name, CU_SuiteInfo *suites) {
    struct outcome outcome = run_suites(suites);
    int64_t worst = 0;
    /* The minimum of the negated flag is the worst rank's. */
    if (sw_comm_minimum(-(int64_t) is_bad(&outcome), &worst) != SW_OK) worst = -1;
    if (sw_comm_rank() == 0) print_line(name, &outcome, worst != 0);
    return worst != 0;
}

/* ---- scratch folders ------------------------------------------------------------------------ */

static char folders[64][64];
static size_t n_folders;
static pid_t owner;

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void) info, (void) kind, (void) walk;
    return remove(path);
}

static void remove_folders(void) {
    if (getpid() != owner) return;
    for (size_t i = 0; i < n_folders; i++)
        (void) nftw(folders[i], remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *sw_test_folder(void) {
    if (n_folders == sizeof folders / sizeof *folders) abort();
    if (n_folders == 0) {
        owner = getpid();
        (void) atexit(remove_folders);
    }
    char *folder = folders[n_folders++];
    snprintf(folder, sizeof *folders, "/tmp/sweepstake-test-XXXXXX");
    if (mkdtemp(folder) == NULL) abort();
    return folder;
}

/* ---- numbers -------------------------------------------------------------------------------- */

int sw_test_close(const float *a, const float *b, size_t n, double absolute, double relative) {
    size_t worst = 0;
    double excess = 0;
    for (size_t i = 0; i < n; i++) {
        double over = fabs((double) a[i] - b[i]) - absolute - relative * fabs((double) b[i]);
        if (!(over <= excess)) { /* also true for NaN */
            excess = over;
            worst = i;
        }
    }
    if (excess == 0) return 1;
    fprintf(stderr, "  element %zu of %zu: %.9g is not %.9g\n", worst, n, (double) a[worst],
            (double) b[worst]);
    return 0;
}
