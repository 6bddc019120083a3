#include "mlp_double.h"

#include <math.h>
#include <string.h>

/* Values of one sample at the input and behind every layer. */
struct activations {
    double value[MLP_MAX_LAYERS + 1][MLP_MAX_WIDTH];
};

int64_t mlp_double_parameters(const struct mlp_double *mlp) {
    int64_t n = 0;
    for (int l = 0; l < mlp->n_layers; l++)
        n += (mlp->width[l] + 1) * mlp->width[l + 1];
    return n;
}

static void forward(const struct mlp_double *mlp, const double *theta, const double *x,
                    struct activations *a) {
    memcpy(a->value[0], x, (size_t) mlp->width[0] * sizeof *x);
    for (int l = 0; l < mlp->n_layers; l++) {
        int64_t in = mlp->width[l], out = mlp->width[l + 1];
        const double *bias = theta + in * out;
        for (int64_t o = 0; o < out; o++) {
            double sum = bias[o];
            for (int64_t i = 0; i < in; i++)
                sum += theta[o * in + i] * a->value[l][i];
            a->value[l + 1][o] = l < mlp->n_layers - 1 && sum < 0 ? 0 : sum;
        }
        theta = bias + out;
    }
}

void mlp_double_logits(const struct mlp_double *mlp, const double *theta, const double *x,
                       double *logits) {
    struct activations a;
    forward(mlp, theta, x, &a);
    memcpy(logits, a.value[mlp->n_layers], (size_t) mlp->width[mlp->n_layers] * sizeof *logits);
}

/* -log softmax of the label; the probabilities too when asked for. */
static double cross_entropy(const double *logits, int64_t classes, int32_t label,
                            double *probabilities) {
    double largest = logits[0], sum = 0;
    for (int64_t c = 1; c < classes; c++)
        largest = fmax(largest, logits[c]);
    for (int64_t c = 0; c < classes; c++)
        sum += exp(logits[c] - largest);
    for (int64_t c = 0; probabilities != NULL && c < classes; c++)
        probabilities[c] = exp(logits[c] - largest) / sum;
    return log(sum) + largest - logits[label];
}

double mlp_double_loss(const struct mlp_double *mlp, const double *theta, const double *x,
                       const int32_t *labels, int64_t batch) {
    double sum = 0, logits[MLP_MAX_WIDTH];
    for (int64_t b = 0; b < batch; b++) {
        mlp_double_logits(mlp, theta, x + b * mlp->width[0], logits);
        sum += cross_entropy(logits, mlp->width[mlp->n_layers], labels[b], NULL);
    }
    return sum / (double) batch;
}

int64_t mlp_double_correct(const struct mlp_double *mlp, const double *theta, const double *x,
                           const int32_t *labels, int64_t batch) {
    int64_t correct = 0;
    double logits[MLP_MAX_WIDTH];
    for (int64_t b = 0; b < batch; b++) {
        int64_t best = 0;
        mlp_double_logits(mlp, theta, x + b * mlp->width[0], logits);
        for (int64_t c = 1; c < mlp->width[mlp->n_layers]; c++)
            if (logits[c] > logits[best]) best = c;
        correct += best == labels[b];
    }
    return correct;
}

/* Add one sample's share; `dy` enters as the gradient of the logits. */
static void backward(const struct mlp_double *mlp, const double *theta, const struct activations *a,
                     double *dy, double *gradient) {
    int64_t end = mlp_double_parameters(mlp);
    for (int l = mlp->n_layers - 1; l >= 0; l--) {
        int64_t in = mlp->width[l], out = mlp->width[l + 1], start = end - (in + 1) * out;
        double dx[MLP_MAX_WIDTH] = {0};
        for (int64_t o = 0; o < out; o++) {
            if (l < mlp->n_layers - 1 && !(a->value[l + 1][o] > 0)) dy[o] = 0;
            gradient[start + in * out + o] += dy[o];
            for (int64_t i = 0; i < in; i++) {
                gradient[start + o * in + i] += dy[o] * a->value[l][i];
                dx[i] += dy[o] * theta[start + o * in + i];
            }
        }
        memcpy(dy, dx, sizeof dx);
        end = start;
    }
}

void mlp_double_gradient(const struct mlp_double *mlp, const double *theta, const double *x,
                         const int32_t *labels, int64_t batch, double *gradient) {
    struct activations a;
    int64_t classes = mlp->width[mlp->n_layers];
    double dy[MLP_MAX_WIDTH] = {0};
    memset(gradient, 0, (size_t) mlp_double_parameters(mlp) * sizeof *gradient);
    for (int64_t b = 0; b < batch; b++) {
        forward(mlp, theta, x + b * mlp->width[0], &a);
        (void) cross_entropy(a.value[mlp->n_layers], classes, labels[b], dy);
        dy[labels[b]] -= 1;
        for (int64_t c = 0; c < classes; c++)
            dy[c] /= (double) batch;
        backward(mlp, theta, &a, dy, gradient);
    }
}

void mlp_double_differences(const struct mlp_double *mlp, double *theta, const double *x,
                            const int32_t *labels, int64_t batch, double h, double *gradient) {
    int64_t n = mlp_double_parameters(mlp);
    for (int64_t i = 0; i < n; i++) {
        double kept = theta[i];
        theta[i] = kept + h;
        double above = mlp_double_loss(mlp, theta, x, labels, batch);
        theta[i] = kept - h;
        double below = mlp_double_loss(mlp, theta, x, labels, batch);
        theta[i] = kept;
        gradient[i] = (above - below) / (2 * h);
    }
}
