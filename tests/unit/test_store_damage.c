/* A store is hostile input: whatever is in the file, opening it ends with an error that says what is
 * wrong, or with a store that keeps its promises. */
#include <fcntl.h>
#include <hdf5.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/small_sweep.h"
#include "../support/test_main.h"
#include "sweepstake/memory.h"
#include "sweepstake/random.h"

/* The user block as the schema documents it. */
#define BLOCK 4096
struct header {
    char magic[8];
    uint64_t schema, file_bytes, n_extents;
    struct {
        uint64_t offset, length;
    } extent[64];
};

struct image {
    char path[256];
    char *bytes;
    size_t length;
    struct header header;
};

static void make_image(struct image *image) {
    struct sw_sweep sweep;
    struct sw_store_identity identity = sw_small_identity();
    snprintf(image->path, sizeof image->path, "%s/store.h5", sw_test_folder());
    sw_small_sweep(&sweep, 1, 0.8);
    SW_TEST_OK(sw_store_create(image->path, &sweep, &identity));
    sw_sweep_fini(&sweep);
    SW_TEST_OK(sw_file_read(image->path, 1 << 24, &image->bytes, &image->length));
    memcpy(&image->header, image->bytes, sizeof image->header);
}

static enum sw_status open_bytes(const struct image *image, const char *bytes, size_t length) {
    struct sw_store *store = NULL;
    SW_TEST_OK(sw_file_write(image->path, bytes, length));
    enum sw_status status = sw_store_open(image->path, SW_STORE_READ, &store);
    if (status != SW_OK) CU_ASSERT_PTR_NULL(store);
    sw_store_close(&store);
    return status;
}

static bool is_in_slab(const struct header *header, uint64_t at) {
    for (uint64_t i = 0; i < header->n_extents; i++)
        if (at >= header->extent[i].offset &&
            at < header->extent[i].offset + header->extent[i].length)
            return true;
    return false;
}

static void user_block_is_as_documented(void) {
    struct image image;
    struct stat info;
    make_image(&image);
    CU_ASSERT_EQUAL(memcmp(image.header.magic, "SWSTORE1", 8), 0);
    CU_ASSERT_EQUAL(image.header.schema, SW_STORE_SCHEMA);
    CU_ASSERT_EQUAL(stat(image.path, &info), 0);
    CU_ASSERT_EQUAL(image.header.file_bytes, (uint64_t) info.st_size);
    CU_ASSERT_EQUAL(image.header.n_extents, 9);
    struct sw_digest own = sw_digest_of(image.bytes, 4080);
    CU_ASSERT_EQUAL(memcmp(own.bytes, image.bytes + 4080, 16), 0);
    CU_ASSERT_EQUAL(memcmp(image.bytes + BLOCK, "\x89HDF\r\n\x1a\n", 8), 0);
    SW_FREE(&image.bytes);
}

static void any_flip_outside_the_slabs_is_refused(void) {
    struct image image;
    make_image(&image);
    int flips = 0;
    for (uint64_t i = 0; flips < 200; i++) {
        uint64_t draw = sw_random_u64(11, SW_RANDOM_BENCH, 0, i);
        uint64_t at = (draw >> 3) % image.length;
        if (is_in_slab(&image.header, at)) continue;
        image.bytes[at] ^= (char) (1 << (draw & 7));
        SW_TEST_FAILS(open_bytes(&image, image.bytes, image.length), SW_DAMAGED);
        image.bytes[at] ^= (char) (1 << (draw & 7));
        flips++;
    }
    CU_ASSERT_EQUAL(open_bytes(&image, image.bytes, image.length), SW_OK);
    SW_FREE(&image.bytes);
}

static void every_byte_of_block_and_superblock_counts(void) {
    struct image image;
    make_image(&image);
    for (size_t at = 0; at < BLOCK + 64; at += at < 64 || at >= 4060 ? 1 : 37) {
        image.bytes[at] ^= 0x10;
        SW_TEST_FAILS(open_bytes(&image, image.bytes, image.length), SW_DAMAGED);
        image.bytes[at] ^= 0x10;
    }
    SW_FREE(&image.bytes);
}

static void wrong_size_is_refused(void) {
    struct image image;
    make_image(&image);
    const size_t lengths[] = {0, 1, 7, 4095, 4096, 4097, 5000, image.length / 2, image.length - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        SW_TEST_FAILS(open_bytes(&image, image.bytes, lengths[i]), SW_DAMAGED);
    char *longer;
    SW_TEST_OK(SW_ALLOC(&longer, image.length + 1, "a copy"));
    memcpy(longer, image.bytes, image.length);
    SW_TEST_FAILS(open_bytes(&image, longer, image.length + 1), SW_DAMAGED);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "should have"));
    SW_FREE(&longer);
    SW_FREE(&image.bytes);
}

static void other_things_are_refused(void) {
    struct sw_store *store = NULL;
    char path[256];
    const char *folder = sw_test_folder();
    SW_TEST_FAILS(sw_store_open(folder, SW_STORE_READ, &store), SW_DAMAGED);
    snprintf(path, sizeof path, "%s/none.h5", folder);
    SW_TEST_FAILS(sw_store_open(path, SW_STORE_READ, &store), SW_NOT_FOUND);
    snprintf(path, sizeof path, "%s/pipe", folder);
    CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
    SW_TEST_FAILS(sw_store_open(path, SW_STORE_READ, &store), SW_DAMAGED);
    snprintf(path, sizeof path, "%s/plain.h5", folder);
    hid_t file = H5Fcreate(path, H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    SW_TEST_FAILS(sw_store_open(path, SW_STORE_READ, &store), SW_DAMAGED);
    CU_ASSERT_PTR_NULL(store);
}

/* ---- forged files: the checksums fit, the content does not ---------------------------------- */

static void seal(struct image *image) {
    struct sw_digest_stream *stream;
    struct header header;
    memcpy(&header, image->bytes, sizeof header);
    SW_TEST_OK(sw_digest_begin(&stream));
    uint64_t from = BLOCK;
    for (uint64_t i = 0; i < header.n_extents && i < 64; i++) {
        uint64_t to = header.extent[i].offset;
        if (to < from || to > image->length) break;
        sw_digest_update(stream, image->bytes + from, to - from);
        from = to + header.extent[i].length;
    }
    if (from < image->length) sw_digest_update(stream, image->bytes + from, image->length - from);
    struct sw_digest outside = sw_digest_end(&stream);
    memcpy(image->bytes + 4064, &outside, 16);
    struct sw_digest own = sw_digest_of(image->bytes, 4080);
    memcpy(image->bytes + 4080, &own, 16);
}

/* Byte of row `row` of a table in the file. */
static size_t place_of(const struct image *image, const char *name, size_t row, size_t row_bytes) {
    hid_t file = H5Fopen(image->path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    size_t at = H5Dget_offset(set) + row * row_bytes;
    H5Dclose(set);
    H5Fclose(file);
    return at;
}

static void forge_value(struct image *image, size_t at, const void *value, size_t bytes) {
    char before[64];
    memcpy(before, image->bytes + at, bytes);
    memcpy(image->bytes + at, value, bytes);
    seal(image);
    SW_TEST_FAILS(open_bytes(image, image->bytes, image->length), SW_DAMAGED);
    memcpy(image->bytes + at, before, bytes);
    seal(image);
}

#define FORGE(image, at, row_struct, member, value)                                                \
    do {                                                                                           \
        __typeof__(((struct row_struct *) 0)->member) forged_ = (value);                           \
        forge_value((image), (at) + offsetof(struct row_struct, member), &forged_,                 \
                    sizeof forged_);                                                               \
    } while (0)

static void forged_rounds_are_refused(void) {
    struct image image;
    make_image(&image);
    const size_t at = place_of(&image, "/plan/rounds", 3, sizeof(struct sw_round_plan));
    const int64_t bad[] = {-2, INT64_MIN, INT64_MAX, 1000000, INT64_MAX / 4};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        FORGE(&image, at, sw_round_plan, row, bad[i]);
        FORGE(&image, at, sw_round_plan, trial, bad[i]);
        FORGE(&image, at, sw_round_plan, round, bad[i]);
        FORGE(&image, at, sw_round_plan, control, bad[i]);
        FORGE(&image, at, sw_round_plan, parent, bad[i]);
        FORGE(&image, at, sw_round_plan, arch, bad[i]);
        FORGE(&image, at, sw_round_plan, data, bad[i]);
        FORGE(&image, at, sw_round_plan, theta0_owner, bad[i]);
        FORGE(&image, at, sw_round_plan, mask_owner, bad[i]);
        FORGE(&image, at, sw_round_plan, rewind_to, bad[i]);
        FORGE(&image, at, sw_round_plan, theta_k_owner, bad[i]);
        FORGE(&image, at, sw_round_plan, theta_k_index, bad[i]);
        FORGE(&image, at, sw_round_plan, snapshots, bad[i]);
        FORGE(&image, at, sw_round_plan, nnz, bad[i]);
        FORGE(&image, at, sw_round_plan, survivors, bad[i]);
        FORGE(&image, at, sw_round_plan, start_survivors, bad[i]);
        FORGE(&image, at, sw_round_plan, prune_rows, bad[i]);
        for (int s = 1; s < SW_SECTION_COUNT; s++) {
            FORGE(&image, at, sw_round_plan, length[s], bad[i]);
            if (s == SW_SECTION_THETA_K || s == SW_SECTION_PRUNES) continue; /* it has none */
            FORGE(&image, at, sw_round_plan, offset[s], bad[i]);
        }
    }
    FORGE(&image, at, sw_round_plan, parent, 3);                  /* its own child */
    FORGE(&image, at, sw_round_plan, theta0_owner, 1);            /* owns none */
    FORGE(&image, at, sw_round_plan, mask_owner, 2);              /* owns none */
    FORGE(&image, at, sw_round_plan, offset[SW_SECTION_MASK], 0); /* another row's slab */
    FORGE(&image, at, sw_round_plan, rewind_to, 0);               /* and weights to rewind to */
    FORGE(&image, at, sw_round_plan, theta_k_owner, 1);           /* keeps none */
    FORGE(&image, at, sw_round_plan, theta_k_owner, 3);           /* itself */
    FORGE(&image, at, sw_round_plan, theta_k_index, 2);           /* one too many */
    FORGE(&image, at, sw_round_plan, snapshots, 1);               /* no place for it */
    char endless[40];
    memset(endless, 'a', sizeof endless);
    forge_value(&image, at + offsetof(struct sw_round_plan, id), endless, sizeof endless);
    CU_ASSERT_EQUAL(open_bytes(&image, image.bytes, image.length), SW_OK);
    SW_FREE(&image.bytes);
}

static void forged_networks_and_trials_are_refused(void) {
    struct image image;
    make_image(&image);
    /* A row of /plan/params is the model's row and the parameter. */
    const size_t param = place_of(&image, "/plan/params", 2, 8 + sizeof(struct sw_param)) + 8;
    const int64_t bad[] = {-1, INT64_MIN, INT64_MAX, 1000};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        FORGE(&image, param, sw_param, rank, bad[i]);
        FORGE(&image, param, sw_param, shape[0], bad[i]);
        FORGE(&image, param, sw_param, count, bad[i]);
        FORGE(&image, param, sw_param, offset, bad[i]);
        FORGE(&image, param, sw_param, prunable, bad[i]);
        FORGE(&image, param, sw_param, role, bad[i]);
        FORGE(&image, param, sw_param, shortcut, bad[i]);
        FORGE(&image, param, sw_param, mask_offset, bad[i]);
        const size_t rows = place_of(&image, "/trial_controls", 0, 8);
        if (bad[i] != -1) forge_value(&image, rows, &bad[i], sizeof bad[i]);
        const size_t model = place_of(&image, "/plan/models", 0, 8) + 32;
        for (size_t cell = 4; cell < 11; cell++) /* n_params .. first_param */
            forge_value(&image, model + 8 * cell, &bad[i], sizeof bad[i]);
    }
    forge_value(&image, param, "fc1/../../x", 12);
    forge_value(&image, param, "", 1);
    char endless[sizeof(((struct sw_param *) 0)->name)];
    memset(endless, 'a', sizeof endless);
    forge_value(&image, param, endless, sizeof endless);
    const size_t trial = place_of(&image, "/trials", 1, 8 + sizeof(struct sw_trial_spec)) + 8;
    forge_value(&image, trial + offsetof(struct sw_trial_spec, prune_schedule), endless, 32);
    CU_ASSERT_EQUAL(open_bytes(&image, image.bytes, image.length), SW_OK);
    SW_FREE(&image.bytes);
}

static void forged_extents_are_refused(void) {
    struct image image;
    make_image(&image);
    const uint64_t bad[] = {0, 4095, UINT64_MAX, UINT64_MAX / 2, image.length, image.length + 1};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        forge_value(&image, offsetof(struct header, extent[2].offset), &bad[i], 8);
        if (bad[i] != 0) forge_value(&image, offsetof(struct header, extent[2].length), &bad[i], 8);
        forge_value(&image, offsetof(struct header, n_extents), &bad[i], 8);
    }
    const uint64_t newer = SW_STORE_SCHEMA + 1;
    forge_value(&image, offsetof(struct header, schema), &newer, 8);
    CU_ASSERT_EQUAL(open_bytes(&image, image.bytes, image.length), SW_OK);
    SW_FREE(&image.bytes);
}

int main(void) {
    CU_TestInfo damage[] = {
        {"user_block_is_as_documented", user_block_is_as_documented},
        {"any_flip_outside_the_slabs_is_refused", any_flip_outside_the_slabs_is_refused},
        {"every_byte_of_block_and_superblock_counts", every_byte_of_block_and_superblock_counts},
        {"wrong_size_is_refused", wrong_size_is_refused},
        {"other_things_are_refused", other_things_are_refused},
        CU_TEST_INFO_NULL};
    CU_TestInfo forged[] = {
        {"forged_rounds_are_refused", forged_rounds_are_refused},
        {"forged_networks_and_trials_are_refused", forged_networks_and_trials_are_refused},
        {"forged_extents_are_refused", forged_extents_are_refused},
        CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"damage", NULL, NULL, NULL, NULL, damage},
                             {"forged", NULL, NULL, NULL, NULL, forged},
                             CU_SUITE_INFO_NULL};
    return sw_test_main("test_store_damage", suites);
}
