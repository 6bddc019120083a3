/* An exported ticket: right values at the right places, small, complete, and never over another file. */
#include <fcntl.h>
#include <hdf5.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/small_sweep.h"
#include "../support/test_main.h"
#include "sweepstake/comm.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

struct fixture {
    char path[256], out[256];
    struct sw_sweep sweep;
    struct sw_store *store;
};

static void set_up(struct fixture *fixture, int64_t scale, double share) {
    struct sw_store_identity identity = sw_small_identity();
    const char *folder = sw_test_folder();
    snprintf(fixture->path, sizeof fixture->path, "%s/store.h5", folder);
    snprintf(fixture->out, sizeof fixture->out, "%s/ticket.h5", folder);
    sw_small_sweep(&fixture->sweep, scale, share);
    SW_TEST_OK(sw_store_create(fixture->path, &fixture->sweep, &identity));
    SW_TEST_OK(sw_store_open(fixture->path, SW_STORE_WRITE, &fixture->store));
}

static void commit_row(struct fixture *fixture, int64_t row, enum sw_small_kind kind) {
    struct sw_small_round round;
    sw_small_round_make(&fixture->sweep, row, kind, 0, &round);
    SW_TEST_OK(sw_store_commit(fixture->store, row, &round.payload, false));
    sw_small_round_fini(&round);
}

static void commit_all(struct fixture *fixture) {
    for (int64_t row = 0; row < SW_SMALL_ROUNDS; row++)
        commit_row(fixture, row, SW_SMALL_OK);
}

static void tear_down(struct fixture *fixture) {
    sw_store_close(&fixture->store);
    sw_sweep_fini(&fixture->sweep);
}

/* ---- reading an exported file --------------------------------------------------------------- */

/* A whole array by "PARAM/ARRAY"; its elements into *count, -1 when it is not there. */
static void *read_array(hid_t file, const char *param, const char *array, hid_t type,
                        int64_t *count) {
    char name[96];
    snprintf(name, sizeof name, "/params/%s/%s", param, array);
    *count = -1;
    hid_t set = H5Lexists(file, name, H5P_DEFAULT) > 0 ? H5Dopen2(file, name, H5P_DEFAULT) : -1;
    if (set < 0) return NULL;
    hid_t space = H5Dget_space(set);
    char *values;
    *count = H5Sget_simple_extent_npoints(space);
    SW_TEST_OK(SW_ALLOC(&values, (size_t) *count * H5Tget_size(type) + 8, "an array"));
    CU_ASSERT_TRUE(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Sclose(space);
    H5Dclose(set);
    return values;
}

/* Values scattered over the whole parameter, as a reader would do it. */
static float *read_dense(hid_t file, const struct sw_param *param, const char *array) {
    int64_t n_values, n_mask;
    float *dense, *values = read_array(file, param->name, array, H5T_NATIVE_FLOAT, &n_values);
    uint8_t *mask = read_array(file, param->name, "mask", H5T_NATIVE_UINT8, &n_mask);
    CU_ASSERT_PTR_NOT_NULL_FATAL(values);
    CU_ASSERT_EQUAL(n_mask, param->prunable ? (param->count + 7) / 8 : -1);
    SW_TEST_OK(SW_ALLOC(&dense, (size_t) param->count, "a parameter"));
    int64_t used = 0;
    for (int64_t i = 0; i < param->count; i++)
        if (mask == NULL || (mask[i / 8] >> (i % 8)) & 1) dense[i] = values[used++];
    CU_ASSERT_EQUAL(used, n_values);
    SW_FREE(&values);
    SW_FREE(&mask);
    return dense;
}

/* The same from the round that was committed. */
static void expect_param(hid_t file, const struct sw_small_round *round, const char *name,
                         const float *start, const struct sw_param *param, const float **weights) {
    float *theta = read_dense(file, param, name), *trained = read_dense(file, param, "weights");
    for (int64_t i = 0; i < param->count; i++) {
        bool kept = param->prunable == 0 || sw_mask_get(round->mask + param->mask_offset, i);
        float expected0 = kept ? start[param->offset + i] : 0;
        float expected = kept ? *(*weights)++ : 0;
        if (theta[i] != expected0 || trained[i] != expected) CU_FAIL_FATAL("a value is wrong");
    }
    SW_FREE(&theta);
    SW_FREE(&trained);
}

static void expect_ticket(struct fixture *fixture, int64_t row) {
    struct sw_small_round round, dense;
    const struct sw_round_plan *plan = &fixture->sweep.rounds[row];
    const struct sw_arch *arch = &fixture->sweep.archs[plan->arch];
    bool rewound = plan->theta_k_owner >= 0;
    sw_small_round_make(&fixture->sweep, row, SW_SMALL_OK, 0, &round);
    sw_small_round_make(&fixture->sweep, 0, SW_SMALL_OK, 0, &dense);
    const float *start = rewound ? dense.theta_k + plan->theta_k_index * arch->parameters
                                 : round.theta0;
    const float *weights = round.weights;
    hid_t file = H5Fopen(fixture->out, H5F_ACC_RDONLY, H5P_DEFAULT);
    CU_ASSERT_TRUE_FATAL(file >= 0);
    for (int64_t i = 0; i < arch->n_params; i++)
        expect_param(file, &round, rewound ? "theta_k" : "theta0", start, &arch->params[i],
                     &weights);
    CU_ASSERT_EQUAL(weights - round.weights, fixture->sweep.rounds[row].survivors);
    H5Fclose(file);
    sw_small_round_fini(&round);
    sw_small_round_fini(&dense);
}

static void survivors_stand_where_the_mask_says(void) {
    const int64_t rows[] = {0, 1, 2, 3, 4, 5, 6};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture fixture;
        set_up(&fixture, i == 3 ? 40 : 1, 0.6); /* row 3 large enough to be compressed */
        commit_all(&fixture);
        SW_TEST_OK(sw_store_export(fixture.store, rows[i], fixture.out));
        expect_ticket(&fixture, rows[i]);
        tear_down(&fixture);
    }
}

static void ticket_is_at_most_a_fifth_of_a_dense_checkpoint(void) {
    struct fixture fixture;
    struct stat info;
    set_up(&fixture, 70, 0.1); /* 420 x 630 and 4 x 420, as large as LeNet-300-100 */
    commit_all(&fixture);
    SW_TEST_OK(sw_store_export(fixture.store, 1, fixture.out));
    CU_ASSERT_EQUAL_FATAL(stat(fixture.out, &info), 0);
    double dense = 4.0 * (double) fixture.sweep.archs[0].parameters;
    if ((double) info.st_size > 0.2 * dense)
        fprintf(stderr, "  %.4f of a dense checkpoint\n", (double) info.st_size / dense);
    CU_ASSERT_TRUE((double) info.st_size <= 0.2 * dense);
    expect_ticket(&fixture, 1);
    tear_down(&fixture);
}

/* ---- provenance ----------------------------------------------------------------------------- */

static void expect_text(hid_t file, const char *name, const char *expected) {
    char text[8192] = "";
    hid_t attribute = H5Aopen(file, name, H5P_DEFAULT), type = H5Aget_type(attribute);
    CU_ASSERT_TRUE_FATAL(attribute >= 0 && H5Tget_size(type) < sizeof text);
    CU_ASSERT_TRUE(H5Aread(attribute, type, text) >= 0);
    if (strstr(text, expected) == NULL) fprintf(stderr, "  %s is %s\n", name, text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, expected));
    H5Tclose(type);
    H5Aclose(attribute);
}

static double read_number(hid_t object, const char *name) {
    double value = -1;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    CU_ASSERT_TRUE_FATAL(attribute >= 0);
    CU_ASSERT_TRUE(H5Aread(attribute, H5T_NATIVE_DOUBLE, &value) >= 0);
    H5Aclose(attribute);
    return value;
}

static void provenance_is_complete(void) {
    struct fixture fixture;
    int64_t shape[4] = {0};
    set_up(&fixture, 1, 0.8);
    commit_all(&fixture);
    SW_TEST_OK(sw_store_export(fixture.store, 4, fixture.out));
    hid_t file = H5Fopen(fixture.out, H5F_ACC_RDONLY, H5P_DEFAULT);
    expect_text(file, "sweep", "small");
    expect_text(file, "program", "0.1.0");
    expect_text(file, "isa", "generic");
    expect_text(file, "openblas", "OpenBLAS 0.3.21");
    expect_text(file, "model", "tiny-dense");
    expect_text(file, "control", "reinit");
    expect_text(file, "status", "ok");
    expect_text(file, "id", fixture.sweep.rounds[4].id);
    expect_text(file, "settings", "model.name: tiny-dense\n");
    expect_text(file, "settings", "train.steps: 30\n");
    CU_ASSERT_EQUAL(read_number(file, "row"), 4);
    CU_ASSERT_EQUAL(read_number(file, "trial"), 0);
    CU_ASSERT_EQUAL(read_number(file, "round"), 2);
    CU_ASSERT_EQUAL(read_number(file, "nnz"), (double) fixture.sweep.rounds[4].nnz);
    CU_ASSERT_DOUBLE_EQUAL(read_number(file, "test_accuracy"), 0.54, 1e-15);
    CU_ASSERT_EQUAL(H5Aexists(file, "host"), 0);
    hid_t group = H5Gopen2(file, "/params/fc1.weight", H5P_DEFAULT);
    hid_t attribute = H5Aopen(group, "shape", H5P_DEFAULT), type = H5Aget_type(attribute);
    CU_ASSERT_EQUAL_FATAL(H5Tget_size(type), 16);
    CU_ASSERT_TRUE(H5Aread(attribute, type, shape) >= 0);
    CU_ASSERT_EQUAL(shape[0], 6);
    CU_ASSERT_EQUAL(shape[1], 9);
    CU_ASSERT_EQUAL(read_number(group, "prunable"), 1);
    H5Tclose(type);
    H5Aclose(attribute);
    H5Gclose(group);
    H5Fclose(file);
    tear_down(&fixture);
}

/* ---- refusals ------------------------------------------------------------------------------- */

static void what_is_not_there_is_not_exported(void) {
    struct fixture fixture;
    set_up(&fixture, 1, 0.8);
    SW_TEST_FAILS(sw_store_export(fixture.store, 1, fixture.out), SW_NOT_FOUND);
    commit_row(&fixture, 0, SW_SMALL_OK);
    commit_row(&fixture, 1, SW_SMALL_FAILED);
    SW_TEST_FAILS(sw_store_export(fixture.store, 1, fixture.out), SW_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "Segmentation fault"));
    commit_row(&fixture, 2, SW_SMALL_OK); /* its ticket's mask is missing */
    SW_TEST_FAILS(sw_store_export(fixture.store, 2, fixture.out), SW_NOT_FOUND);
    SW_TEST_FAILS(sw_store_export(fixture.store, 99, fixture.out), SW_INTERNAL);
    CU_ASSERT_FALSE(sw_file_exists(fixture.out));
    tear_down(&fixture);
}

/* Damage at the beginning of a dataset that this row needs. */
static void expect_refusal(const char *name, int64_t row) {
    struct fixture fixture;
    set_up(&fixture, 1, 0.8);
    commit_all(&fixture);
    hid_t file = H5Fopen(fixture.path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    haddr_t at = H5Dget_offset(set);
    H5Dclose(set);
    H5Fclose(file);
    int fd = open(fixture.path, O_RDWR);
    SW_TEST_OK(sw_file_pwrite(fd, "x", 1, (off_t) at, fixture.path));
    close(fd);
    SW_TEST_FAILS(sw_store_export(fixture.store, row, fixture.out), SW_DAMAGED);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), name + 1));
    CU_ASSERT_FALSE(sw_file_exists(fixture.out));
    tear_down(&fixture);
}

static void damage_is_not_exported(void) {
    expect_refusal("/theta0", 0);
    expect_refusal("/theta_k", 3);
}

static void existing_file_stays(void) {
    struct fixture fixture;
    char *bytes;
    size_t length;
    set_up(&fixture, 1, 0.8);
    commit_all(&fixture);
    SW_TEST_OK(sw_file_write(fixture.out, "mine", 4));
    SW_TEST_FAILS(sw_store_export(fixture.store, 3, fixture.out), SW_IO);
    SW_TEST_OK(sw_file_read(fixture.out, 100, &bytes, &length));
    CU_ASSERT_STRING_EQUAL(bytes, "mine");
    SW_FREE(&bytes);
    SW_TEST_FAILS(sw_store_export(fixture.store, 3, "/no/such/folder/x.h5"), SW_IO);
    tear_down(&fixture);
}

int main(void) {
    CU_TestInfo content[] = {
        {"survivors_stand_where_the_mask_says", survivors_stand_where_the_mask_says},
        {"ticket_is_at_most_a_fifth_of_a_dense_checkpoint",
         ticket_is_at_most_a_fifth_of_a_dense_checkpoint},
        {"provenance_is_complete", provenance_is_complete},
        CU_TEST_INFO_NULL};
    CU_TestInfo refusals[] = {
        {"what_is_not_there_is_not_exported", what_is_not_there_is_not_exported},
        {"damage_is_not_exported", damage_is_not_exported},
        {"existing_file_stays", existing_file_stays},
        CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"content", NULL, NULL, NULL, NULL, content},
                             {"refusals", NULL, NULL, NULL, NULL, refusals},
                             CU_SUITE_INFO_NULL};
    (void) sw_comm_prepare_environment();
    if (sw_comm_init() != SW_OK) return 1;
    int code = sw_test_main("test_store_export", suites);
    sw_comm_fini(true, code);
    return code;
}
