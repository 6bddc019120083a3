/* Any bytes as an IDX file, plain or gzip, alone or as one of the four files of a data set.
 * The first byte of the input says which (see the bits below); the rest is the file. */
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "../../src/data/idx.h"
#include "../support/idx_files.h"
#include "support.h"
#include "sweepstake/data.h"
#include "sweepstake/memory.h"
#include "sweepstake/text.h"

#define LABELS 0x01 /* open as labels, else as images */
#define COMPRESS                                                                                   \
    0x02          /* the rest is compressed first, so that mutations reach what lies behind gzip */
#define PART 0x04 /* read half of the samples */
#define DATA_SET 0x08                 /* the file stands in a data set */
#define WHICH(mode) ((mode) >> 4 & 3) /* which of its four files */

#define MAX_PIXELS (INT64_C(1) << 25) /* files that honestly hold more are not read */
#define CLASSES 10
#define FILE_ERRORS (1U << SW_CONFIG | 1U << SW_IO)

static char path[320];
static const char *const names[SW_TEST_FILES] = {
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte"};
static struct sw_test_file files[SW_TEST_FILES];

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void) argc, (void) argv;
    sw_test_make_files(files);
    sw_test_write_files(fuzz_folder(), files, 0);
    snprintf(path, sizeof path, "%s/file", fuzz_folder());
    return 0;
}

/* A gzip stream of `bytes` into a new buffer. */
static void compress_bytes(const uint8_t *bytes, size_t length, uint8_t **out, size_t *out_length) {
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    FUZZ_PROMISE(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    size_t capacity = deflateBound(&stream, length);
    FUZZ_PROMISE(SW_ALLOC(out, capacity, "gzip data") == SW_OK);
    stream.next_in = (Bytef *) bytes;
    stream.avail_in = (uInt) length;
    stream.next_out = *out;
    stream.avail_out = (uInt) capacity;
    FUZZ_PROMISE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    *out_length = stream.total_out;
    (void) deflateEnd(&stream);
}

/* ---- one file ------------------------------------------------------------------------------- */

static void promise_failure(enum sw_status status) {
    fuzz_promise_failure(status, FILE_ERRORS);
    FUZZ_PROMISE(strstr(sw_status_text(), path) != NULL);
}

/* A file that is read to its end holds what was read, and nothing else. */
static void check_content(const struct sw_idx *idx, const uint8_t *samples, const uint8_t *bytes,
                          size_t length) {
    size_t header = idx->kind == SW_IDX_IMAGES ? 16 : 8;
    size_t pixels = (size_t) (idx->count * idx->height * idx->width);
    FUZZ_PROMISE(length == header + pixels);
    FUZZ_PROMISE(memcmp(samples, bytes + header, pixels) == 0);
}

static void read_samples(struct sw_idx *idx, uint8_t mode, const uint8_t *bytes, size_t length) {
    int64_t pixels = idx->height * idx->width;
    int64_t n = (mode & PART) != 0 ? idx->count / 2 : idx->count;
    uint8_t *samples;
    FUZZ_PROMISE(idx->count >= 1 && idx->height >= 1 && idx->width >= 1);
    if (idx->count > MAX_PIXELS / pixels) return;
    FUZZ_PROMISE(SW_ALLOC(&samples, (size_t) (n * pixels), "samples") == SW_OK);
    enum sw_status status = (mode & LABELS) != 0 ? sw_idx_read_labels(idx, n, CLASSES, samples)
                                                 : sw_idx_read(idx, n, samples);
    if (status != SW_OK) promise_failure(status);
    bool plain = bytes != NULL;
    if (status == SW_OK && plain && n == idx->count) check_content(idx, samples, bytes, length);
    for (int64_t i = 0; status == SW_OK && (mode & LABELS) != 0 && i < n; i++)
        FUZZ_PROMISE(samples[i] < CLASSES);
    SW_FREE(&samples);
}

static void read_file(uint8_t mode, const uint8_t *bytes, size_t length) {
    struct sw_idx idx = {.file = NULL};
    enum sw_status status = sw_idx_open(path, (mode & LABELS) != 0 ? SW_IDX_LABELS : SW_IDX_IMAGES,
                                        &idx);
    if (status == SW_OK) {
        /* Bytes that happen to be gzip themselves hold something else than they are. */
        bool known = (mode & COMPRESS) != 0 || gzdirect(idx.file) != 0;
        read_samples(&idx, mode, known ? bytes : NULL, length);
    } else {
        promise_failure(status);
        FUZZ_PROMISE(idx.file == NULL);
    }
    sw_idx_close(&idx);
}

/* ---- a data set ----------------------------------------------------------------------------- */

static void decode(const struct sw_trial_spec *spec, const struct sw_data_info *info) {
    struct sw_data data;
    uint8_t *block;
    FUZZ_PROMISE(info->train > 0 && info->block_bytes > 0);
    if (info->block_bytes > MAX_PIXELS) return;
    FUZZ_PROMISE(SW_ALLOC(&block, (size_t) info->block_bytes, "a block") == SW_OK);
    FUZZ_PROMISE(sw_data_decode(spec, info, block) == SW_OK);
    FUZZ_PROMISE(sw_data_open(spec, info, block, &data) == SW_OK);
    sw_data_close(&data);
    SW_FREE(&block);
}

static void read_data_set(uint8_t mode) {
    struct sw_trial_spec spec;
    struct sw_data_info info;
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.data_name, "mnist");
    SW_TEXT_COPY(spec.data_dir, fuzz_folder());
    spec.data_validation = 2;
    spec.data_limit = (mode & PART) != 0 ? 5 : 0;
    enum sw_status status = sw_data_probe(&spec, &info);
    if (status == SW_OK)
        decode(&spec, &info);
    else
        fuzz_promise_failure(status, FILE_ERRORS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = {data, size};
    uint8_t mode = fuzz_take_u8(&input), *gzip = NULL;
    const uint8_t *bytes = input.bytes;
    size_t length = input.left;
    if ((mode & COMPRESS) != 0) {
        compress_bytes(input.bytes, input.left, &gzip, &length);
        bytes = gzip;
    }
    if ((mode & DATA_SET) != 0) {
        char member[320];
        snprintf(member, sizeof member, "%s/%s", fuzz_folder(), names[WHICH(mode)]);
        fuzz_write(member, bytes, length);
        read_data_set(mode);
        fuzz_write(member, files[WHICH(mode)].bytes, files[WHICH(mode)].length);
    } else {
        fuzz_write(path, bytes, length);
        read_file(mode, input.bytes, input.left);
    }
    SW_FREE(&gzip);
    return 0;
}
