/* Any bytes as a CIFAR binary file, alone or as one of the files of a data set.
 * The first byte of the input says which (see the bits below). Then, with RAW, the file; else what it is
 * made of: records, bytes beyond them, and then labels, the rest of the input over and over as pixels. */
#include <stdio.h>
#include <string.h>

#include "../../src/data/cifar_file.h"
#include "support.h"
#include "sweepstake/data.h"
#include "sweepstake/memory.h"
#include "sweepstake/text.h"

#define HUNDRED 0x01                  /* CIFAR-100, else CIFAR-10 */
#define RAW 0x02                      /* the rest of the input is the file */
#define DATA_SET 0x04                 /* the file stands in a data set */
#define PART 0x08                     /* half of the records; in a set: data.limit */
#define WHICH(mode) ((mode) >> 4 & 7) /* which file of the set, modulo their number */

#define MAX_RECORDS 40
#define MAX_BYTES (MAX_RECORDS * (SW_CIFAR_PIXELS + 2) + 65535)
#define FILE_ERRORS (1U << SW_CONFIG | 1U << SW_IO)
#define RECORDS 4 /* of every other file of a set */

static const struct sw_cifar_labels labels_of[2] = {{.n = 1, .limits = {10, 0}},
                                                    {.n = 2, .limits = {20, 100}}};
static const char *const names[2][6] = {{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                         "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"},
                                        {"train.bin", "test.bin"}};
static const size_t n_names[2] = {6, 2};
static char path[320];
static uint8_t content[MAX_BYTES];

static const char *member(int set, size_t index, char out[320]) {
    snprintf(out, 320, "%s/%s", fuzz_folder(), names[set][index]);
    return out;
}

/* A file of a set as it should be. */
static void write_good(int set, size_t index) {
    char name[320];
    size_t record = (size_t) (labels_of[set].n + SW_CIFAR_PIXELS);
    memset(content, 7, RECORDS * record);
    fuzz_write(member(set, index, name), content, RECORDS * record);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void) argc, (void) argv;
    for (int set = 0; set < 2; set++)
        for (size_t i = 0; i < n_names[set]; i++)
            write_good(set, i);
    snprintf(path, sizeof path, "%s/file", fuzz_folder());
    return 0;
}

/* The content that the input describes; returns its length. */
static size_t make_content(struct fuzz_input *input, int n_labels) {
    size_t records = fuzz_take_u8(input) % MAX_RECORDS, beyond = fuzz_take_number(input, 2),
           got = 0;
    size_t record = (size_t) (n_labels + SW_CIFAR_PIXELS), length = records * record + beyond;
    memset(content, 0, length);
    for (size_t i = 0; i < records; i++)
        for (int l = 0; l < n_labels; l++)
            content[i * record + (size_t) l] = fuzz_take_u8(input);
    const uint8_t *pixels = fuzz_take_bytes(input, input->left, &got);
    for (size_t i = 0; got > 0 && i < length; i++)
        if (i >= records * record || i % record >= (size_t) n_labels) content[i] = pixels[i % got];
    return length;
}

/* ---- one file ------------------------------------------------------------------------------- */

static void promise_failure(enum sw_status status) {
    fuzz_promise_failure(status, FILE_ERRORS);
    FUZZ_PROMISE(strstr(sw_status_text(), path) != NULL);
}

/* What was read is what stands in the file, and no label is beyond its limit. */
static void check_records(const struct sw_cifar_file *file, int64_t n, const uint8_t *images,
                          const uint8_t *classes, const uint8_t *bytes) {
    size_t n_labels = (size_t) file->labels.n;
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *record = bytes + i * (SW_CIFAR_PIXELS + file->labels.n);
        for (size_t l = 0; l < n_labels; l++)
            FUZZ_PROMISE(record[l] < file->labels.limits[l]);
        FUZZ_PROMISE(classes[i] == record[n_labels - 1]);
        FUZZ_PROMISE(
            memcmp(images + i * SW_CIFAR_PIXELS, record + n_labels, (size_t) SW_CIFAR_PIXELS) == 0);
    }
}

static bool labels_are_right(const struct sw_cifar_file *file, int64_t n, const uint8_t *bytes) {
    for (int64_t i = 0; i < n; i++)
        for (int l = 0; l < file->labels.n; l++)
            if (bytes[i * (SW_CIFAR_PIXELS + file->labels.n) + l] >= file->labels.limits[l])
                return false;
    return true;
}

static void read_records(struct sw_cifar_file *file, uint8_t mode, const uint8_t *bytes) {
    int64_t n = (mode & PART) != 0 ? file->count / 2 : file->count;
    uint8_t *images = NULL, *classes = NULL;
    FUZZ_PROMISE(SW_ALLOC(&images, (size_t) (n * SW_CIFAR_PIXELS), "images") == SW_OK);
    FUZZ_PROMISE(SW_ALLOC(&classes, (size_t) n, "classes") == SW_OK);
    enum sw_status status = sw_cifar_read(file, n, images, classes);
    FUZZ_PROMISE((status == SW_OK) == labels_are_right(file, n, bytes));
    if (status == SW_OK)
        check_records(file, n, images, classes, bytes);
    else
        promise_failure(status);
    SW_FREE(&images);
    SW_FREE(&classes);
}

static void read_file(uint8_t mode, const uint8_t *bytes, size_t length) {
    const struct sw_cifar_labels *labels = &labels_of[mode & HUNDRED];
    size_t record = (size_t) (labels->n + SW_CIFAR_PIXELS);
    struct sw_cifar_file file = {.file = NULL};
    fuzz_write(path, bytes, length);
    enum sw_status status = sw_cifar_open(path, labels, &file);
    FUZZ_PROMISE((status == SW_OK) == (length > 0 && length % record == 0));
    if (status == SW_OK) {
        FUZZ_PROMISE((size_t) file.count == length / record);
        read_records(&file, mode, bytes);
    } else {
        promise_failure(status);
        FUZZ_PROMISE(file.file == NULL);
    }
    sw_cifar_close(&file);
}

/* ---- a data set ----------------------------------------------------------------------------- */

static void decode(const struct sw_trial_spec *spec, const struct sw_data_info *info) {
    struct sw_data data;
    uint8_t *block = NULL;
    FUZZ_PROMISE(info->train > 0 && info->block_bytes > 0);
    FUZZ_PROMISE(SW_ALLOC(&block, (size_t) info->block_bytes, "a block") == SW_OK);
    FUZZ_PROMISE(sw_data_decode(spec, info, block) == SW_OK);
    FUZZ_PROMISE(sw_data_open(spec, info, block, &data) == SW_OK);
    sw_data_close(&data);
    SW_FREE(&block);
}

static void read_data_set(uint8_t mode, const uint8_t *bytes, size_t length) {
    int set = mode & HUNDRED;
    size_t index = WHICH(mode) % n_names[set];
    char name[320];
    struct sw_trial_spec spec;
    struct sw_data_info info;
    fuzz_write(member(set, index, name), bytes, length);
    sw_spec_set_defaults(&spec);
    sw_text_copy(spec.data_name, sizeof spec.data_name, set == 0 ? "cifar-10" : "cifar-100");
    SW_TEXT_COPY(spec.data_dir, fuzz_folder());
    spec.data_validation = 2;
    spec.data_limit = (mode & PART) != 0 ? 3 : 0;
    enum sw_status status = sw_data_probe(&spec, &info);
    if (status == SW_OK)
        decode(&spec, &info);
    else
        fuzz_promise_failure(status, FILE_ERRORS);
    write_good(set, index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = {data, size};
    uint8_t mode = fuzz_take_u8(&input);
    size_t length = input.left < MAX_BYTES ? input.left : MAX_BYTES;
    static uint8_t bytes[MAX_BYTES];
    if ((mode & RAW) != 0) {
        memcpy(bytes, input.bytes, length);
    } else {
        length = make_content(&input, labels_of[mode & HUNDRED].n);
        memcpy(bytes, content, length);
    }
    if ((mode & DATA_SET) != 0)
        read_data_set(mode, bytes, length);
    else
        read_file(mode, bytes, length);
    return 0;
}
