/* Optimizers of weights that are products of two factors. As in elementwise.h: included once per
 * instruction set, nothing fused or reassociated, the same bits everywhere. The pragmas say that the arrays
 * are distinct: there are too many of them for compilers to check. */
#include <math.h>

#include "cpu.h"

/* What one step did to a pair of factors, as numbers that add up. */
#define COUNT_EVENTS(old_u, old_w, new_u, new_w)                                                   \
    do {                                                                                           \
        unbalanced += ((old_u) * (old_u) >= (old_w) * (old_w)) &                                   \
                      ((new_u) * (new_u) < (new_w) * (new_w));                                     \
        flipped += ((old_u) < 0.0f) != ((new_u) < 0.0f);                                           \
    } while (0)

/* Whole numbers: the order in which threads add them does not matter. */
static void add_events(struct sw_factor_events *events, int32_t unbalanced, int32_t flipped) {
    (void) __atomic_fetch_add(&events->unbalanced, unbalanced, __ATOMIC_RELAXED);
    (void) __atomic_fetch_add(&events->flipped, flipped, __ATOMIC_RELAXED);
}

static void descend(const struct sw_cpu_factors *p, int64_t first, int64_t last) {
    const float *restrict g = p->g;
    float *restrict theta = p->theta;
    float *restrict u = p->u;
    float *restrict w = p->w;
    const float lr = p->sgd.lr, decay = p->sgd.decay;
    int32_t unbalanced = 0, flipped = 0;
#pragma omp simd reduction(+ : unbalanced, flipped)
    for (int64_t i = first; i < last; i++) {
        float old_u = u[i], old_w = w[i];
        float new_u = old_u - lr * (g[i] * old_w + decay * old_u);
        float new_w = old_w - lr * (g[i] * old_u + decay * old_w);
        u[i] = new_u;
        w[i] = new_w;
        theta[i] = new_u * new_w;
        COUNT_EVENTS(old_u, old_w, new_u, new_w);
    }
    add_events(p->events, unbalanced, flipped);
}

/* Nesterov's step is the gradient plus momentum times the velocity, the plain one is the velocity. */
static void descend_with_momentum(const struct sw_cpu_factors *p, int64_t first, int64_t last) {
    const float *restrict g = p->g;
    float *restrict theta = p->theta;
    float *restrict u = p->u;
    float *restrict w = p->w;
    float *restrict v_u = p->first_u;
    float *restrict v_w = p->first_w;
    const float lr = p->sgd.lr, momentum = p->sgd.momentum, decay = p->sgd.decay;
    const float now = p->sgd.nesterov ? 1.0f : 0.0f, kept = p->sgd.nesterov ? momentum : 1.0f;
    int32_t unbalanced = 0, flipped = 0;
#pragma omp simd reduction(+ : unbalanced, flipped)
    for (int64_t i = first; i < last; i++) {
        float old_u = u[i], old_w = w[i];
        float g_u = g[i] * old_w + decay * old_u, g_w = g[i] * old_u + decay * old_w;
        v_u[i] = momentum * v_u[i] + g_u;
        v_w[i] = momentum * v_w[i] + g_w;
        float new_u = old_u - lr * (now * g_u + kept * v_u[i]);
        float new_w = old_w - lr * (now * g_w + kept * v_w[i]);
        u[i] = new_u;
        w[i] = new_w;
        theta[i] = new_u * new_w;
        COUNT_EVENTS(old_u, old_w, new_u, new_w);
    }
    add_events(p->events, unbalanced, flipped);
}

void KERNEL(factored_sgd)(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_factors *p = args;
    if (p->first_u == NULL)
        descend(p, first, last);
    else
        descend_with_momentum(p, first, last);
}

/* The corrections are moved out of the loop, as for weights of one factor. */
void KERNEL(factored_adam)(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_factors *p = args;
    const float *restrict g = p->g;
    float *restrict theta = p->theta;
    float *restrict u = p->u;
    float *restrict w = p->w;
    float *restrict m_u = p->first_u;
    float *restrict m_w = p->first_w;
    float *restrict v_u = p->second_u;
    float *restrict v_w = p->second_w;
    const struct sw_adam_step *step = &p->adam;
    const float beta1 = step->beta1, beta2 = step->beta2;
    const float rest1 = 1.0f - beta1, rest2 = 1.0f - beta2;
    const float rate = (float) ((double) step->lr / (double) step->correction1);
    const float scale = (float) (1.0 / sqrt((double) step->correction2));
    const float epsilon = step->epsilon, decay = step->decay;
    const float left = (float) (1.0 - (double) step->lr * (double) step->decoupled);
    int32_t unbalanced = 0, flipped = 0;
#pragma omp simd reduction(+ : unbalanced, flipped)
    for (int64_t i = first; i < last; i++) {
        float old_u = u[i], old_w = w[i];
        float shrunk_u = left * old_u, shrunk_w = left * old_w; /* left is 1 for Adam */
        float g_u = g[i] * old_w + decay * shrunk_u, g_w = g[i] * old_u + decay * shrunk_w;
        m_u[i] = beta1 * m_u[i] + rest1 * g_u;
        m_w[i] = beta1 * m_w[i] + rest1 * g_w;
        v_u[i] = beta2 * v_u[i] + rest2 * (g_u * g_u);
        v_w[i] = beta2 * v_w[i] + rest2 * (g_w * g_w);
        float new_u = shrunk_u - rate * (m_u[i] / (sqrtf(v_u[i]) * scale + epsilon));
        float new_w = shrunk_w - rate * (m_w[i] / (sqrtf(v_w[i]) * scale + epsilon));
        u[i] = new_u;
        w[i] = new_w;
        theta[i] = new_u * new_w;
        COUNT_EVENTS(old_u, old_w, new_u, new_w);
    }
    add_events(p->events, unbalanced, flipped);
}
