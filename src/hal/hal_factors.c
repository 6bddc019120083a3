/* Weights that are products of two factors: argument checks. */
#include "check.h"

#define N_ARRAYS 8

/* Every array is there once: kernels write each while they read the others. */
static enum sw_status check_distinct(const struct sw_buffer *const buffers[N_ARRAYS]) {
    for (int i = 0; i < N_ARRAYS; i++)
        for (int j = 0; j < i; j++)
            if (buffers[i] != NULL && buffers[i] == buffers[j])
                return SW_FAIL(SW_INTERNAL, "two of the arrays of factors are one buffer, %s",
                               buffers[i]->what);
    return SW_OK;
}

static enum sw_status check_pair(struct sw_hal *hal, const char *role, int64_t n,
                                 const struct sw_buffer *u, const struct sw_buffer *w) {
    if ((u == NULL) != (w == NULL))
        return SW_FAIL(SW_INTERNAL, "%s is there for one of two factors only", role);
    if (u == NULL) return SW_OK;
    SW_TRY(sw_hal_check_output(hal, u, role, n, 1, sizeof(float), w, NULL));
    return sw_hal_check_output(hal, w, role, n, 1, sizeof(float), u, NULL);
}

static enum sw_status check_factors(struct sw_hal *hal, const struct sw_factors *f,
                                    const struct sw_buffer *g) {
    const struct sw_buffer *const buffers[N_ARRAYS] = {
        f->theta, f->u, f->w, f->first_u, f->first_w, f->second_u, f->second_w, g};
    SW_TRY(sw_hal_check_output(hal, f->theta, "theta", f->n, 1, sizeof(float), f->u, f->w));
    if (f->u == NULL) return SW_FAIL(SW_INTERNAL, "there are no factors");
    SW_TRY(check_pair(hal, "a factor", f->n, f->u, f->w));
    SW_TRY(check_pair(hal, "the first moment", f->n, f->first_u, f->first_w));
    SW_TRY(check_pair(hal, "the second moment", f->n, f->second_u, f->second_w));
    return check_distinct(buffers);
}

static enum sw_status check_step(struct sw_hal *hal, const struct sw_factors *f,
                                 const struct sw_buffer *g, const struct sw_factor_events *events) {
    SW_TRY(sw_hal_check_input(hal, g, "g", f->n, 1, sizeof(float)));
    if (events == NULL) return SW_FAIL(SW_INTERNAL, "what happens to factors has nowhere to go");
    return check_factors(hal, f, g);
}

enum sw_status sw_hal_factored_sgd(struct sw_hal *hal, const struct sw_factors *factors,
                                   const struct sw_buffer *g, const struct sw_sgd_step *step,
                                   struct sw_factor_events *events) {
    SW_TRY(check_step(hal, factors, g, events));
    if (factors->first_u == NULL && (step->momentum != 0.0f || step->nesterov))
        return SW_FAIL(SW_INTERNAL, "SGD with momentum %g needs velocities",
                       (double) step->momentum);
    return hal->backend->factored_sgd(hal, factors, g, step, events);
}

enum sw_status sw_hal_factored_adam(struct sw_hal *hal, const struct sw_factors *factors,
                                    const struct sw_buffer *g, const struct sw_adam_step *step,
                                    struct sw_factor_events *events) {
    SW_TRY(check_step(hal, factors, g, events));
    if (factors->first_u == NULL || factors->second_u == NULL)
        return SW_FAIL(SW_INTERNAL, "Adam needs two moments of every factor");
    if (!(step->correction1 > 0.0f) || !(step->correction2 > 0.0f))
        return SW_FAIL(SW_INTERNAL, "Adam needs positive bias corrections");
    return hal->backend->factored_adam(hal, factors, g, step, events);
}

enum sw_status sw_hal_factor(struct sw_hal *hal, const struct sw_factors *factors, float beta,
                             bool project) {
    SW_TRY(check_factors(hal, factors, NULL));
    if (!(beta >= 0.0f))
        return SW_FAIL(SW_INTERNAL, "factors cannot have u^2 - w^2 = %g", (double) beta);
    return hal->backend->factor(hal, factors, beta, project);
}
