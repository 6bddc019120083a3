/* Kernels without a sum over long rows: plain C that compilers turn into vector code by themselves.
 * Included once per instruction set, after KERNEL(name) was defined as the set's prefix. Nothing
 * here is fused (-ffp-contract=off) or reassociated, so all sets give the same bits, wherever an
 * element stands. */
#include <math.h>
#include <string.h>

#include "cpu.h"

void KERNEL(bias_activate)(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_activation *p = args;
    for (int64_t r = first; r < last; r++) {
        float *y = p->y + r * p->ld;
        float bias = p->bias[r];
        if (p->relu) {
            for (int64_t b = 0; b < p->ld; b++) {
                float value = y[b] + bias;
                y[b] = value < 0.0f ? 0.0f : value; /* lets NaN through: divergence must show */
            }
        } else {
            for (int64_t b = 0; b < p->ld; b++)
                y[b] += bias;
        }
    }
}

void KERNEL(relu_backward)(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_relu *p = args;
    const float *restrict y = p->y;
    float *restrict dy = p->dy;
    for (int64_t i = first; i < last; i++)
        dy[i] = y[i] <= 0.0f ? 0.0f : dy[i];
}

void KERNEL(bias_backward)(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_row_sum *p = args;
    for (int64_t r = first; r < last; r++) {
        const float *dy = p->dy + r * p->ld;
        float sum[SW_HAL_LANES] = {0};
        for (int64_t b = 0; b < p->ld; b += SW_HAL_LANES)
            for (int i = 0; i < SW_HAL_LANES; i++)
                sum[i] += dy[b + i];
        p->dbias[r] = ((sum[0] + sum[4]) + (sum[2] + sum[6])) +
                      ((sum[1] + sum[5]) + (sum[3] + sum[7]));
    }
}

/* PyTorch's SGD: the first step's velocity is the gradient itself, as v starts at zero. */
void KERNEL(sgd)(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_sgd *p = args;
    const float *restrict g = p->g;
    float *restrict w = p->w;
    float *restrict v = p->v;
    const float lr = p->lr, momentum = p->momentum, decay = p->decay;
    if (v == NULL) {
        for (int64_t i = first; i < last; i++)
            w[i] -= lr * (g[i] + decay * w[i]);
        return;
    }
    for (int64_t i = first; i < last; i++) {
        v[i] = momentum * v[i] + (g[i] + decay * w[i]);
        w[i] -= lr * v[i];
    }
}

/* PyTorch's SGD with nesterov=True. */
void KERNEL(nesterov)(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_sgd *p = args;
    const float *restrict g = p->g;
    float *restrict w = p->w;
    float *restrict v = p->v;
    const float lr = p->lr, momentum = p->momentum, decay = p->decay;
    for (int64_t i = first; i < last; i++) {
        float gradient = g[i] + decay * w[i];
        v[i] = momentum * v[i] + gradient;
        w[i] -= lr * (gradient + momentum * v[i]);
    }
}

/* Kingma & Ba 2015, algorithm 1, and Loshchilov & Hutter 2019, algorithm 2. The corrections are moved
 * out of the loop, as PyTorch does it:
 * lr (m / c1) / (sqrt(v / c2) + e) = (lr / c1) m / (sqrt(v) / sqrt(c2) + e). */
void KERNEL(adam)(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_adam *p = args;
    const float *restrict g = p->g;
    float *restrict w = p->w;
    float *restrict m = p->m;
    float *restrict v = p->v;
    const float beta1 = p->step.beta1, beta2 = p->step.beta2;
    const float rest1 = 1.0f - beta1, rest2 = 1.0f - beta2;
    const float rate = (float) ((double) p->step.lr / (double) p->step.correction1);
    const float scale = (float) (1.0 / sqrt((double) p->step.correction2));
    const float epsilon = p->step.epsilon, decay = p->step.decay;
    const float left = (float) (1.0 - (double) p->step.lr * (double) p->step.decoupled);
    for (int64_t i = first; i < last; i++) {
        float weight = left * w[i]; /* left is 1 for Adam */
        float gradient = g[i] + decay * weight;
        m[i] = beta1 * m[i] + rest1 * gradient;
        v[i] = beta2 * v[i] + rest2 * (gradient * gradient);
        w[i] = weight - rate * (m[i] / (sqrtf(v[i]) * scale + epsilon));
    }
}

/* One part of the sum, in interleaved double sums that are added in a fixed order. */
static double sum_part(const float *x, int64_t n) {
    double sum[SW_HAL_LANES] = {0};
    int64_t i = 0;
    for (; i + SW_HAL_LANES <= n; i += SW_HAL_LANES)
        for (int lane = 0; lane < SW_HAL_LANES; lane++)
            sum[lane] += (double) x[i + lane] * (double) x[i + lane];
    for (; i < n; i++)
        sum[i % SW_HAL_LANES] += (double) x[i] * (double) x[i];
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

void KERNEL(sum_squares)(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_sum_squares *p = args;
    for (int64_t part = first; part < last; part++) {
        int64_t begin = part * p->part_size;
        int64_t left = p->n - begin;
        p->sums[part] = sum_part(p->x + begin, left < p->part_size ? left : p->part_size);
    }
}

/* ---- softmax and cross-entropy --------------------------------------------------------------- */

#define SW_CPU_LOSS_COLUMNS                                                                        \
    32 /* samples at a time; their sums stay in registers and the nearest cache                    \
        */

/* exp(x) for x <= 0 to 2 units in the last place; below -87, where floats end, about 1e-38. Not
 * expf: the C library's bits differ between processors. x = n ln 2 + r, the polynomial is Taylor's
 * in r. */
static inline float exp_negative(float x) {
    const float to_integer = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    x = x < -87.0f ? -87.0f : x;
    float shifted = x * 1.44269504f + to_integer;
    float n = shifted - to_integer;
    float r = (x - n * 0.693145752f) - n * 1.42860677e-6f;
    float sum = 1.0f / 720.0f;
    sum = sum * r + 1.0f / 120.0f;
    sum = sum * r + 1.0f / 24.0f;
    sum = sum * r + 1.0f / 6.0f;
    sum = sum * r + 0.5f;
    sum = sum * r + 1.0f;
    sum = sum * r + 1.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + 0x3f800000u; /* 2^n */
    float power;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

/* log(x) for x >= 1 in double, x = 2^e m: log m = 2 atanh((m - 1) / (m + 1)). NaN and infinity
 * stay. */
static double log_positive(double x) {
    if (!(x < (double) INFINITY)) return x;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    double exponent = (double) ((int64_t) (bits >> 52) - 1023);
    bits = (bits & 0xfffffffffffffu) | 0x3ff0000000000000u;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        exponent += 1.0;
    }
    double t = (m - 1.0) / (m + 1.0);
    double sum = 0.0;
    for (int k = 21; k >= 1; k -= 2)
        sum = sum * (t * t) + 1.0 / (double) k;
    return 2.0 * t * sum + exponent * 0.69314718055994531;
}

/* What is known about up to SW_CPU_LOSS_COLUMNS samples while their classes are walked through. */
struct loss_columns {
    float top[SW_CPU_LOSS_COLUMNS];      /* largest logit */
    int32_t answer[SW_CPU_LOSS_COLUMNS]; /* its class, the lowest on ties */
    double sum[SW_CPU_LOSS_COLUMNS];     /* sum of exp(logit - top) */
};

static void find_top(const struct sw_cpu_loss *p, int64_t column, int64_t n,
                     struct loss_columns *s) {
    for (int64_t i = 0; i < n; i++) {
        s->top[i] = p->logits[column + i];
        s->answer[i] = 0;
    }
    for (int64_t c = 1; c < p->classes; c++) {
        const float *row = p->logits + c * p->ld + column;
        for (int64_t i = 0; i < n; i++) {
            int higher = row[i] > s->top[i] || row[i] != row[i]; /* NaN wins, and so shows */
            s->top[i] = higher ? row[i] : s->top[i];
            s->answer[i] = higher ? (int32_t) c : s->answer[i];
        }
    }
}

/* Sum the exponentials; keep them in dlogits where there is one. */
static void sum_exponentials(const struct sw_cpu_loss *p, int64_t column, int64_t n,
                             struct loss_columns *s) {
    float scratch[SW_CPU_LOSS_COLUMNS] = {0};
    for (int64_t i = 0; i < n; i++)
        s->sum[i] = 0.0;
    for (int64_t c = 0; c < p->classes; c++) {
        const float *row = p->logits + c * p->ld + column;
        float *power = p->dlogits != NULL ? p->dlogits + c * p->ld + column : scratch;
        for (int64_t i = 0; i < n; i++)
            power[i] = exp_negative(row[i] - s->top[i]);
        for (int64_t i = 0; i < n; i++)
            s->sum[i] += (double) power[i];
    }
}

/* dlogits = (softmax - onehot) / batch, from the exponentials in it; 0 for the padding. */
static void finish_gradient(const struct sw_cpu_loss *p, int64_t column, int64_t n,
                            const struct loss_columns *s) {
    float scale[SW_CPU_LOSS_COLUMNS];
    int64_t real = p->batch - column < n ? p->batch - column : n;
    for (int64_t i = 0; i < n; i++)
        scale[i] = (float) (1.0 / (s->sum[i] * (double) p->batch));
    for (int64_t c = 0; c < p->classes; c++) {
        float *row = p->dlogits + c * p->ld + column;
        for (int64_t i = 0; i < n; i++)
            row[i] *= scale[i];
        for (int64_t i = real; i < n; i++)
            row[i] = 0.0f;
    }
    for (int64_t i = 0; i < real; i++)
        p->dlogits[p->labels[column + i] * p->ld + column + i] -= (float) (1.0 / (double) p->batch);
}

static void loss_of_columns(const struct sw_cpu_loss *p, int64_t column, int64_t n, double *loss,
                            int64_t *correct) {
    struct loss_columns s;
    find_top(p, column, n, &s);
    sum_exponentials(p, column, n, &s);
    for (int64_t i = 0; i < n && column + i < p->batch; i++) {
        int32_t label = p->labels[column + i];
        double below = (double) s.top[i] - (double) p->logits[label * p->ld + column + i];
        *loss += log_positive(s.sum[i]) + below;
        *correct += s.answer[i] == label;
    }
    if (p->dlogits != NULL) finish_gradient(p, column, n, &s);
}

void KERNEL(loss)(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_loss *p = args;
    for (int64_t part = first; part < last; part++) {
        int64_t end = (part + 1) * p->part_columns;
        if (end > p->ld) end = p->ld;
        p->loss[part] = 0.0;
        p->correct[part] = 0;
        for (int64_t c = part * p->part_columns; c < end; c += SW_CPU_LOSS_COLUMNS)
            loss_of_columns(p, c, end - c < SW_CPU_LOSS_COLUMNS ? end - c : SW_CPU_LOSS_COLUMNS,
                            &p->loss[part], &p->correct[part]);
    }
}
