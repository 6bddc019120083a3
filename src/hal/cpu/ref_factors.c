#define KERNEL(name) sw_cpu_ref_##name
#include "factors.h"

/* ---- factoring -------------------------------------------------------------------------------- */

/* Happens between epochs only, so that one version serves all instruction sets. In double: the floats
 * are then as near to u^2 - w^2 = beta as floats can be. */
struct pair {
    double u, w;
};

static struct pair split(double theta, double beta) {
    struct pair pair = {.u = sqrt(0.5 * (beta + sqrt(beta * beta + 4.0 * theta * theta)))};
    pair.w = pair.u > 0.0 ? theta / pair.u : theta; /* a NaN stays one */
    return pair;
}

/* From the arrays x_u = x w and x_w = x u, with the factors as weights, to x, to those of new factors. */
static void project(float *x_u, float *x_w, struct pair from, struct pair to) {
    double norm = from.u * from.u + from.w * from.w;
    double x = norm > 0.0 ? ((double) *x_u * from.w + (double) *x_w * from.u) / norm : 0.0;
    *x_u = (float) (x * to.w);
    *x_w = (float) (x * to.u);
}

static struct pair square(struct pair pair) {
    return (struct pair){.u = pair.u * pair.u, .w = pair.w * pair.w};
}

void sw_cpu_ref_factor(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_factors *p = args;
    for (int64_t i = first; i < last; i++) {
        const struct pair from = {.u = (double) p->u[i], .w = (double) p->w[i]};
        const struct pair to = split((double) p->theta[i], (double) p->beta);
        p->u[i] = (float) to.u;
        p->w[i] = (float) to.w;
        if (p->project && p->first_u != NULL) project(&p->first_u[i], &p->first_w[i], from, to);
        if (p->project && p->second_u != NULL)
            project(&p->second_u[i], &p->second_w[i], square(from), square(to));
    }
}
