/* Layout, checksum, statistics and header of a decoded data set; see block.h. */
#include "block.h"

#include <math.h>
#include <string.h>

#include "sweepstake/memory.h"

static const char block_magic[8] = "SWDATA1";

struct sw_block_header {
    char magic[8];
    struct sw_data_info info;
};
_Static_assert(sizeof(struct sw_data_info) == 32 + 8 * 8 + 4 * 8 + 16, "compared by bytes");

static size_t round_up(size_t bytes) {
    return (bytes + SW_ALIGNMENT - 1) / SW_ALIGNMENT * SW_ALIGNMENT;
}

void sw_block_lay_out(const struct sw_data_info *info, struct sw_block_layout *out) {
    size_t features = (size_t) (info->shape[0] * info->shape[1] * info->shape[2]);
    size_t train = (size_t) (info->train + info->validation), test = (size_t) info->test;
    const size_t bytes[SW_BLOCK_COUNT] = {train * features, train, test * features, test};
    size_t at = round_up(sizeof(struct sw_block_header));
    for (int i = 0; i < SW_BLOCK_COUNT; i++) {
        out->offset[i] = at;
        out->bytes[i] = bytes[i];
        at += round_up(bytes[i]);
    }
    out->total = at;
}

enum sw_status sw_block_checksum(const struct sw_data_info *info, const uint8_t *block,
                                 struct sw_digest *out) {
    struct sw_block_layout layout;
    struct sw_digest_stream *stream = NULL;
    sw_block_lay_out(info, &layout);
    SW_TRY(sw_digest_begin(&stream));
    for (int i = 0; i < SW_BLOCK_COUNT; i++)
        sw_digest_update(stream, block + layout.offset[i], layout.bytes[i]);
    *out = sw_digest_end(&stream);
    return SW_OK;
}

static void measure_histogram(const int64_t histogram[256], float *mean, float *deviation) {
    int64_t n = 0, sum = 0;
    for (int value = 0; value < 256; value++) {
        n += histogram[value];
        sum += value * histogram[value];
    }
    double centre = (double) sum / (double) n, squares = 0;
    for (int value = 0; value < 256; value++)
        squares += (double) histogram[value] * (value - centre) * (value - centre);
    *mean = (float) (centre / 255);
    *deviation = (float) (sqrt(squares / (double) n) / 255);
}

/* Two neighbours are often the same value: counted into one table, the second would wait for the first. */
#define TABLES 4

static void count_pixels(const uint8_t *pixels, int64_t n, int64_t tables[TABLES][256]) {
    int64_t i = 0;
    for (; i + TABLES <= n; i += TABLES)
        for (int t = 0; t < TABLES; t++)
            tables[t][pixels[i + t]]++;
    for (; i < n; i++)
        tables[0][pixels[i]]++;
}

void sw_block_measure(const uint8_t *block, struct sw_data_info *info) {
    struct sw_block_layout layout;
    int64_t plane = info->shape[1] * info->shape[2];
    sw_block_lay_out(info, &layout);
    for (int64_t channel = 0; channel < info->shape[0]; channel++) {
        int64_t tables[TABLES][256] = {{0}};
        const uint8_t *pixels = block + layout.offset[SW_BLOCK_TRAIN_IMAGES] + channel * plane;
        for (int64_t i = 0; i < info->train; i++, pixels += info->shape[0] * plane)
            count_pixels(pixels, plane, tables);
        for (int t = 1; t < TABLES; t++)
            for (int value = 0; value < 256; value++)
                tables[0][value] += tables[t][value];
        measure_histogram(tables[0], &info->mean[channel], &info->deviation[channel]);
    }
}

void sw_block_seal(const struct sw_data_info *info, uint8_t *block) {
    struct sw_block_header header = {.info = *info};
    struct sw_block_layout layout;
    sw_block_lay_out(info, &layout);
    memcpy(header.magic, block_magic, sizeof header.magic);
    size_t end = sizeof header;
    memcpy(block, &header, sizeof header);
    for (int i = 0; i < SW_BLOCK_COUNT; i++) {
        memset(block + end, 0, layout.offset[i] - end);
        end = layout.offset[i] + layout.bytes[i];
    }
    memset(block + end, 0, layout.total - end);
}

enum sw_status sw_block_check(const struct sw_data_info *info, const uint8_t *block) {
    const struct sw_block_header *header = (const void *) block;
    struct sw_block_layout layout;
    if (memcmp(header->magic, block_magic, sizeof header->magic) != 0)
        return SW_FAIL(SW_DAMAGED, "data set %s: byte 0: the block in memory was never completed",
                       info->name);
    if (!sw_digest_equal(sw_digest_of(&header->info, sizeof header->info),
                         sw_digest_of(info, sizeof *info)))
        return SW_FAIL(SW_DAMAGED,
                       "data set %s: byte 8: the block in memory holds another data set or split",
                       info->name);
    sw_block_lay_out(info, &layout);
    if (layout.total != (size_t) info->block_bytes)
        return SW_FAIL(SW_DAMAGED, "data set %s: the block in memory has %lld bytes, %zu expected",
                       info->name, (long long) info->block_bytes, layout.total);
    return SW_OK;
}
