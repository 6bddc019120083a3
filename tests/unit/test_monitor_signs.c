/* The monitor `signs`: what it counts after every epoch, and before every reset of factors. */
#include "../support/test_main.h"

#include <math.h>
#include <string.h>

#include "sweepstake/memory.h"
#include "sweepstake/monitor.h"

#define FIRST 2000 /* weights of the first layer, of several pieces; the second has 50 * 3 */
#define WEIGHTS (FIRST + 150)

static struct sw_hal *hal;
static struct sw_arch arch;
static struct sw_net *net;
static float theta[WEIGHTS + 53]; /* and biases */
static uint8_t bits[WEIGHTS / 8 + 1], theta0[WEIGHTS / 8 + 1];
static struct sw_alert alerts[SW_ALERTS_MAX];
static struct sw_watch watch;

static int set_up(void) {
    struct sw_hal_options options = {.threads = 1, .isa = SW_ISA_GENERIC};
    int64_t shape[3] = {1, 5, 8};
    if (sw_hal_open(sw_backend_find("guard"), &options, &hal) != SW_OK) return 1;
    if (sw_arch_create("mlp-50", shape, 3, &arch) != SW_OK) return 1;
    return sw_net_create(hal, &arch, NULL, 8, &net) != SW_OK;
}

static int tear_down(void) {
    sw_net_destroy(&net);
    sw_arch_fini(&arch);
    sw_hal_close(&hal);
    return 0;
}

static float *layer(int64_t l) {
    return theta + sw_arch_layer(&arch, l)->offset;
}

/* All weights 1, which is how the training begins; at initialisation the first 500 were negative. */
static void begin(void) {
    for (int i = 0; i < WEIGHTS + 53; i++)
        theta[i] = 1;
    memset(bits, 0xff, sizeof bits);
    memset(theta0, 0xff, sizeof theta0);
    for (int i = 0; i < 500; i++)
        theta0[i / 8] &= (uint8_t) ~(1u << (i % 8));
    watch = (struct sw_watch){.alerts = alerts};
    SW_TEST_OK(sw_net_set_theta(net, theta));
    SW_TEST_OK(sw_signs_create(net, theta0, bits, 0.5, &watch.signs));
}

static const struct sw_sign_figures *look(int64_t epoch, int64_t l) {
    SW_TEST_OK(sw_net_set_theta(net, theta));
    SW_TEST_OK(sw_watch_epoch(&watch, "divergence,signs", net, epoch, 10 * epoch));
    return sw_signs_layer(watch.signs, l);
}

static void flips_are_counted_against_each_reference(void) {
    begin();
    const struct sw_sign_figures *first = look(1, 0), *second = sw_signs_layer(watch.signs, 1);
    CU_ASSERT_EQUAL(first->flips, 0);
    CU_ASSERT_EQUAL(first->flips_rewind, 0);
    CU_ASSERT_EQUAL(first->flips_theta0, 0.25);
    CU_ASSERT_EQUAL(first->aligned_theta0, 0.75);
    CU_ASSERT_EQUAL(first->aligned_rewind, 1);
    CU_ASSERT_EQUAL(first->settled, 0); /* nothing ever moved */
    for (int i = 400; i < 1200; i++)
        layer(0)[i] = -3;
    layer(1)[149] = -0.5f;
    (void) look(2, 0);
    CU_ASSERT_EQUAL(first->flips, 800);
    CU_ASSERT_EQUAL(first->flip_rate, 0.4);
    CU_ASSERT_EQUAL(first->flips_rewind, 0.4);
    CU_ASSERT_EQUAL(first->flips_theta0, (400 + 700) / 2000.0);
    CU_ASSERT_DOUBLE_EQUAL(first->aligned_rewind, 1200.0 / (1200 + 2400), 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(first->aligned_theta0, (800 + 300.0) / (1200 + 2400), 1e-12);
    CU_ASSERT_EQUAL(first->settled, -1);
    CU_ASSERT_EQUAL(second->flips, 1);
    CU_ASSERT_DOUBLE_EQUAL(second->aligned_rewind, 149 / 149.5, 1e-12);
    for (int i = 400; i < 1200; i++)
        layer(0)[i] = 3; /* and back: counted again, and gone against the references */
    (void) look(3, 0);
    CU_ASSERT_EQUAL(first->flips, 1600);
    CU_ASSERT_EQUAL(first->flips_rewind, 0);
    sw_signs_destroy(&watch.signs);
}

static void zeros_have_the_sign_they_had(void) {
    begin();
    for (int i = 0; i < 100; i++)
        layer(0)[i] = -1;
    (void) look(1, 0);
    for (int i = 0; i < 200; i++)
        layer(0)[i] = i % 2 == 0 ? 0.0f : -0.0f;
    const struct sw_sign_figures *figures = look(2, 0);
    CU_ASSERT_EQUAL(figures->flip_rate, 0);
    CU_ASSERT_EQUAL(figures->flips_rewind, 0.05);
    CU_ASSERT_EQUAL(figures->settled, 1);
    sw_signs_destroy(&watch.signs);
}

/* 0.1 % of 2000 weights are 2: that many are restless, one is not. */
static void a_layer_settles_when_it_stays_quiet(void) {
    begin();
    const int flips[] = {40, 1, 2, 1, 0, 1};
    const int64_t settled[] = {-1, 1, -1, 3, 3, 3};
    for (int epoch = 0; epoch < 6; epoch++) {
        for (int i = 0; i < flips[epoch]; i++)
            layer(0)[100 * epoch + i] *= -1;
        CU_ASSERT_EQUAL(look(epoch + 1, 0)->settled, settled[epoch]);
    }
    sw_signs_destroy(&watch.signs);
}

static void what_is_saved_goes_on(void) {
    struct sw_sign_figures expected;
    int64_t bytes = sw_signs_saved_bytes(WEIGHTS, 2);
    char *saved = NULL;
    SW_TEST_OK(SW_ALLOC(&saved, (size_t) bytes, "test"));
    begin();
    layer(0)[7] = -1;
    (void) look(1, 0);
    sw_signs_save(watch.signs, saved);
    layer(0)[8] = layer(0)[9] = -1;
    expected = *look(2, 0);
    sw_signs_destroy(&watch.signs);
    SW_TEST_OK(sw_signs_create(net, theta0, bits, 0.5, &watch.signs));
    sw_signs_restore(watch.signs, saved);
    CU_ASSERT_EQUAL(sw_signs_layer(watch.signs, 0)->flips, 1);
    CU_ASSERT_EQUAL(memcmp(look(2, 0), &expected, sizeof expected), 0);
    sw_signs_destroy(&watch.signs);
    SW_FREE(&saved);
}

/* ---- factors ------------------------------------------------------------------------------- */

static struct sw_buffer *floats(const float *from, int64_t n) {
    struct sw_buffer *buffer = NULL;
    SW_TEST_OK(sw_hal_alloc(hal, n * 4, "test", &buffer));
    SW_TEST_OK(sw_hal_upload(buffer, 0, from, n * 4));
    return buffer;
}

/* u^2 - w^2 from -1 on in equal steps up to `most`; w = 1. */
static void check_balance(double most, double low, int64_t n_alerts) {
    float u[FIRST], w[FIRST];
    int64_t n_params = 0;
    begin();
    for (int64_t i = 0; i < FIRST; i++) {
        int64_t place = i * 1201 % FIRST; /* in another order */
        u[place] = (float) sqrt((most + 1) * (double) i / (FIRST - 1));
        w[place] = 1;
    }
    struct sw_factors factors = {.u = floats(u, FIRST), .w = floats(w, FIRST), .n = FIRST};
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    SW_TEST_OK(sw_watch_reset(&watch, "signs", net, &params[0], &factors, 30));
    const struct sw_sign_figures *figures = sw_signs_layer(watch.signs, 0);
    CU_ASSERT_DOUBLE_EQUAL(figures->factor_least, -1, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(figures->factor_median, (most - 1) / 2, 2 * (most + 1) / FIRST);
    CU_ASSERT_DOUBLE_EQUAL(figures->factor_low, low, 2.0 / FIRST);
    CU_ASSERT_EQUAL(watch.n_alerts, n_alerts);
    SW_TEST_OK(sw_watch_reset(&watch, "signs", net, &params[0], &factors, 40));
    CU_ASSERT_EQUAL(watch.n_alerts, n_alerts);
    if (n_alerts > 0) CU_ASSERT_PTR_NOT_NULL(strstr(alerts[0].message, "fc1.weight"));
    CU_ASSERT_TRUE(isnan(sw_signs_layer(watch.signs, 1)->factor_least));
    SW_TEST_FAILS(sw_watch_reset(&watch, "signs", net, &params[2], &factors, 30), SW_INTERNAL);
    sw_hal_free(&factors.u);
    sw_hal_free(&factors.w);
    sw_signs_destroy(&watch.signs);
}

/* Below a tenth of 0.5 are 1.05 of 4 parts, and of 2 parts. */
static void lost_balance_is_told(void) {
    check_balance(3, 1.05 / 4, 0);
    check_balance(1, 1.05 / 2, 1);
}

static void off_it_does_nothing(void) {
    const struct sw_sign_figures none = sw_signs_unwatched();
    struct sw_factors factors = {0};
    int64_t n_params = 0;
    watch = (struct sw_watch){.alerts = alerts};
    SW_TEST_OK(sw_watch_epoch(&watch, "signs", net, 1, 10));
    SW_TEST_OK(sw_watch_reset(&watch, "signs", net, sw_net_params(net, &n_params), &factors, 1));
    CU_ASSERT_TRUE(isnan(none.flip_rate) && isnan(none.factor_low));
    CU_ASSERT_TRUE(none.flips == -1 && none.settled == -1);
    CU_ASSERT_TRUE(sw_watch_has("divergence,signs", "signs"));
    CU_ASSERT_FALSE(sw_watch_has("divergence,sign", "signs"));
    SW_TEST_FAILS(sw_watch_epoch(&watch, "sign", net, 1, 10), SW_CONFIG);
}

int main(void) {
    static CU_TestInfo tests[] = {
        {"flips are counted against each reference", flips_are_counted_against_each_reference},
        {"zeros have the sign they had", zeros_have_the_sign_they_had},
        {"a layer settles when it stays quiet", a_layer_settles_when_it_stays_quiet},
        {"what is saved goes on", what_is_saved_goes_on},
        {"lost balance is told", lost_balance_is_told},
        {"off it does nothing", off_it_does_nothing},
        CU_TEST_INFO_NULL};
    static CU_SuiteInfo suites[] = {{"signs", set_up, tear_down, NULL, NULL, tests},
                                    CU_SUITE_INFO_NULL};
    return sw_test_main("test_monitor_signs", suites);
}
