/* A training that is interrupted after any step and restored elsewhere goes on to the same bits. */
#include <math.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/memory.h"
#include "sweepstake/train.h"

#define STEPS 13
#define EVERY 4
#define MAX_POINTS 16
#define MAX_SURVIVORS 80000

/* ---- one training after another ------------------------------------------------------------- */

static struct sw_trial_spec spec;
static struct sw_data_info info;
static struct sw_data data;
static struct sw_arch arch;
static char *block;
static float theta[MAX_SURVIVORS];

/* 240 training images in batches of 50: 5 steps to an epoch, the last one with 40. */
static int prepare(const char *model) {
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.data_name, "synthetic");
    SW_TEXT_COPY(spec.data_shape, "1x8x8");
    SW_TEXT_COPY(spec.model_name, model);
    spec.data_classes = 4;
    spec.data_train = 300;
    spec.data_validation = 60;
    spec.data_test = 80;
    spec.train_batch = 50;
    spec.train_steps = STEPS;
    spec.train_evaluate_every = EVERY;
    spec.train_schedule_warmup_fraction = 0.5;
    spec.train_optimizer_weight_decay = 1e-3;
    if (sw_data_probe(&spec, &info) != SW_OK) return 1;
    if (SW_ALLOC(&block, (size_t) info.block_bytes, "data") != SW_OK) return 1;
    if (sw_data_decode(&spec, &info, block) != SW_OK) return 1;
    if (sw_data_open(&spec, &info, block, &data) != SW_OK) return 1;
    if (sw_arch_create(spec.model_name, info.shape, info.classes, &arch) != SW_OK) return 1;
    sw_init_weights(&arch, sw_init_find(spec.model_init), false, 3, SW_RANDOM_INIT, 0, theta);
    return arch.parameters > MAX_SURVIVORS;
}

static int set_up(void) {
    return prepare("mlp-48-24");
}
static int set_up_norm(void) {
    return prepare("resnet-8");
}

static int tear_down(void) {
    sw_arch_fini(&arch);
    sw_data_close(&data);
    SW_FREE(&block);
    return 0;
}

static void set_optimizer(const char *name, double lr, double momentum) {
    SW_TEXT_COPY(spec.train_optimizer_name, name);
    spec.train_optimizer_lr = lr;
    spec.train_optimizer_momentum = momentum;
}

/* A training from a fresh device and network; what it does is told by `stop_at` and `saved`. */
struct run {
    double density;
    int64_t stop_at; /* steps after which it is saved and ended, 0 for never */
    char *saved;     /* owned */
    int64_t saved_bytes;
    const struct run *from; /* goes on from that one's saved state */
    int64_t length;         /* bytes of it that are given; -1: all */
    enum sw_status restored;
    int64_t done, first_step, csr_layers, bsr_layers;
    int64_t survivors;
    float values[MAX_SURVIVORS];
    struct sw_curve_point curve[MAX_POINTS];
    struct sw_train_outcome outcome;
};

static enum sw_status go_on(void *context, struct sw_training *training) {
    struct run *run = context;
    if (run->from == NULL) return SW_OK;
    int64_t length = run->length >= 0 ? run->length : run->from->saved_bytes;
    run->restored = sw_train_restore(training, run->from->saved, length, &run->done);
    return SW_OK;
}

static enum sw_status note_first(void *context, struct sw_net *net, int64_t step, double loss) {
    struct run *run = context;
    (void) net, (void) loss;
    if (run->first_step < 0) run->first_step = step;
    return SW_OK;
}

static enum sw_status save_and_stop(void *context, const struct sw_training *training,
                                    int64_t done) {
    struct run *run = context;
    if (done != run->stop_at) return SW_OK;
    run->saved_bytes = sw_train_bytes_now(training);
    SW_TEST_OK(SW_ALLOC(&run->saved, (size_t) run->saved_bytes, "a saved training"));
    SW_TEST_FAILS(sw_train_save(training, run->saved, run->saved_bytes - 1), SW_INTERNAL);
    SW_TEST_OK(sw_train_save(training, run->saved, run->saved_bytes));
    return SW_STOPPED;
}

/* Side of the blocks that masks keep as one, and how networks store them. */
static int64_t side = 1;
static struct sw_net_storage storage;

/* Signs that weights are forced to: all positive. */
static bool forced;
static uint8_t reference[MAX_SURVIVORS / 8 + 1];

static void draw_mask(double density, uint8_t *mask) {
    for (int64_t l = 0; l < arch.n_layers; l++) {
        const struct sw_param *param = sw_arch_layer(&arch, l);
        sw_mask_fill(mask + param->mask_offset, param->count);
        for (int64_t i = 1; i < param->count; i++) {
            int64_t columns = param->shape[1];
            int64_t corner = i / columns / side * side * columns + i % columns / side * side;
            if (corner > 0 &&
                sw_random_uniform(5, SW_RANDOM_BENCH, (uint64_t) l, (uint64_t) corner) >= density)
                sw_mask_clear_bit(mask + param->mask_offset, i);
        }
    }
}

static enum sw_status train(struct run *run, double density, int threads) {
    const struct sw_hal_options options = {.threads = threads, .isa = sw_isa_detect()};
    const struct sw_train_hooks hooks = {.context = run,
                                         .before_start = go_on,
                                         .after_backward = note_first,
                                         .after_step = save_and_stop,
                                         .factored = spec.signin_enabled != 0,
                                         .sign_reference = forced ? reference : NULL};
    struct sw_hal *hal = NULL;
    struct sw_net *net = NULL;
    uint8_t mask[MAX_SURVIVORS / 8 + 16];
    run->first_step = -1;
    draw_mask(density, mask);
    SW_TEST_OK(sw_hal_open(sw_backend_find("cpu"), &options, &hal));
    SW_TEST_OK(sw_net_create_as(hal, &arch, mask, SW_EVALUATE_BATCH, &storage, &net));
    SW_TEST_OK(sw_net_set_theta(net, theta));
    for (int64_t l = 0; l < arch.n_layers; l++) {
        run->csr_layers += sw_net_layer_format(net, l) == SW_FORMAT_CSR;
        run->bsr_layers += sw_net_layer_format(net, l) == sw_format_bsr(8);
    }
    enum sw_status status = sw_train_run(net, &spec, &data, &hooks, run->curve, &run->outcome);
    run->survivors = sw_net_survivors(net);
    SW_TEST_OK(sw_net_get_survivors(net, run->values));
    sw_net_destroy(&net);
    sw_hal_close(&hal);
    return status;
}

static void check_same(const struct run *a, const struct run *b) {
    CU_ASSERT_EQUAL_FATAL(a->survivors, b->survivors);
    CU_ASSERT_EQUAL(memcmp(a->values, b->values, (size_t) a->survivors * sizeof(float)), 0);
    CU_ASSERT_EQUAL(a->outcome.points, b->outcome.points);
    CU_ASSERT_EQUAL(memcmp(a->curve, b->curve, sizeof a->curve), 0);
    CU_ASSERT_EQUAL(memcmp(a->outcome.events, b->outcome.events, sizeof a->outcome.events), 0);
}

/* ---- to the same bits ----------------------------------------------------------------------- */

static struct run whole, first, second;

static int64_t bytes_of(int64_t survivors, int64_t points) {
    int64_t weights = survivors - (arch.parameters - arch.prunable);
    const struct sw_train_extent extent = sw_train_extent_of(&spec, 1, survivors, weights,
                                                             arch.n_layers);
    return sw_train_saved_bytes(&spec, &extent, points);
}

/* Interrupt after `step`, go on in a new network with other threads, compare. */
static void check_interruption(double density, int64_t step) {
    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    first.stop_at = step;
    CU_ASSERT_EQUAL(train(&first, density, 1), SW_STOPPED);
    CU_ASSERT_EQUAL(first.saved_bytes, bytes_of(first.survivors, first.outcome.points));
    second.from = &first;
    second.length = -1;
    SW_TEST_OK(train(&second, density, 2));
    SW_TEST_OK(second.restored);
    CU_ASSERT_EQUAL(second.done, step);
    CU_ASSERT_EQUAL(second.first_step, step < STEPS ? step : -1);
    CU_ASSERT_TRUE(second.outcome.train_seconds >
                   first.outcome.train_seconds * (step == STEPS ? 0.9 : 1));
    CU_ASSERT_TRUE(second.outcome.evaluate_seconds >= first.outcome.evaluate_seconds);
    check_same(&whole, &second);
    SW_FREE(&first.saved);
}

static void check_every_step(double density) {
    memset(&whole, 0, sizeof whole);
    SW_TEST_OK(train(&whole, density, 1));
    CU_ASSERT_EQUAL(whole.outcome.points, 5);
    for (int64_t step = 1; step <= STEPS; step++)
        check_interruption(density, step);
}

static void check_formats(void) {
    check_every_step(1);
    CU_ASSERT_EQUAL(whole.csr_layers, 0);
    check_every_step(0.97);
    CU_ASSERT_TRUE(whole.csr_layers < arch.n_layers); /* the others are dense with holes */
    check_every_step(0.05);
    CU_ASSERT_TRUE(whole.csr_layers > 0);
}

static void sgd_goes_on_to_the_same_bits(void) {
    set_optimizer("sgd", 0.1, 0);
    check_formats();
}
static void momentum_goes_on_to_the_same_bits(void) {
    set_optimizer("sgd", 0.05, 0.9);
    check_formats();
}
static void adam_goes_on_to_the_same_bits(void) {
    set_optimizer("adam", 3e-3, 0);
    check_formats();
}

static void set_signin(bool enabled, const char *buffers, int64_t every) {
    spec.signin_enabled = enabled;
    spec.signin_reset_epochs = enabled ? every : SW_INT_NULL;
    SW_TEXT_COPY(spec.signin_buffers, buffers);
}

/* 5 steps to an epoch: two resets on the way, or one, or a start without balance. */
static void factors_go_on_to_the_same_bits(void) {
    const struct {
        const char *optimizer, *buffers;
        double momentum;
    } cases[] = {{"sgd", "zero", 0},
                 {"sgd", "project", 0.9},
                 {"adam", "zero", 0},
                 {"adamw", "keep", 0},
                 {"adam", "project", 0}};
    for (int i = 0; i < 5; i++) {
        set_optimizer(cases[i].optimizer, 0.02, cases[i].momentum);
        set_signin(true, cases[i].buffers, 1 + i % 2);
        spec.signin_on_rewind = i != 3;
        check_every_step(0.3);
    }
    spec.signin_on_rewind = 1;
    set_signin(false, "zero", 0);
}

static void forced_signs_go_on_to_the_same_bits(void) {
    memset(reference, 0xff, sizeof reference);
    forced = true;
    spec.sign_seed_force_every = 1;
    spec.sign_seed_force_below = 0.9;
    for (int i = 0; i < 2; i++) {
        set_optimizer("adam", 3e-3, 0);
        set_signin(i == 1, "zero", 2);
        check_every_step(0.5);
        for (int64_t l = 0; l < arch.n_layers; l++)
            CU_ASSERT_TRUE(whole.outcome.events[l].forced > 0);
    }
    forced = false;
    set_signin(false, "zero", 0);
}

/* Whatever the format; blocks of layers of 48 x 64, 24 x 48 and 4 x 24 weights. */
static void every_format_goes_on_to_the_same_bits(void) {
    set_optimizer("adam", 3e-3, 0);
    storage.forced = true;
    for (int format = SW_FORMAT_CSC; format < SW_FORMAT_COUNT; format++) {
        storage.format = (enum sw_layer_format) format;
        side = sw_format_block(storage.format) > 0 ? sw_format_block(storage.format) : 1;
        check_every_step(0.4);
        CU_ASSERT_EQUAL(whole.bsr_layers > 0, format == SW_FORMAT_BSR8);
        CU_ASSERT_EQUAL(whole.csr_layers, 0);
    }
    storage.forced = false;
    side = 1;
}

/* Those of this build, whatever they keep, under every schedule. */
static void every_optimizer_goes_on_to_the_same_bits(void) {
    const struct sw_lr_schedule *schedule = NULL;
    const struct sw_optimizer *optimizer = NULL;
    for (size_t i = 0; (optimizer = sw_optimizer_at(i)) != NULL; i++) {
        set_optimizer(optimizer->name, 1e-2, 0);
        check_every_step(0.5);
    }
    for (size_t i = 0; (schedule = sw_lr_schedule_at(i)) != NULL; i++) {
        SW_TEXT_COPY(spec.train_schedule_name, schedule->name);
        SW_TEXT_COPY(spec.train_schedule_milestones, "1,2"); /* for the one that needs them */
        check_every_step(0.5);
    }
    SW_TEXT_COPY(spec.train_schedule_name, "constant");
}

/* Interrupted after every single step. */
static void many_interruptions_add_nothing(void) {
    static struct run chain[STEPS];
    set_optimizer("adam", 3e-3, 0);
    memset(chain, 0, sizeof chain);
    memset(&whole, 0, sizeof whole);
    SW_TEST_OK(train(&whole, 0.3, 1));
    for (int64_t i = 0; i < STEPS; i++) {
        chain[i].from = i > 0 ? &chain[i - 1] : NULL;
        chain[i].length = -1;
        chain[i].stop_at = i + 1 < STEPS ? i + 1 : 0;
        CU_ASSERT_EQUAL(train(&chain[i], 0.3, 1), i + 1 < STEPS ? SW_STOPPED : SW_OK);
        CU_ASSERT_EQUAL(chain[i].first_step, i);
    }
    check_same(&whole, &chain[STEPS - 1]);
    for (int64_t i = 0; i < STEPS; i++)
        SW_FREE(&chain[i].saved);
}

/* Running statistics are part of the state, but no optimizer has arrays for them. */
static void running_statistics_go_on_to_the_same_bits(void) {
    int64_t trained = 0, prunable = 0;
    set_optimizer("adam", 3e-3, 0);
    memset(&whole, 0, sizeof whole);
    SW_TEST_OK(train(&whole, 0.4, 1));
    check_interruption(0.4, 3);
    check_interruption(0.4, 11);
    trained = whole.survivors - (arch.parameters - arch.trained);
    prunable = whole.survivors - (arch.parameters - arch.prunable);
    CU_ASSERT_EQUAL(whole.outcome.optimizer_bytes, trained * 8);
    CU_ASSERT(prunable > 0 && prunable < arch.prunable);
}

/* ---- sizes ---------------------------------------------------------------------------------- */

static void only_survivors_are_saved(void) {
    const int64_t n = 1000;
    set_optimizer("sgd", 0.1, 0);
    int64_t sgd = bytes_of(n, 5), none = bytes_of(0, 5);
    CU_ASSERT_EQUAL(sgd - none, n * 4);
    CU_ASSERT_EQUAL(none - bytes_of(0, 0), 5 * (int64_t) sizeof(struct sw_curve_point));
    set_optimizer("sgd", 0.1, 0.9);
    CU_ASSERT_EQUAL(bytes_of(n, 5) - none, n * 8);
    set_optimizer("adam", 1e-3, 0);
    CU_ASSERT_EQUAL(bytes_of(n, 5) - none, n * 12);
}

/* ---- bytes that are none -------------------------------------------------------------------- */

/* What cannot be restored leaves a training that begins at the beginning. */
static void check_refused(void) {
    memset(second.curve, 0, sizeof second.curve);
    second.csr_layers = 0;
    SW_TEST_OK(train(&second, 0.3, 1));
    CU_ASSERT_EQUAL(second.restored, SW_DAMAGED);
    CU_ASSERT_EQUAL(second.first_step, 0);
    check_same(&whole, &second);
}

static void prepare_damage(void) {
    set_optimizer("adam", 3e-3, 0);
    memset(&whole, 0, sizeof whole);
    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    SW_TEST_OK(train(&whole, 0.3, 1));
    first.stop_at = 6;
    CU_ASSERT_EQUAL(train(&first, 0.3, 1), SW_STOPPED);
    second.from = &first;
}

static void wrong_lengths_are_refused(void) {
    prepare_damage();
    const int64_t lengths[] = {0, 1, 8, 79, 80, first.saved_bytes - 4, first.saved_bytes - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        second.length = lengths[i];
        check_refused();
    }
    SW_FREE(&first.saved);
}

/* The events of the layers stand at the end; a training of 6 steps was not cleared after more. */
static void check_wild_layers(const int64_t *wild) {
    for (int64_t field = 0; field < 4 * arch.n_layers; field++) {
        int64_t good = 0;
        char *at = first.saved + first.saved_bytes - (field + 1) * (int64_t) sizeof good;
        memcpy(&good, at, sizeof good);
        memcpy(at, &wild[field % 4 == 3 ? 3 : 0], sizeof good);
        check_refused();
        memcpy(at, &good, sizeof good);
    }
}

/* Every whole number of the header, with values that would reach far outside. */
static void wild_headers_are_refused(void) {
    const int64_t wild[] = {
        -1, 0, 1, 7, 1000000007, INT64_MAX, INT64_MIN, 1LL << 40, INT64_MAX / 80, INT64_MAX / 4};
    prepare_damage();
    second.length = -1;
    for (size_t field = 0; field < 7; field++) {
        int64_t good = 0;
        char *at = first.saved + field * sizeof good;
        memcpy(&good, at, sizeof good);
        for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
            if (wild[i] == good) continue;
            memcpy(at, &wild[i], sizeof good);
            check_refused();
        }
        memcpy(at, &good, sizeof good);
    }
    check_wild_layers(wild);
    const double seconds[] = {NAN, INFINITY, -1};
    for (size_t i = 0; i < 3; i++) {
        memcpy(first.saved + 8 * sizeof(double), &seconds[i], sizeof(double));
        check_refused();
    }
    SW_FREE(&first.saved);
}

static void another_trainings_state_is_refused(void) {
    prepare_damage();
    second.length = -1;
    memset(&whole, 0, sizeof whole);
    set_optimizer("sgd", 0.1, 0.9); /* fewer states */
    SW_TEST_OK(train(&whole, 0.3, 1));
    check_refused();
    set_optimizer("adam", 3e-3, 0);
    spec.train_steps = STEPS + 1; /* another length */
    memset(&whole, 0, sizeof whole);
    SW_TEST_OK(train(&whole, 0.3, 1));
    check_refused();
    spec.train_steps = STEPS;
    SW_FREE(&first.saved);
}

int main(void) {
    static CU_TestInfo same[] = {
        {"sgd_goes_on_to_the_same_bits", sgd_goes_on_to_the_same_bits},
        {"momentum_goes_on_to_the_same_bits", momentum_goes_on_to_the_same_bits},
        {"adam_goes_on_to_the_same_bits", adam_goes_on_to_the_same_bits},
        {"every_format_goes_on_to_the_same_bits", every_format_goes_on_to_the_same_bits},
        {"every_optimizer_goes_on_to_the_same_bits", every_optimizer_goes_on_to_the_same_bits},
        {"factors_go_on_to_the_same_bits", factors_go_on_to_the_same_bits},
        {"forced_signs_go_on_to_the_same_bits", forced_signs_go_on_to_the_same_bits},
        {"many_interruptions_add_nothing", many_interruptions_add_nothing},
        {"only_survivors_are_saved", only_survivors_are_saved},
        CU_TEST_INFO_NULL};
    static CU_TestInfo damage[] = {
        {"wrong_lengths_are_refused", wrong_lengths_are_refused},
        {"wild_headers_are_refused", wild_headers_are_refused},
        {"another_trainings_state_is_refused", another_trainings_state_is_refused},
        CU_TEST_INFO_NULL};
    static CU_TestInfo norm[] = {
        {"running_statistics_go_on_to_the_same_bits", running_statistics_go_on_to_the_same_bits},
        CU_TEST_INFO_NULL};
    static CU_SuiteInfo suites[] = {{"same", set_up, tear_down, NULL, NULL, same},
                                    {"norm", set_up_norm, tear_down, NULL, NULL, norm},
                                    {"damage", set_up, tear_down, NULL, NULL, damage},
                                    CU_SUITE_INFO_NULL};
    return sw_test_main("test_train_saved", suites);
}
