/* Dense products through OpenBLAS, which runs on one thread per call: with two threads its results
 * differ. Our threads share out blocks of output rows whose size is fixed, so every block is the
 * same call whoever makes it. */
#include <cblas.h>

#include "cpu.h"

#define BLOCK_ROWS 128

/* c[rows, columns] = a[rows, depth] b[depth, columns], each side perhaps stored transposed. */
struct product {
    const float *a, *b;
    float *c;
    int64_t rows, columns, depth;
    CBLAS_TRANSPOSE a_layout, b_layout;
    int64_t a_ld, b_ld;
};

static void multiply(const void *args, int64_t first, int64_t last) {
    const struct product *p = args;
    for (int64_t row = first; row < last; row += BLOCK_ROWS) {
        int64_t rows = last - row < BLOCK_ROWS ? last - row : BLOCK_ROWS;
        const float *a = p->a + (p->a_layout == CblasTrans ? row : row * p->a_ld);
        cblas_sgemm(CblasRowMajor, p->a_layout, p->b_layout, (blasint) rows, (blasint) p->columns,
                    (blasint) p->depth, 1.0f, a, (blasint) p->a_ld, p->b, (blasint) p->b_ld, 0.0f,
                    p->c + row * p->columns, (blasint) p->columns);
    }
}

static enum sw_status run_product(const struct sw_hal *hal, const struct product *p) {
    sw_cpu_run(hal, multiply, p, p->rows, BLOCK_ROWS,
               (double) p->rows * (double) p->columns * (double) p->depth);
    return SW_OK;
}

enum sw_status sw_cpu_dense_forward(struct sw_hal *hal, const struct sw_buffer *w,
                                    const struct sw_buffer *x, int64_t out, int64_t in, int64_t ld,
                                    struct sw_buffer *y) {
    struct product p = {w->memory, x->memory,    y->memory,    out, ld,
                        in,        CblasNoTrans, CblasNoTrans, in,  ld};
    return run_product(hal, &p);
}

enum sw_status sw_cpu_dense_backward_data(struct sw_hal *hal, const struct sw_buffer *w,
                                          const struct sw_buffer *dy, int64_t out, int64_t in,
                                          int64_t ld, struct sw_buffer *dx) {
    struct product p = {w->memory, dy->memory, dx->memory,   in, ld,
                        out,       CblasTrans, CblasNoTrans, in, ld};
    return run_product(hal, &p);
}

enum sw_status sw_cpu_dense_backward_weights(struct sw_hal *hal, const struct sw_buffer *dy,
                                             const struct sw_buffer *x, int64_t out, int64_t in,
                                             int64_t ld, struct sw_buffer *dw) {
    struct product p = {dy->memory, x->memory,    dw->memory, out, in,
                        ld,         CblasNoTrans, CblasTrans, ld,  ld};
    return run_product(hal, &p);
}

const char *sw_hal_blas_version(void) {
    return openblas_get_config();
}
