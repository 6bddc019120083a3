/* What a new store looks like, from outside (HDF5, plain bytes) and through our reader. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <hdf5.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/small_sweep.h"
#include "sweepstake/memory.h"
#include "../support/test_main.h"

static const char *path_in(const char *folder, const char *name) {
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static const char *create_small(const char *folder, const char *name) {
    struct sw_sweep sweep;
    struct sw_store_identity identity = sw_small_identity();
    const char *path = path_in(folder, name);
    sw_small_sweep(&sweep, 2, 0.8);
    SW_TEST_OK(sw_store_create(path, &sweep, &identity));
    sw_sweep_fini(&sweep);
    return path;
}

static size_t entries(const char *folder) {
    glob_t found;
    size_t n = 0;
    if (glob(path_in(folder, "{*,.[!.]*}"), GLOB_BRACE, NULL, &found) == 0) n = found.gl_pathc;
    globfree(&found);
    return n;
}

static void size_is_known_in_advance(void) {
    const char *folder = sw_test_folder();
    const int64_t scales[] = {1, 3, 40};
    for (size_t i = 0; i < 3; i++) {
        struct sw_sweep sweep;
        struct sw_store_identity identity = sw_small_identity();
        struct stat info;
        char name[16];
        int64_t bytes = 0;
        sw_small_sweep(&sweep, scales[i], 0.8);
        snprintf(name, sizeof name, "%zu.h5", i);
        SW_TEST_OK(sw_store_measure(&sweep, &identity, &bytes));
        CU_ASSERT_EQUAL(entries(folder), i);
        SW_TEST_OK(sw_store_create(path_in(folder, name), &sweep, &identity));
        CU_ASSERT_EQUAL(stat(path_in(folder, name), &info), 0);
        CU_ASSERT_EQUAL(info.st_size, bytes);
        CU_ASSERT_EQUAL(entries(folder), i + 1);
        sw_sweep_fini(&sweep);
    }
}

static void equal_sweeps_give_equal_bytes(void) {
    const char *folder = sw_test_folder();
    char *a, *b;
    size_t a_bytes, b_bytes;
    const char *path = create_small(folder, "a.h5");
    SW_TEST_OK(sw_file_read(path, 1 << 24, &a, &a_bytes));
    sleep(1); /* times in headers would have a resolution of a second */
    path = create_small(folder, "b.h5");
    SW_TEST_OK(sw_file_read(path, 1 << 24, &b, &b_bytes));
    CU_ASSERT_EQUAL_FATAL(a_bytes, b_bytes);
    CU_ASSERT_EQUAL(memcmp(a, b, a_bytes), 0);
    SW_FREE(&a);
    SW_FREE(&b);
}

static void existing_file_is_never_replaced(void) {
    struct sw_sweep sweep;
    struct sw_store_identity identity = sw_small_identity();
    const char *folder = sw_test_folder(), *path = path_in(folder, "x.h5");
    char *bytes;
    size_t length;
    sw_small_sweep(&sweep, 1, 0.8);
    SW_TEST_OK(sw_file_write(path, "mine", 4));
    SW_TEST_FAILS(sw_store_create(path, &sweep, &identity), SW_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "exists"));
    SW_TEST_OK(sw_file_read(path, 100, &bytes, &length));
    CU_ASSERT_STRING_EQUAL(bytes, "mine");
    CU_ASSERT_EQUAL(entries(folder), 1);
    SW_TEST_FAILS(sw_store_create(path_in(folder, "no/such/folder.h5"), &sweep, &identity), SW_IO);
    SW_FREE(&bytes);
    sw_sweep_fini(&sweep);
}

/* ---- as HDF5 sees it ------------------------------------------------------------------------ */

static bool has_text(hid_t object, const char *name) {
    bool good = H5Aexists(object, name) > 0;
    hid_t attribute = good ? H5Aopen(object, name, H5P_DEFAULT) : -1;
    hid_t type = attribute >= 0 ? H5Aget_type(attribute) : -1;
    good = type >= 0 && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0;
    if (type >= 0) H5Tclose(type);
    if (attribute >= 0) H5Aclose(attribute);
    if (!good) fprintf(stderr, "  no attribute %s\n", name);
    return good;
}

static void expect_set(hid_t file, const char *name) {
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    CU_ASSERT_TRUE_FATAL(set >= 0);
    hid_t properties = H5Dget_create_plist(set), type = H5Dget_type(set);
    CU_ASSERT_EQUAL(H5Pget_layout(properties), H5D_CONTIGUOUS);
    CU_ASSERT_TRUE(has_text(set, "unit"));
    CU_ASSERT_TRUE(has_text(set, "description"));
    int columns = H5Tget_class(type) == H5T_COMPOUND ? H5Tget_nmembers(type) : 0;
    for (int i = 0; i < columns; i++) {
        char attribute[128];
        char *column = H5Tget_member_name(type, (unsigned) i);
        snprintf(attribute, sizeof attribute, "%s.unit", column);
        CU_ASSERT_TRUE(has_text(set, attribute));
        snprintf(attribute, sizeof attribute, "%s.description", column);
        CU_ASSERT_TRUE(has_text(set, attribute));
        H5free_memory(column);
    }
    H5Tclose(type);
    H5Pclose(properties);
    H5Dclose(set);
}

static const char *const set_names[] = {
    "/plan/text",      "/plan/overrides", "/plan/canonical", "/plan/models", "/plan/params",
    "/plan/data",      "/plan/rounds",    "/plan/kept",      "/trials",      "/trial_rounds",
    "/trial_controls", "/theta0",         "/masks",          "/weights",     "/layers",
    "/curves",         "/alerts",         "/rounds",         "/commits"};
#define N_SETS (sizeof set_names / sizeof *set_names)

static void hdf5_finds_the_documented_schema(void) {
    const char *path = create_small(sw_test_folder(), "s.h5");
    static const char *const root[] = {"program",      "isa",   "openblas",
                                       "kernel_table", "sweep", "plan_digest"};
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    CU_ASSERT_TRUE_FATAL(file >= 0);
    H5F_info2_t info;
    CU_ASSERT_TRUE(H5Fget_info2(file, &info) >= 0);
    CU_ASSERT_EQUAL(info.super.version, 2);
    for (size_t i = 0; i < N_SETS; i++)
        expect_set(file, set_names[i]);
    for (size_t i = 0; i < sizeof root / sizeof *root; i++)
        CU_ASSERT_TRUE(has_text(file, root[i]));
    CU_ASSERT_TRUE(H5Aexists(file, "schema_version") > 0);
    H5Fclose(file);
}

static void text_is_kept_byte_for_byte(void) {
    const char *path = create_small(sw_test_folder(), "s.h5");
    struct sw_sweep sweep;
    char text[256] = "";
    sw_small_sweep(&sweep, 2, 0.8);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t set = H5Dopen2(file, "/plan/text", H5P_DEFAULT), type = H5Dget_type(set);
    CU_ASSERT_EQUAL_FATAL(H5Tget_size(type), sweep.text_bytes);
    CU_ASSERT_EQUAL(H5Tget_cset(type), H5T_CSET_UTF8);
    CU_ASSERT_TRUE(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) >= 0);
    CU_ASSERT_EQUAL(memcmp(text, sweep.text, sweep.text_bytes), 0);
    H5Tclose(type);
    H5Dclose(set);
    H5Fclose(file);
    sw_sweep_fini(&sweep);
}

/* Early allocation without a fill has to leave zeros: holes of the file. */
static void touch(const char *folder, const char *name) {
    int fd = open(path_in(folder, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    (void) close(fd);
}

/* The number of a process that has ended. */
static pid_t dead_pid(void) {
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
    return pid;
}

static void what_a_killed_creator_left_is_removed(void) {
    const char *folder = sw_test_folder();
    char dead[64], alive[64], longer[64], other[64], deep[64];
    long gone = (long) dead_pid();
    snprintf(dead, sizeof dead, "a.h5.tmp.%ld", gone);
    snprintf(alive, sizeof alive, "a.h5.tmp.%ld", (long) getppid());
    snprintf(longer, sizeof longer, "a.h5.tmp.%ldx", gone);
    snprintf(other, sizeof other, "aa.h5.tmp.%ld", gone);
    snprintf(deep, sizeof deep, "a.h5.tmp.-%ld", gone);
    const char *const names[] = {dead, alive, longer, other, deep, "a.h5.tmp.", "a.h5.tmp", "a.h5"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        touch(folder, names[i]);
    sw_store_tidy(path_in(folder, "a.h5"));
    CU_ASSERT_NOT_EQUAL(access(path_in(folder, dead), F_OK), 0);
    for (size_t i = 1; i < sizeof names / sizeof *names; i++)
        CU_ASSERT_EQUAL(access(path_in(folder, names[i]), F_OK), 0);
    sw_store_tidy(path_in(folder, "nowhere/a.h5"));
}

static void unwritten_slabs_are_holes_of_zeros(void) {
    struct sw_sweep sweep;
    struct sw_store_identity identity = sw_small_identity();
    const char *path = path_in(sw_test_folder(), "big.h5");
    struct stat info;
    sw_small_sweep(&sweep, 600, 0.8); /* theta0 alone has 77 MB */
    SW_TEST_OK(sw_store_create(path, &sweep, &identity));
    CU_ASSERT_EQUAL_FATAL(stat(path, &info), 0);
    CU_ASSERT_TRUE(info.st_size > 100 << 20);
    CU_ASSERT_TRUE((int64_t) info.st_blocks * 512 < 1 << 20);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t set = H5Dopen2(file, "/rounds", H5P_DEFAULT);
    haddr_t offset = H5Dget_offset(set);
    size_t bytes = H5Dget_storage_size(set);
    H5Dclose(set);
    H5Fclose(file);
    char *rows;
    int fd = open(path, O_RDONLY);
    SW_TEST_OK(SW_ALLOC(&rows, bytes, "rows"));
    SW_TEST_OK(sw_file_pread(fd, rows, bytes, (off_t) offset, path));
    size_t set_bytes = 0;
    for (size_t i = 0; i < bytes; i++)
        set_bytes += rows[i] != 0;
    CU_ASSERT_EQUAL(set_bytes, 0);
    CU_ASSERT_EQUAL(bytes, SW_SMALL_ROUNDS * sizeof(struct sw_round_record));
    close(fd);
    SW_FREE(&rows);
    sw_sweep_fini(&sweep);
}

/* ---- through our reader --------------------------------------------------------------------- */

static void fixed_part_reads_back(void) {
    const char *path = create_small(sw_test_folder(), "s.h5");
    struct sw_sweep sweep;
    struct sw_store *store;
    struct sw_store_identity identity = sw_small_identity();
    sw_small_sweep(&sweep, 2, 0.8);
    SW_TEST_OK(sw_store_open(path, SW_STORE_READ, &store));
    CU_ASSERT_EQUAL(memcmp(sw_store_identity(store), &identity, sizeof identity), 0);
    CU_ASSERT_STRING_EQUAL(sw_store_text(store), sweep.text);
    CU_ASSERT_STRING_EQUAL(sw_store_canonical(store), sweep.canonical);
    CU_ASSERT_EQUAL(sw_store_n_trials(store), 2);
    CU_ASSERT_EQUAL_FATAL(sw_store_n_rounds(store), SW_SMALL_ROUNDS);
    for (int64_t row = 0; row < SW_SMALL_ROUNDS; row++)
        CU_ASSERT_EQUAL(
            memcmp(sw_store_round(store, row), &sweep.rounds[row], sizeof *sweep.rounds), 0);
    CU_ASSERT_PTR_NULL(sw_store_round(store, SW_SMALL_ROUNDS));
    CU_ASSERT_PTR_NULL(sw_store_round(store, -1));
    for (int64_t trial = -1; trial < 3; trial++)
        for (int64_t round = -1; round < 4; round++)
            for (int control = 0; control <= SW_CONTROL_COUNT; control++)
                CU_ASSERT_EQUAL(sw_store_row(store, trial, round, (enum sw_control) control),
                                sw_sweep_row(&sweep, trial, round, (enum sw_control) control));
    sw_store_close(&store);
    CU_ASSERT_PTR_NULL(store);
    sw_store_close(&store);
    sw_sweep_fini(&sweep);
}

/* A sweep without one prunable weight has empty datasets. */
static void empty_datasets_are_fine(void) {
    struct sw_sweep sweep;
    struct sw_store_identity identity = sw_small_identity();
    struct sw_store *store;
    const char *path = path_in(sw_test_folder(), "empty.h5");
    sw_small_sweep(&sweep, 1, 0.8);
    for (int64_t a = 0; a < sweep.n_archs; a++) {
        struct sw_arch *arch = &sweep.archs[a];
        arch->n_layers = arch->prunable = arch->mask_bytes = 0;
        for (int64_t p = 0; p < arch->n_params; p++)
            arch->params[p].prunable = 0;
    }
    for (int64_t row = 0; row < sweep.n_rounds; row++) {
        sweep.rounds[row].nnz = 0;
        sweep.rounds[row].survivors = sweep.archs[sweep.rounds[row].arch].parameters;
    }
    sweep.max_layers = 0;
    sw_sweep_lay_out(&sweep);
    CU_ASSERT_EQUAL(sweep.extent[SW_SECTION_MASK], 0);
    SW_TEST_OK(sw_store_create(path, &sweep, &identity));
    SW_TEST_OK(sw_store_open(path, SW_STORE_READ, &store));
    sw_store_close(&store);
    sw_sweep_fini(&sweep);
}

static void schema_text_names_everything(void) {
    struct sw_text text = {0};
    size_t n_columns, row_bytes, n_fields;
    SW_TEST_OK(sw_store_describe_schema(&text));
    for (size_t i = 0; i < N_SETS; i++)
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_text_get(&text), set_names[i]));
    const struct sw_column *columns = sw_spec_columns(SW_TABLE_ROUNDS, &n_columns, &row_bytes);
    for (size_t i = 0; i < n_columns; i++)
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_text_get(&text), columns[i].description));
    const struct sw_field *fields = sw_spec_fields(&n_fields);
    for (size_t i = 0; i < n_fields; i++)
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_text_get(&text), fields[i].key));
    for (int s = 0; s < SW_SECTION_COUNT; s++) {
        char column[64];
        snprintf(column, sizeof column, " %s_offset ", sw_section_name((enum sw_section) s));
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_text_get(&text), column));
    }
    sw_text_fini(&text);
}

int main(void) {
    CU_TestInfo create[] = {
        {"size_is_known_in_advance", size_is_known_in_advance},
        {"equal_sweeps_give_equal_bytes", equal_sweeps_give_equal_bytes},
        {"existing_file_is_never_replaced", existing_file_is_never_replaced},
        {"what_a_killed_creator_left_is_removed", what_a_killed_creator_left_is_removed},
        {"unwritten_slabs_are_holes_of_zeros", unwritten_slabs_are_holes_of_zeros},
        {"empty_datasets_are_fine", empty_datasets_are_fine},
        CU_TEST_INFO_NULL};
    CU_TestInfo read[] = {{"hdf5_finds_the_documented_schema", hdf5_finds_the_documented_schema},
                          {"text_is_kept_byte_for_byte", text_is_kept_byte_for_byte},
                          {"fixed_part_reads_back", fixed_part_reads_back},
                          {"schema_text_names_everything", schema_text_names_everything},
                          CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"create", NULL, NULL, NULL, NULL, create},
                             {"read", NULL, NULL, NULL, NULL, read},
                             CU_SUITE_INFO_NULL};
    return sw_test_main("test_store_create", suites);
}
