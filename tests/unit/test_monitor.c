#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sweepstake/monitor.h"

#define LAYERS 2 /* mlp-5 on 6 features with 3 classes: weights of 30 and 15 */

static struct sw_hal *hal;
static struct sw_arch arch;
static struct sw_net *net;

static int set_up(void) {
    struct sw_hal_options options = {.threads = 1, .isa = SW_ISA_GENERIC};
    int64_t shape[3] = {1, 2, 3};
    if (sw_hal_open(sw_backend_find("cpu"), &options, &hal) != SW_OK) return 1;
    if (sw_arch_create("mlp-5", shape, 3, &arch) != SW_OK) return 1;
    return sw_net_create(hal, &arch, NULL, 8, &net) != SW_OK;
}

static int tear_down(void) {
    sw_net_destroy(&net);
    sw_arch_fini(&arch);
    sw_hal_close(&hal);
    return 0;
}

/* A watch with all that it points to. */
struct watched {
    struct sw_alert alerts[SW_ALERTS_MAX];
    double norms[LAYERS];
    struct sw_watch watch;
};

static void begin(struct watched *w) {
    memset(w, 0, sizeof *w);
    w->norms[0] = w->norms[1] = NAN;
    w->watch = (struct sw_watch){
        .alerts = w->alerts, .gradient_norm = w->norms, .evaluate_every = 10};
}

/* Give all gradients of layer `l` one value. */
static void set_gradients(int64_t l, float value) {
    float values[30];
    int64_t n_params = 0;
    const struct sw_net_param *param = sw_net_params(net, &n_params);
    while (!param->param->prunable || l-- > 0)
        param++;
    for (int64_t i = 0; i < param->n; i++)
        values[i] = value;
    SW_TEST_OK(sw_hal_upload(param->gradients, 0, values, param->n * (int64_t) sizeof *values));
}

static enum sw_status backward(struct watched *w, const char *names, int64_t step, double loss) {
    return sw_watch_backward(&w->watch, names, net, step, loss);
}

/* ---- divergence ---------------------------------------------------------------------------- */

static void a_healthy_loss_raises_nothing(void) {
    struct watched w;
    begin(&w);
    SW_TEST_OK(backward(&w, "divergence", 3, 2.3));
    SW_TEST_OK(backward(&w, "divergence", 4, 0));
    SW_TEST_OK(backward(&w, "divergence", 5, 1e4));
    CU_ASSERT_EQUAL(w.watch.n_alerts, 0);
}

static void a_loss_out_of_range_ends_the_training(void) {
    const double losses[] = {NAN, INFINITY, 1.0001e4};
    for (int i = 0; i < 3; i++) {
        struct watched w;
        begin(&w);
        SW_TEST_FAILS(backward(&w, "divergence", 41, losses[i]), SW_DIVERGED);
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "step 41"));
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), i == 0 ? "nan" : i == 1 ? "inf" : "10001"));
        CU_ASSERT_EQUAL(w.watch.n_alerts, 1);
        CU_ASSERT_EQUAL(w.alerts[0].step, 41);
        CU_ASSERT_STRING_EQUAL(w.alerts[0].monitor, "divergence");
    }
}

/* After the last update only the evaluation sees what it did. */
static void an_evaluation_out_of_range_ends_the_training(void) {
    struct watched w;
    begin(&w);
    struct sw_curve_point point = {.step = 90, .test_loss = 1, .validation_loss = 1};
    SW_TEST_OK(sw_watch_evaluation(&w.watch, "gradient-norm,divergence", net, &point));
    point.validation_loss = point.validation_accuracy = NAN; /* no validation images */
    SW_TEST_OK(sw_watch_evaluation(&w.watch, "divergence", net, &point));
    point.test_loss = NAN;
    SW_TEST_FAILS(sw_watch_evaluation(&w.watch, "divergence", net, &point), SW_DIVERGED);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "test loss"));
    point.validation_accuracy = 0;
    SW_TEST_FAILS(sw_watch_evaluation(&w.watch, "divergence", net, &point), SW_DIVERGED);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "validation loss"));
}

/* ---- gradient-norm ------------------------------------------------------------------------- */

static void norms_are_those_of_the_gradients(void) {
    struct watched w;
    begin(&w);
    set_gradients(0, 0.5F);
    set_gradients(1, -2.0F);
    SW_TEST_OK(backward(&w, "gradient-norm", 0, NAN)); /* the loss is another monitor's business */
    CU_ASSERT_DOUBLE_EQUAL(w.norms[0], 0.5 * sqrt(30), 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(w.norms[1], 2.0 * sqrt(15), 1e-12);
    CU_ASSERT_EQUAL(w.watch.n_alerts, 0);
}

static void gradients_are_looked_at_as_often_as_the_network_is_evaluated(void) {
    struct watched w;
    begin(&w);
    set_gradients(0, 1);
    for (int64_t step = 1; step < 10; step++)
        SW_TEST_OK(backward(&w, "gradient-norm", step, 1));
    CU_ASSERT_TRUE(isnan(w.norms[0]));
    SW_TEST_OK(backward(&w, "gradient-norm", 10, 1));
    CU_ASSERT_DOUBLE_EQUAL(w.norms[0], sqrt(30), 1e-12);
}

static void each_layer_alerts_once(void) {
    struct watched w;
    begin(&w);
    set_gradients(0, 1e3F);
    set_gradients(1, 1e-9F);
    for (int64_t step = 20; step < 80; step++)
        SW_TEST_OK(backward(&w, "gradient-norm", step, 1));
    CU_ASSERT_EQUAL_FATAL(w.watch.n_alerts, 2);
    CU_ASSERT_EQUAL(w.alerts[0].step, 20);
    CU_ASSERT_DOUBLE_EQUAL(w.alerts[0].value, 1e3 * sqrt(30), 1e-6);
    CU_ASSERT_STRING_EQUAL(w.alerts[0].monitor, "gradient-norm");
    CU_ASSERT_PTR_NOT_NULL(strstr(w.alerts[0].message, "fc1.weight"));
    CU_ASSERT_PTR_NOT_NULL(strstr(w.alerts[1].message, "fc2.weight"));
}

static void gradients_that_are_not_numbers_end_the_training(void) {
    struct watched w;
    begin(&w);
    set_gradients(0, 1);
    set_gradients(1, NAN);
    SW_TEST_FAILS(backward(&w, "divergence,gradient-norm", 30, 1), SW_DIVERGED);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "fc2.weight"));
    set_gradients(1, INFINITY);
    SW_TEST_FAILS(backward(&w, "gradient-norm", 30, 1), SW_DIVERGED);
}

/* ---- the list ------------------------------------------------------------------------------ */

static void only_listed_monitors_run(void) {
    struct watched w;
    begin(&w);
    SW_TEST_OK(backward(&w, "", 0, NAN));
    CU_ASSERT_TRUE(isnan(w.norms[0]));
    SW_TEST_FAILS(backward(&w, "divergence,gradients", 0, 1), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "'gradients'"));
    struct sw_curve_point point = {.test_loss = NAN};
    SW_TEST_OK(sw_watch_evaluation(&w.watch, "", net, &point));
    SW_TEST_FAILS(sw_watch_evaluation(&w.watch, "x", net, &point), SW_CONFIG);
}

static void monitors_are_found_by_name(void) {
    const struct sw_monitor *monitor = NULL;
    size_t n = 0;
    for (; (monitor = sw_monitor_at(n)) != NULL; n++) {
        CU_ASSERT_PTR_EQUAL(sw_monitor_find(monitor->name), monitor);
        CU_ASSERT_TRUE(strlen(monitor->summary) > 5);
    }
    CU_ASSERT_EQUAL(n, 5);
    CU_ASSERT_PTR_NULL(sw_monitor_find("diverge"));
}

/* ---- alerts -------------------------------------------------------------------------------- */

static void equal_alerts_are_kept_once(void) {
    struct watched w;
    begin(&w);
    char longer[200];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    for (int64_t step = 0; step < 3; step++) {
        sw_watch_alert(&w.watch, "a", step, 1, "one");
        sw_watch_alert(&w.watch, "b", step, 1, "one");
        sw_watch_alert(&w.watch, "a", step, 1, longer);
    }
    CU_ASSERT_EQUAL(w.watch.n_alerts, 3);
    CU_ASSERT_EQUAL(w.alerts[0].step, 0);
    CU_ASSERT_EQUAL(strlen(w.alerts[2].message), sizeof w.alerts[2].message - 1);
}

static void the_last_slot_counts_the_rest(void) {
    struct watched w;
    begin(&w);
    char message[32];
    for (int i = 0; i < 40; i++) {
        snprintf(message, sizeof message, "number %d", i);
        sw_watch_alert(&w.watch, "test", i, 1, message);
    }
    CU_ASSERT_EQUAL(w.watch.n_alerts, SW_ALERTS_MAX);
    CU_ASSERT_EQUAL(w.watch.suppressed, 25);
    CU_ASSERT_STRING_EQUAL(w.alerts[14].message, "number 14");
    CU_ASSERT_STRING_EQUAL(w.alerts[15].monitor, "watch");
    CU_ASSERT_DOUBLE_EQUAL(w.alerts[15].value, 25, 0);
}

static CU_TestInfo divergence[] = {
    {"a healthy loss raises nothing", a_healthy_loss_raises_nothing},
    {"a loss out of range ends the training", a_loss_out_of_range_ends_the_training},
    {"an evaluation out of range ends the training", an_evaluation_out_of_range_ends_the_training},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo gradient_norm[] = {
    {"norms are those of the gradients", norms_are_those_of_the_gradients},
    {"gradients are looked at as often as the network is evaluated",
     gradients_are_looked_at_as_often_as_the_network_is_evaluated},
    {"each layer alerts once", each_layer_alerts_once},
    {"gradients that are not numbers end the training",
     gradients_that_are_not_numbers_end_the_training},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo list[] = {
    {"only listed monitors run", only_listed_monitors_run},
    {"monitors are found by name", monitors_are_found_by_name},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo alerts[] = {
    {"equal alerts are kept once", equal_alerts_are_kept_once},
    {"the last slot counts the rest", the_last_slot_counts_the_rest},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"divergence", set_up, tear_down, NULL, NULL, divergence},
    {"gradient-norm", set_up, tear_down, NULL, NULL, gradient_norm},
    {"list", set_up, tear_down, NULL, NULL, list},
    {"alerts", NULL, NULL, NULL, NULL, alerts},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_monitor", suites);
}
