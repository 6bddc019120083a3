/* What every backend has to do, checked on every backend of this build and, for each, with every
 * instruction set of this processor, against sums in double over plain loops. A new backend passes this
 * file unchanged. */
#include "devices.h"

/* ---- linear layers: a problem and what each operation should give ---------------------------- */

struct problem {
    int64_t out, in, ld, block;
    struct sw_csr csr;
    float *w, *values, *x, *y, *dy, *bias; /* w is 0 where values are not kept */
};

static const struct shape {
    int64_t out, in, batch;
    int percent;   /* kept */
    int64_t block; /* side of what is kept as one */
} shapes[] = {
    {1, 1, 1, 100, 1},     {1, 1, 7, 0, 1},        {3, 5, 7, 50, 1},       {5, 3, 60, 100, 1},
    {8, 16, 8, 30, 1},     {17, 33, 60, 30, 1},    {10, 100, 64, 100, 1},  {129, 37, 72, 10, 1},
    {65, 130, 104, 4, 1},  {100, 300, 128, 20, 1}, {300, 784, 60, 6, 1},   {1000, 10, 128, 50, 1},
    {70, 530, 128, 30, 1}, {130, 300, 184, 8, 1},  {264, 265, 24, 60, 1},  {20, 28, 8, 40, 4},
    {21, 27, 16, 40, 4},   {22, 41, 24, 60, 4},    {75, 130, 40, 20, 4},   {300, 784, 60, 10, 4},
    {32, 40, 48, 40, 8},   {17, 33, 56, 60, 8},    {12, 100, 128, 30, 8},  {131, 75, 136, 30, 8},
    {64, 48, 128, 40, 16}, {35, 18, 8, 80, 16},    {130, 290, 88, 20, 16}, {47, 93, 184, 50, 16},
};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

/* Row 0 and the last column (of blocks) are empty unless everything is kept. */
static uint8_t *problem_mask(const struct shape *shape) {
    uint8_t *mask = NULL;
    int64_t count = shape->out * shape->in;
    SW_TEST_OK(SW_ALLOC(&mask, (size_t) sw_mask_bytes(count), "test"));
    sw_mask_fill(mask, count);
    if (shape->percent == 100) return mask;
    for (int64_t i = 0; i < count; i++) {
        int64_t row = i / shape->in / shape->block, column = i % shape->in / shape->block;
        uint64_t draw = (uint64_t) (row * shape->in + column);
        if (row == 0 || column == (shape->in - 1) / shape->block ||
            sw_random_uniform(7, SW_RANDOM_BENCH, 9, draw) * 100 >= shape->percent)
            sw_mask_clear_bit(mask, i);
    }
    return mask;
}

static struct problem create_problem(const struct shape *shape) {
    struct problem p = {.out = shape->out,
                        .in = shape->in,
                        .ld = sw_hal_lanes(shape->batch),
                        .block = shape->block};
    uint8_t *mask = problem_mask(shape);
    SW_TEST_OK(sw_csr_from_mask(mask, p.out, p.in, &p.csr));
    p.w = random_floats(p.out * p.in, 1);
    p.values = random_floats(p.csr.nnz, 2);
    sw_mask_gather(mask, p.out * p.in, p.w, p.values);
    sw_mask_scatter(mask, p.out * p.in, p.values, p.w);
    p.x = random_floats(p.in * p.ld, 3);
    p.y = random_floats(p.out * p.ld, 4);
    p.dy = random_floats(p.out * p.ld, 5);
    p.bias = random_floats(p.out, 6);
    for (int64_t i = 0; i < p.out * p.ld; i += 3)
        p.y[i] = 0.0f;
    SW_FREE(&mask);
    return p;
}

static void destroy_problem(struct problem *p) {
    sw_csr_fini(&p->csr);
    SW_FREE(&p->w);
    SW_FREE(&p->values);
    SW_FREE(&p->x);
    SW_FREE(&p->y);
    SW_FREE(&p->dy);
    SW_FREE(&p->bias);
}

/* One output element: its exact value, and the sum of absolute terms, which bounds rounding errors. */
struct exact {
    double value, scale;
};

static void add_term(struct exact *sum, float a, float b) {
    sum->value += (double) a * (double) b;
    sum->scale += fabs((double) a * (double) b);
}

static struct exact exact_forward(const struct problem *p, int64_t i) {
    struct exact sum = {0, 0};
    for (int64_t c = 0; c < p->in; c++)
        add_term(&sum, p->w[i / p->ld * p->in + c], p->x[c * p->ld + i % p->ld]);
    return sum;
}

static struct exact exact_backward_data(const struct problem *p, int64_t i) {
    struct exact sum = {0, 0};
    for (int64_t r = 0; r < p->out; r++)
        add_term(&sum, p->w[r * p->in + i / p->ld], p->dy[r * p->ld + i % p->ld]);
    return sum;
}

static struct exact exact_backward_weights(const struct problem *p, int64_t i) {
    struct exact sum = {0, 0};
    for (int64_t b = 0; b < p->ld; b++)
        add_term(&sum, p->dy[i / p->in * p->ld + b], p->x[i % p->in * p->ld + b]);
    return sum;
}

static int64_t row_of(const struct sw_csr *csr, int64_t k) {
    int64_t r = 0;
    while (csr->row_start[r + 1] <= k)
        r++;
    return r;
}

static struct exact exact_values(const struct problem *p, int64_t k) {
    return exact_backward_weights(p, row_of(&p->csr, k) * p->in + p->csr.column[k]);
}

static struct exact exact_bias(const struct problem *p, int64_t i) {
    double sum = (double) p->y[i] + (double) p->bias[i / p->ld];
    return (struct exact){sum, 1.0};
}

static struct exact exact_bias_relu(const struct problem *p, int64_t i) {
    struct exact sum = exact_bias(p, i);
    return (struct exact){sum.value > 0 ? sum.value : 0, 1.0};
}

static struct exact exact_relu_backward(const struct problem *p, int64_t i) {
    return (struct exact){p->y[i] > 0 ? (double) p->dy[i] : 0.0, 0.0};
}

static struct exact exact_bias_backward(const struct problem *p, int64_t r) {
    struct exact sum = {0, 0};
    for (int64_t b = 0; b < p->ld; b++)
        add_term(&sum, p->dy[r * p->ld + b], 1.0f);
    return sum;
}

static struct exact exact_w(const struct problem *p, int64_t i) {
    return (struct exact){(double) p->w[i], 0.0};
}

static struct exact exact_kept(const struct problem *p, int64_t k) {
    return (struct exact){(double) p->values[k], 0.0};
}

/* ---- linear layers: the operations ----------------------------------------------------------- */

/* The problem on a device, and room for the result. */
struct loaded {
    struct sw_hal *hal;
    const struct problem *p;
    struct sw_sparse
        *positions[SW_FORMAT_COUNT]; /* NULL where the format cannot hold the problem */
    const struct sw_sparse *sparse;  /* of these, what the operation takes */
    struct sw_buffer *w, *values, *x, *y, *dy, *bias, *out;
};

static enum sw_status run_dense_forward(const struct loaded *d) {
    return sw_hal_dense_forward(d->hal, d->w, d->x, d->p->out, d->p->in, d->p->ld, d->out);
}
static enum sw_status run_dense_backward_data(const struct loaded *d) {
    return sw_hal_dense_backward_data(d->hal, d->w, d->dy, d->p->out, d->p->in, d->p->ld, d->out);
}
static enum sw_status run_dense_backward_weights(const struct loaded *d) {
    return sw_hal_dense_backward_weights(d->hal, d->dy, d->x, d->p->out, d->p->in, d->p->ld,
                                         d->out);
}
static enum sw_status run_sparse_forward(const struct loaded *d) {
    return sw_hal_sparse_forward(d->hal, d->sparse, d->values, d->x, d->p->ld, d->out);
}
static enum sw_status run_sparse_backward_data(const struct loaded *d) {
    return sw_hal_sparse_backward_data(d->hal, d->sparse, d->values, d->dy, d->p->ld, d->out);
}
static enum sw_status run_sparse_backward_weights(const struct loaded *d) {
    return sw_hal_sparse_backward_weights(d->hal, d->sparse, d->dy, d->x, d->p->ld, d->out);
}
static enum sw_status run_sparse_scatter(const struct loaded *d) {
    return sw_hal_sparse_scatter(d->hal, d->sparse, d->values, d->out);
}
static enum sw_status run_sparse_gather(const struct loaded *d) {
    return sw_hal_sparse_gather(d->hal, d->sparse, d->w, d->out);
}
static enum sw_status run_bias(const struct loaded *d) {
    SW_TRY(sw_hal_upload(d->out, 0, d->p->y, d->p->out * d->p->ld * (int64_t) sizeof(float)));
    return sw_hal_bias_activate(d->hal, d->bias, d->p->out, d->p->ld, 0, d->out);
}
static enum sw_status run_bias_relu(const struct loaded *d) {
    SW_TRY(sw_hal_upload(d->out, 0, d->p->y, d->p->out * d->p->ld * (int64_t) sizeof(float)));
    return sw_hal_bias_activate(d->hal, d->bias, d->p->out, d->p->ld, 1, d->out);
}
static enum sw_status run_relu_backward(const struct loaded *d) {
    SW_TRY(sw_hal_upload(d->out, 0, d->p->dy, d->p->out * d->p->ld * (int64_t) sizeof(float)));
    return sw_hal_relu_backward(d->hal, d->y, d->p->out, d->p->ld, d->out);
}
static enum sw_status run_bias_backward(const struct loaded *d) {
    return sw_hal_bias_backward(d->hal, d->dy, d->p->out, d->p->ld, d->out);
}

enum extent { OUT_LD, IN_LD, OUT_IN, NNZ, OUT };
static int64_t extent_of(const struct problem *p, enum extent extent) {
    const int64_t extents[] = {p->out * p->ld, p->in * p->ld, p->out * p->in, p->csr.nnz, p->out};
    return extents[extent];
}

/* What an operation is run with: no positions, those of every format, or of every one but DENSE. */
enum positions { NO_POSITIONS, ALL_FORMATS, SPARSE_FORMATS };

/* Tolerances are relative to the sum of absolute terms; 0 means exact. */
static const struct operation {
    const char *name;
    enum sw_status (*run)(const struct loaded *);
    struct exact (*exact)(const struct problem *, int64_t);
    enum extent extent;
    double tolerance;
    enum positions positions;
} operations[] = {
    {"dense_forward", run_dense_forward, exact_forward, OUT_LD, 5e-7, NO_POSITIONS},
    {"dense_backward_data", run_dense_backward_data, exact_backward_data, IN_LD, 5e-7,
     NO_POSITIONS},
    {"dense_backward_weights", run_dense_backward_weights, exact_backward_weights, OUT_IN, 5e-7,
     NO_POSITIONS},
    {"sparse_forward", run_sparse_forward, exact_forward, OUT_LD, 5e-7, SPARSE_FORMATS},
    {"sparse_backward_data", run_sparse_backward_data, exact_backward_data, IN_LD, 5e-7,
     SPARSE_FORMATS},
    {"sparse_backward_weights", run_sparse_backward_weights, exact_values, NNZ, 5e-7,
     SPARSE_FORMATS},
    {"sparse_scatter", run_sparse_scatter, exact_w, OUT_IN, 0, ALL_FORMATS},
    {"sparse_gather", run_sparse_gather, exact_kept, NNZ, 0, ALL_FORMATS},
    {"bias", run_bias, exact_bias, OUT_LD, 1.3e-7, NO_POSITIONS},
    {"bias_relu", run_bias_relu, exact_bias_relu, OUT_LD, 1.3e-7, NO_POSITIONS},
    {"relu_backward", run_relu_backward, exact_relu_backward, OUT_LD, 0, NO_POSITIONS},
    {"bias_backward", run_bias_backward, exact_bias_backward, OUT, 3e-7, NO_POSITIONS},
};
#define N_OPERATIONS (sizeof operations / sizeof *operations)

/* Blocks within the blocks that are kept or removed as one are whole, too. */
static bool can_hold(const struct problem *p, enum sw_layer_format format) {
    int64_t side = sw_format_block(format);
    return side == 0 || p->csr.nnz == p->out * p->in || p->block % side == 0;
}

static struct loaded load_problem(struct sw_hal *hal, const struct problem *p) {
    struct loaded d = {.hal = hal, .p = p};
    for (int f = 0; f < SW_FORMAT_COUNT; f++)
        if (can_hold(p, (enum sw_layer_format) f))
            SW_TEST_OK(
                sw_hal_sparse_create(hal, &p->csr, (enum sw_layer_format) f, &d.positions[f]));
    d.w = floats(hal, p->w, p->out * p->in);
    d.values = floats(hal, p->values, p->csr.nnz);
    d.x = floats(hal, p->x, p->in * p->ld);
    d.y = floats(hal, p->y, p->out * p->ld);
    d.dy = floats(hal, p->dy, p->out * p->ld);
    d.bias = floats(hal, p->bias, p->out);
    return d;
}

static void unload_problem(struct loaded *d) {
    for (int f = 0; f < SW_FORMAT_COUNT; f++)
        sw_hal_sparse_free(&d->positions[f]);
    sw_hal_free(&d->w);
    sw_hal_free(&d->values);
    sw_hal_free(&d->x);
    sw_hal_free(&d->y);
    sw_hal_free(&d->dy);
    sw_hal_free(&d->bias);
}

/* Run an operation into a buffer of just its size and fetch the result. */
static float *run_operation(const struct operation *operation, struct loaded *d) {
    int64_t n = extent_of(d->p, operation->extent);
    d->out = unset(d->hal, n);
    SW_TEST_OK(operation->run(d));
    float *result = fetch(d->out, n);
    sw_hal_free(&d->out);
    return result;
}

static void compare_with_exact(const struct operation *operation, int format,
                               const struct problem *p, const float *result,
                               const struct exact *exact) {
    int64_t bad = 0;
    for (int64_t i = 0; i < extent_of(p, operation->extent); i++) {
        double error = fabs((double) result[i] - exact[i].value);
        if (!(error <= operation->tolerance * exact[i].scale) && bad++ == 0)
            fprintf(stderr, "  %s %s %lldx%lld ld %lld: element %lld is %.9g, not %.9g\n",
                    operation->name, sw_format_name((enum sw_layer_format) format),
                    (long long) p->out, (long long) p->in, (long long) p->ld, (long long) i,
                    (double) result[i], exact[i].value);
    }
    CU_ASSERT_EQUAL(bad, 0);
}

/* Results of all operations of one problem, computed once. */
static struct exact *expected[N_OPERATIONS];
static struct problem problem;

/* One operation in one format: right with one thread, and the same bits with more. */
static void check_operation(struct loaded *d, size_t i, int format) {
    static float *first[N_OPERATIONS][SW_FORMAT_COUNT]; /* with one thread */
    size_t bytes = (size_t) extent_of(&problem, operations[i].extent) * sizeof(float);
    d->sparse = d->positions[format];
    float *result = run_operation(&operations[i], d);
    if (sw_hal_threads(d->hal) == 1) {
        compare_with_exact(&operations[i], format, &problem, result, expected[i]);
        SW_FREE(&first[i][format]);
        first[i][format] = result;
        return;
    }
    CU_ASSERT_EQUAL(memcmp(result, first[i][format], bytes), 0);
    SW_FREE(&result);
    if (sw_hal_threads(d->hal) == 3) SW_FREE(&first[i][format]);
}

static void check_operations(struct sw_hal *hal) {
    struct loaded d = load_problem(hal, &problem);
    for (size_t i = 0; i < N_OPERATIONS; i++) {
        if (operations[i].positions == NO_POSITIONS) {
            check_operation(&d, i, SW_FORMAT_DENSE);
            continue;
        }
        int from = operations[i].positions == SPARSE_FORMATS ? SW_FORMAT_CSR : SW_FORMAT_DENSE;
        for (int format = from; format < SW_FORMAT_COUNT; format++)
            if (d.positions[format] != NULL) check_operation(&d, i, format);
    }
    unload_problem(&d);
}

static void layers_agree_with_plain_sums_for_any_threads(void) {
    for (size_t s = 0; s < N_SHAPES; s++) {
        problem = create_problem(&shapes[s]);
        for (size_t i = 0; i < N_OPERATIONS; i++) {
            int64_t n = extent_of(&problem, operations[i].extent);
            SW_TEST_OK(SW_ALLOC(&expected[i], (size_t) n, "test"));
            for (int64_t e = 0; e < n; e++)
                expected[i][e] = operations[i].exact(&problem, e);
        }
        on_every_device(check_operations);
        for (size_t i = 0; i < N_OPERATIONS; i++)
            SW_FREE(&expected[i]);
        destroy_problem(&problem);
    }
}

static CU_TestInfo layers[] = {
    {"layers_agree_with_plain_sums_for_any_threads", layers_agree_with_plain_sums_for_any_threads},
    CU_TEST_INFO_NULL,
};

int main(void) {
    CU_SuiteInfo suites[] = {
        {"layers", NULL, NULL, NULL, NULL, layers},
        CU_SUITE_INFO_NULL,
    };
    return sw_test_main("test_backends", suites);
}
