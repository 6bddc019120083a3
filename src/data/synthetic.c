/* synthetic: images that a random network, the teacher, has labelled.
 *
 * An image is a random mixture of a few smooth patterns plus pixel noise, so that it has few degrees of
 * freedom and a student can learn the labels from some hundred images. The teacher is a random two-layer
 * network on the pixels; its outputs are brought to zero mean and unit deviation per class on images of
 * their own stream, which makes all classes about equally likely.
 *
 * Image i depends on (data.seed, half, i) alone: more samples never change the earlier ones. Only the
 * basic operations and sqrt are used, all of which IEEE 754 rounds exactly: every machine makes the same
 * bytes. */
#include <inttypes.h>
#include <math.h>

#include "datasets.h"
#include "limits.h"
#include "sweepstake/memory.h"
#include "sweepstake/random.h"

#define PATTERNS 8       /* degrees of freedom of an image */
#define GRID 4           /* a pattern is a GRID x GRID image, enlarged */
#define HIDDEN 16        /* units of the teacher's first layer */
#define CALIBRATION 1024 /* images that bring the outputs of the teacher to one scale */
#define CONTRAST 90.0    /* gray levels per unit of a pattern */
#define NOISE 16.0       /* pixel noise is uniform within plus or minus this many gray levels */
#define GAIN 2.0         /* deviation of a weight, times the root of the number of pixels */

/* Streams of SW_RANDOM_SYNTHETIC. Renumbering changes the data. */
enum stream {
    STREAM_PATTERNS,
    STREAM_HIDDEN,
    STREAM_OUTPUT,
    STREAM_CALIBRATION, /* mixtures of the images; their noise has the stream STREAM_NOISE higher */
    STREAM_TRAIN,
    STREAM_TEST,
    STREAM_NOISE = 16
};

struct teacher {
    uint64_t seed;
    int64_t features, classes;
    float *patterns;                   /* [features, PATTERNS] */
    float *hidden;                     /* [features, HIDDEN] */
    float *output;                     /* [HIDDEN, classes] */
    double mean[SW_DATA_MAX_CLASSES];  /* of the outputs */
    double scale[SW_DATA_MAX_CLASSES]; /* 1 / deviation of the outputs */
};

/* Uniform in [-1, 1), exact. */
static double signed_unit(uint32_t word) {
    return ((double) word - 2147483648.0) / 2147483648.0;
}

/* Number `i` of a stream. */
static double signed_at(uint64_t seed, enum stream stream, uint64_t i) {
    return signed_unit(sw_random_draw(seed, SW_RANDOM_SYNTHETIC, stream, i / 4).word[i % 4]);
}

/* tanh by a rational function that reaches 1 at 3: libm's differs between machines. */
static double squash(double x) {
    if (x >= 3) return 1;
    if (x <= -3) return -1;
    return x * (27 + x * x) / (27 + 9 * x * x);
}

/* ---- images ---------------------------------------------------------------------------------------- */

/* Where pixel i of n falls on the coarse grid: between cells *cell and *cell + 1. */
static double place_on_grid(int64_t i, int64_t n, int *cell) {
    double place = ((double) i + 0.5) / (double) n * (GRID - 1);
    *cell = place < GRID - 2 ? (int) place : GRID - 2;
    return place - *cell;
}

/* One pattern in one channel, by bilinear interpolation; strides over the patterns of a pixel. */
static void enlarge_pattern(const double grid[GRID][GRID], int64_t height, int64_t width,
                            float *out) {
    for (int64_t y = 0; y < height; y++) {
        int row = 0, column = 0;
        double down = place_on_grid(y, height, &row);
        for (int64_t x = 0; x < width; x++, out += PATTERNS) {
            double right = place_on_grid(x, width, &column);
            double upper = grid[row][column] * (1 - right) + grid[row][column + 1] * right;
            double lower = grid[row + 1][column] * (1 - right) + grid[row + 1][column + 1] * right;
            *out = (float) (upper * (1 - down) + lower * down);
        }
    }
}

static void draw_patterns(const struct sw_data_info *info, struct teacher *teacher) {
    int64_t plane = info->shape[1] * info->shape[2];
    uint64_t drawn = 0;
    for (int64_t channel = 0; channel < info->shape[0]; channel++) {
        for (int pattern = 0; pattern < PATTERNS; pattern++) {
            double grid[GRID][GRID];
            for (int i = 0; i < GRID * GRID; i++)
                grid[i / GRID][i % GRID] = signed_at(teacher->seed, STREAM_PATTERNS, drawn++);
            enlarge_pattern(grid, info->shape[1], info->shape[2],
                            teacher->patterns + channel * plane * PATTERNS + pattern);
        }
    }
}

/* Sixteen bytes of noise for pixels 16 block, 16 block + 1, ... of an image, in gray levels. */
static void draw_noise(uint64_t seed, uint64_t stream, uint64_t block, double noise[16]) {
    struct sw_random_words words = sw_random_draw(seed, SW_RANDOM_SYNTHETIC, stream, block);
    for (int i = 0; i < 16; i++) {
        uint32_t byte = words.word[i / 4] >> (8 * (i % 4)) & 255;
        noise[i] = (2.0 * byte - 255) * (NOISE / 256);
    }
}

static uint8_t to_pixel(double level) {
    return level <= 0 ? 0 : level >= 255 ? 255 : (uint8_t) level;
}

static void draw_image(const struct teacher *teacher, enum stream stream, int64_t index,
                       uint8_t *pixels) {
    uint64_t blocks = ((uint64_t) teacher->features + 15) / 16,
             noise_stream = (uint64_t) stream + STREAM_NOISE;
    double mixture[PATTERNS], noise[16];
    for (int j = 0; j < PATTERNS; j++)
        mixture[j] = CONTRAST *
                     signed_at(teacher->seed, stream, (uint64_t) index * PATTERNS + (uint64_t) j);
    for (int64_t i = 0; i < teacher->features; i++) {
        const float *pattern = teacher->patterns + i * PATTERNS;
        double level = 128;
        if (i % 16 == 0)
            draw_noise(teacher->seed, noise_stream, (uint64_t) index * blocks + (uint64_t) i / 16,
                       noise);
        for (int j = 0; j < PATTERNS; j++)
            level += mixture[j] * (double) pattern[j];
        pixels[i] = to_pixel(level + noise[i % 16]);
    }
}

/* ---- labels ---------------------------------------------------------------------------------------- */

static void compute_outputs(const struct teacher *teacher, const uint8_t *pixels, double *outputs) {
    double hidden[HIDDEN] = {0};
    for (int64_t i = 0; i < teacher->features; i++)
        for (int k = 0; k < HIDDEN; k++)
            hidden[k] += (pixels[i] - 128) / 128.0 * (double) teacher->hidden[i * HIDDEN + k];
    for (int64_t class = 0; class < teacher->classes; class ++)
        outputs[class] = 0;
    for (int k = 0; k < HIDDEN; k++) {
        double unit = squash(hidden[k]);
        for (int64_t class = 0; class < teacher->classes; class ++)
            outputs[class] += unit * (double) teacher->output[k * teacher->classes + class];
    }
}

/* The class whose output is highest for its standards; the first one of equals. */
static uint8_t choose_label(const struct teacher *teacher, const uint8_t *pixels) {
    double outputs[SW_DATA_MAX_CLASSES], highest = -INFINITY;
    int64_t label = 0;
    compute_outputs(teacher, pixels, outputs);
    for (int64_t class = 0; class < teacher->classes; class ++) {
        double standing = (outputs[class] - teacher->mean[class]) * teacher->scale[class];
        if (standing <= highest) continue;
        highest = standing;
        label = class;
    }
    return (uint8_t) label;
}

static enum sw_status calibrate(struct teacher *teacher) {
    double outputs[SW_DATA_MAX_CLASSES], squares[SW_DATA_MAX_CLASSES] = {0};
    uint8_t *pixels = NULL;
    SW_TRY(SW_ALLOC(&pixels, (size_t) teacher->features, "a synthetic image"));
    for (int64_t i = 0; i < CALIBRATION; i++) {
        draw_image(teacher, STREAM_CALIBRATION, i, pixels);
        compute_outputs(teacher, pixels, outputs);
        for (int64_t class = 0; class < teacher->classes; class ++) {
            teacher->mean[class] += outputs[class] / CALIBRATION;
            squares[class] += outputs[class] * outputs[class] / CALIBRATION;
        }
    }
    for (int64_t class = 0; class < teacher->classes; class ++) {
        double variance = squares[class] - teacher->mean[class] * teacher->mean[class];
        teacher->scale[class] = variance > 1e-12 ? 1 / sqrt(variance) : 1;
    }
    SW_FREE(&pixels);
    return SW_OK;
}

/* ---- teacher --------------------------------------------------------------------------------------- */

static void fini_teacher(struct teacher *teacher) {
    SW_FREE(&teacher->patterns);
    SW_FREE(&teacher->hidden);
    SW_FREE(&teacher->output);
}

/* `teacher` is to be given to fini_teacher also on failure. */
static enum sw_status init_teacher(const struct sw_trial_spec *spec,
                                   const struct sw_data_info *info, struct teacher *teacher) {
    teacher->seed = (uint64_t) spec->data_seed;
    teacher->features = info->shape[0] * info->shape[1] * info->shape[2];
    teacher->classes = info->classes;
    size_t features = (size_t) teacher->features, outputs = HIDDEN * (size_t) info->classes;
    SW_TRY(SW_ALLOC(&teacher->patterns, features * PATTERNS, "the patterns of the synthetic data"));
    SW_TRY(SW_ALLOC(&teacher->hidden, features * HIDDEN, "the teacher of the synthetic data"));
    SW_TRY(SW_ALLOC(&teacher->output, outputs, "the teacher of the synthetic data"));
    double range = GAIN *
                   sqrt(3 / (double) features); /* uniform numbers have deviation range / sqrt(3) */
    for (size_t i = 0; i < features * HIDDEN; i++)
        teacher->hidden[i] = (float) (range * signed_at(teacher->seed, STREAM_HIDDEN, i));
    for (size_t i = 0; i < outputs; i++)
        teacher->output[i] = (float) signed_at(teacher->seed, STREAM_OUTPUT, i);
    draw_patterns(info, teacher);
    return calibrate(teacher);
}

static void draw_samples(const struct teacher *teacher, enum stream stream, int64_t n,
                         uint8_t *images, uint8_t *labels) {
    for (int64_t i = 0; i < n; i++) {
        draw_image(teacher, stream, i, images + i * teacher->features);
        labels[i] = choose_label(teacher, images + i * teacher->features);
    }
}

/* ---- the data set ---------------------------------------------------------------------------------- */

static enum sw_status probe(const struct sw_trial_spec *spec, struct sw_data_info *info) {
    int64_t shape[4] = {0};
    if (sw_spec_shape(spec->data_shape, shape) != 3)
        return SW_FAIL(SW_CONFIG,
                       "data.shape: %s found; CHANNELSxHEIGHTxWIDTH expected, such as 1x8x8",
                       spec->data_shape);
    for (int i = 0; i < 3; i++)
        info->shape[i] = shape[i];
    info->classes = spec->data_classes;
    info->train = spec->data_train;
    info->test = spec->data_test;
    return SW_OK;
}

static enum sw_status decode(const struct sw_trial_spec *spec, const struct sw_data_info *info,
                             uint8_t *train_images, uint8_t *train_labels, uint8_t *test_images,
                             uint8_t *test_labels) {
    struct teacher teacher = {0};
    enum sw_status status = init_teacher(spec, info, &teacher);
    if (status == SW_OK) {
        draw_samples(&teacher, STREAM_TRAIN, info->train + info->validation, train_images,
                     train_labels);
        draw_samples(&teacher, STREAM_TEST, info->test, test_images, test_labels);
    }
    fini_teacher(&teacher);
    return status;
}

static const char *const options[] = {"data.shape", "data.classes", "data.train",
                                      "data.test",  "data.seed",    NULL};

const struct sw_dataset sw_dataset_synthetic = {
    .name = "synthetic",
    .summary = "smooth random images, labelled by a random two-layer network; computed, no files",
    .options = options,
    .probe = probe,
    .decode = decode,
};
