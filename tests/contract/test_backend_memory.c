/* Memory of every backend, the arguments that are refused before a backend sees them, and the damage that
 * the guard finds. */
#include "devices.h"

/* ---- memory ---------------------------------------------------------------------------------- */

static void check_memory(struct sw_hal *hal) {
    struct sw_buffer *buffer = NULL;
    uint8_t bytes[100];
    SW_TEST_OK(sw_hal_alloc(hal, 100, "bytes", &buffer));
    CU_ASSERT_EQUAL(sw_hal_bytes(buffer), 100);
    memset(bytes, 1, sizeof bytes);
    SW_TEST_OK(sw_hal_download(buffer, 0, bytes, 100));
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(bytes[i], 0);
    for (int i = 0; i < 100; i++)
        bytes[i] = (uint8_t) i;
    SW_TEST_OK(sw_hal_upload(buffer, 0, bytes, 100));
    SW_TEST_OK(sw_hal_upload(buffer, 97, bytes, 3));
    SW_TEST_OK(sw_hal_upload(buffer, 100, NULL, 0));
    SW_TEST_OK(sw_hal_download(buffer, 90, bytes, 10));
    CU_ASSERT_EQUAL(bytes[0], 90);
    CU_ASSERT_EQUAL(bytes[6], 96);
    CU_ASSERT_EQUAL(bytes[7], 0);
    CU_ASSERT_EQUAL(bytes[9], 2);
    SW_TEST_OK(sw_hal_zero(buffer));
    SW_TEST_OK(sw_hal_download(buffer, 50, bytes, 1));
    CU_ASSERT_EQUAL(bytes[0], 0);
    sw_hal_free(&buffer);
    CU_ASSERT_PTR_NULL(buffer);
    sw_hal_free(&buffer);
    SW_TEST_OK(sw_hal_alloc(hal, 0, "nothing", &buffer));
    sw_hal_free(&buffer);
}

static void memory_is_zeroed_and_keeps_what_it_is_given(void) {
    on_every_device(check_memory);
}

static void check_ranges(struct sw_hal *hal) {
    struct sw_buffer *buffer = NULL;
    uint8_t byte = 7;
    SW_TEST_OK(sw_hal_alloc(hal, 16, "bytes", &buffer));
    static const int64_t bad[][2] = {{16, 1}, {0, 17},        {-1, 1},
                                     {0, -1}, {INT64_MAX, 1}, {1, INT64_MAX}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        SW_TEST_FAILS(sw_hal_upload(buffer, bad[i][0], &byte, bad[i][1]), SW_INTERNAL);
        SW_TEST_FAILS(sw_hal_download(buffer, bad[i][0], &byte, bad[i][1]), SW_INTERNAL);
    }
    SW_TEST_FAILS(sw_hal_upload(buffer, 0, NULL, 1), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_download(NULL, 0, &byte, 1), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_zero(NULL), SW_INTERNAL);
    CU_ASSERT_EQUAL(byte, 7);
    sw_hal_free(&buffer);
    SW_TEST_FAILS(sw_hal_alloc(hal, -1, "less than nothing", &buffer), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_alloc(hal, INT64_MAX, "everything", &buffer), SW_NOMEM);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "everything"));
    CU_ASSERT_PTR_NULL(buffer);
}

static void ranges_outside_of_a_buffer_are_refused(void) {
    on_every_device(check_ranges);
}

static void check_wrap(struct sw_hal *hal) {
    const float host[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    float back[8] = {0};
    double sum = 0;
    struct sw_buffer *buffer = NULL;
    struct sw_buffer *bias = floats(hal, host, 1);
    SW_TEST_OK(sw_hal_wrap(hal, host, sizeof host, &buffer));
    SW_TEST_OK(sw_hal_sum_squares(hal, buffer, 8, &sum));
    CU_ASSERT_EQUAL(sum, 204.0);
    SW_TEST_OK(sw_hal_download(buffer, 0, back, sizeof back));
    CU_ASSERT_EQUAL(memcmp(back, host, sizeof host), 0);
    SW_TEST_FAILS(sw_hal_upload(buffer, 0, back, 4), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_zero(buffer), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_bias_activate(hal, bias, 1, 8, 1, buffer), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sgd(hal, buffer, bias, NULL, 1, 0.1f, 0, 0), SW_INTERNAL);
    CU_ASSERT_EQUAL(host[0], 1.0f);
    sw_hal_free(&buffer);
    sw_hal_free(&bias);
    SW_TEST_FAILS(sw_hal_wrap(hal, NULL, 8, &buffer), SW_INTERNAL);
}

static void wrapped_memory_is_read_and_never_written(void) {
    on_every_device(check_wrap);
}

/* ---- devices and their choice ---------------------------------------------------------------- */

static void backends_are_found_by_name(void) {
    CU_ASSERT_PTR_NOT_NULL_FATAL(sw_backend_find("cpu"));
    CU_ASSERT_STRING_EQUAL(sw_backend_name(sw_backend_find("guard")), "guard");
    CU_ASSERT_PTR_NULL(sw_backend_find("gpu of the neighbour"));
    CU_ASSERT_PTR_EQUAL(sw_backend_at(0), sw_backend_find("cpu"));
    CU_ASSERT_PTR_NULL(sw_backend_at(1000));
    CU_ASSERT_TRUE(strlen(sw_backend_summary(sw_backend_at(0))) > 10);
}

static void impossible_devices_are_refused(void) {
    struct sw_hal *hal = NULL;
    const struct sw_backend *cpu = sw_backend_find("cpu");
    SW_TEST_FAILS(sw_hal_open(cpu, &(struct sw_hal_options){.threads = 0}, &hal), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_open(cpu, NULL, &hal), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_open(NULL, &(struct sw_hal_options){.threads = 1}, &hal), SW_INTERNAL);
    struct sw_hal_options better = {.threads = 1, .isa = (enum sw_isa)((int) sw_isa_detect() + 1)};
    SW_TEST_FAILS(sw_hal_open(cpu, &better, &hal), SW_UNSUPPORTED);
    struct sw_backend old = *cpu;
    old.abi = SW_BACKEND_ABI + 1;
    SW_TEST_FAILS(sw_hal_open(&old, &(struct sw_hal_options){.threads = 1}, &hal), SW_UNSUPPORTED);
    CU_ASSERT_PTR_NULL(hal);
    sw_hal_close(&hal);
}

/* Dense above some density, `sparse` below. */
static void check_choices(enum sw_isa isa, int64_t block, enum sw_layer_format sparse) {
    CU_ASSERT_EQUAL(sw_hal_choose_format(isa, 300, 784, 300 * 784, block), SW_FORMAT_DENSE);
    CU_ASSERT_EQUAL(sw_hal_choose_format(isa, 300, 784, 300 * 784 / 50, block), sparse);
    CU_ASSERT_EQUAL(sw_hal_choose_format(isa, 300, 784, 0, block), sparse);
    int changes = 0;
    for (int64_t nnz = 1; nnz <= 10 * 100; nnz++)
        changes += sw_hal_choose_format(isa, 10, 100, nnz, block) !=
                   sw_hal_choose_format(isa, 10, 100, nnz - 1, block);
    CU_ASSERT_EQUAL(changes, 1);
}

static void formats_follow_density_and_blocks(void) {
    for (int isa = SW_ISA_GENERIC; isa <= SW_ISA_AVX2; isa++)
        for (int64_t block = -1; block <= 3; block++)
            check_choices((enum sw_isa) isa, block, SW_FORMAT_CSR);
    check_choices(SW_ISA_AVX2, 4, SW_FORMAT_BSR4);
    check_choices(SW_ISA_AVX2, 8, SW_FORMAT_BSR8);
    check_choices(SW_ISA_AVX2, 16, SW_FORMAT_BSR16);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_hal_choice_version(), "format-"));
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_hal_blas_version(), "OpenBLAS"));
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* Buffers of a layer of 3 x 5 weights at ld 8, exactly large enough. */
struct layer {
    struct sw_hal *hal;
    struct sw_sparse *sparse, *copies;
    struct sw_buffer *w, *x, *y, *values, *small;
};

static struct layer create_layer(struct sw_hal *hal) {
    struct layer layer = {.hal = hal};
    uint8_t mask[2];
    struct sw_csr csr;
    sw_mask_fill(mask, 15);
    SW_TEST_OK(sw_csr_from_mask(mask, 3, 5, &csr));
    SW_TEST_OK(sw_hal_sparse_create(hal, &csr, SW_FORMAT_CSR, &layer.sparse));
    SW_TEST_OK(sw_hal_sparse_create(hal, &csr, SW_FORMAT_DENSE, &layer.copies));
    CU_ASSERT_EQUAL(sw_hal_sparse_bytes(layer.sparse), (4 + 15 + 6 + 15 + 15) * 4);
    CU_ASSERT_EQUAL(sw_hal_sparse_bytes(layer.copies), (4 + 15) * 4);
    csr.column[3] = 5;
    struct sw_sparse *bad = NULL;
    for (int f = 0; f < SW_FORMAT_COUNT; f++)
        SW_TEST_FAILS(sw_hal_sparse_create(hal, &csr, (enum sw_layer_format) f, &bad), SW_INTERNAL);
    csr.column[3] = 3;
    SW_TEST_FAILS(sw_hal_sparse_create(hal, &csr, SW_FORMAT_COUNT, &bad), SW_INTERNAL);
    CU_ASSERT_PTR_NULL(bad);
    sw_csr_fini(&csr);
    layer.w = unset(hal, 15);
    layer.x = unset(hal, 40);
    layer.y = unset(hal, 24);
    layer.values = unset(hal, 15);
    layer.small = unset(hal, 14);
    return layer;
}

static void destroy_layer(struct layer *layer) {
    sw_hal_sparse_free(&layer->sparse);
    sw_hal_sparse_free(&layer->sparse);
    sw_hal_sparse_free(&layer->copies);
    sw_hal_free(&layer->w);
    sw_hal_free(&layer->x);
    sw_hal_free(&layer->y);
    sw_hal_free(&layer->values);
    sw_hal_free(&layer->small);
}

static void check_sizes(struct sw_hal *hal) {
    struct layer l = create_layer(hal);
    SW_TEST_OK(sw_hal_dense_forward(hal, l.w, l.x, 3, 5, 8, l.y));
    SW_TEST_FAILS(sw_hal_dense_forward(hal, l.small, l.x, 3, 5, 8, l.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_dense_forward(hal, l.w, l.small, 3, 5, 8, l.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_dense_forward(hal, l.w, l.x, 3, 5, 8, l.small), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_dense_forward(hal, l.w, l.x, 3, 5, 7, l.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_dense_forward(hal, l.w, l.x, 0, 5, 8, l.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_dense_forward(hal, l.w, l.x, 3, -5, 8, l.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_dense_forward(hal, l.w, l.x, INT64_MAX / 4, 5, 8, l.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_dense_backward_data(hal, l.w, l.y, 3, 5, 8, l.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_dense_backward_weights(hal, l.y, l.x, 3, 5, 8, l.small), SW_INTERNAL);
    SW_TEST_OK(sw_hal_sparse_forward(hal, l.sparse, l.values, l.x, 8, l.y));
    SW_TEST_FAILS(sw_hal_sparse_forward(hal, l.sparse, l.small, l.x, 8, l.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sparse_forward(hal, l.sparse, l.values, l.x, 16, l.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sparse_forward(hal, NULL, l.values, l.x, 8, l.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sparse_backward_data(hal, l.sparse, l.values, l.y, 8, l.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sparse_backward_weights(hal, l.sparse, l.y, l.x, 8, l.small), SW_INTERNAL);
    SW_TEST_OK(sw_hal_sparse_scatter(hal, l.copies, l.values, l.w));
    SW_TEST_FAILS(sw_hal_sparse_scatter(hal, l.copies, l.values, l.small), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sparse_gather(hal, l.copies, l.small, l.values), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sparse_scatter(hal, l.sparse, l.values, l.small), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sparse_gather(hal, l.sparse, l.w, l.small), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sparse_forward(hal, l.copies, l.values, l.x, 8, l.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_adam(hal, l.w, l.x, l.values, l.y, 16, &(struct sw_adam_step){0}),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_adam(hal, l.w, l.x, l.values, l.y, 15, &(struct sw_adam_step){0}),
                  SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sgd(hal, l.w, l.x, NULL, 15, 0.1f, 0.9f, 0), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_nesterov(hal, l.w, l.x, NULL, 15, 0.1f, 0.9f, 0), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_nesterov(hal, l.w, l.x, l.x, 15, 0.1f, 0.9f, 0), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_nesterov(hal, l.w, l.w, l.y, 15, 0.1f, 0.9f, 0), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_bias_backward(hal, l.y, 3, 8, NULL), SW_INTERNAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "dbias"));
    destroy_layer(&l);
}

/* Bytes are predicted before a matrix exists, for plain and blocked views alike. */
static void check_predicted_bytes(struct sw_hal *hal) {
    static const int64_t shapes[][2] = {{3, 5}, {64, 264}, {65, 265}, {200, 530}};
    for (int i = 0; i < 4 * 3 * 4; i++) {
        int64_t out = shapes[i % 4][0], in = shapes[i % 4][1], every = 1 + i / 4 % 3 * 15;
        enum sw_layer_format format = (enum sw_layer_format)(i / 12);
        uint8_t *mask = NULL;
        struct sw_csr csr;
        struct sw_sparse *sparse = NULL;
        SW_TEST_OK(SW_ALLOC(&mask, (size_t) sw_mask_bytes(out * in), "test"));
        sw_mask_fill(mask, out * in);
        for (int64_t w = 0; w < out * in; w++)
            if (w % every != 0) sw_mask_clear_bit(mask, w);
        SW_TEST_OK(sw_csr_from_mask(mask, out, in, &csr));
        SW_TEST_OK(sw_hal_sparse_create(hal, &csr, format, &sparse));
        CU_ASSERT_EQUAL(sw_hal_sparse_bytes(sparse),
                        sw_hal_sparse_predict_bytes(sw_hal_isa(hal), format, out, in, csr.nnz));
        sw_hal_sparse_free(&sparse);
        sw_csr_fini(&csr);
        SW_FREE(&mask);
    }
}

static void bytes_of_positions_are_predicted(void) {
    on_every_device(check_predicted_bytes);
}

/* 24 x 40 weights in blocks of `side`, every second of them kept. */
static void make_blocks(int64_t side, uint8_t mask[120], struct sw_csr *csr) {
    sw_mask_fill(mask, 24 * 40);
    for (int64_t w = 0; w < 24 * 40; w++)
        if ((w / 40 / side + w % 40 / side) % 2 == 1) sw_mask_clear_bit(mask, w);
    SW_TEST_OK(sw_csr_from_mask(mask, 24, 40, csr));
}

static void check_blocks(struct sw_hal *hal) {
    static const enum sw_layer_format formats[] = {SW_FORMAT_BSR4, SW_FORMAT_BSR8};
    for (int i = 0; i < 2; i++) {
        uint8_t mask[120];
        struct sw_csr csr;
        struct sw_sparse *sparse = NULL;
        int64_t side = sw_format_block(formats[i]);
        make_blocks(side, mask, &csr);
        SW_TEST_OK(sw_hal_sparse_create(hal, &csr, formats[i], &sparse));
        CU_ASSERT_EQUAL(sw_hal_sparse_bytes(sparse),
                        sw_hal_sparse_predict_bytes(sw_hal_isa(hal), formats[i], 24, 40, csr.nnz));
        /* starts of block rows and columns; three numbers per block, both ways */
        CU_ASSERT_EQUAL(sw_hal_sparse_bytes(sparse),
                        (24 / side + 40 / side + 2 + 6 * csr.nnz / (side * side)) * 4);
        sw_hal_sparse_free(&sparse);
        SW_TEST_FAILS(sw_hal_sparse_create(hal, &csr, sw_format_bsr(2 * side), &sparse),
                      SW_UNSUPPORTED);
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "whole blocks"));
        sw_csr_fini(&csr);
        sw_mask_clear_bit(mask, 0); /* one weight of a block */
        SW_TEST_OK(sw_csr_from_mask(mask, 24, 40, &csr));
        SW_TEST_FAILS(sw_hal_sparse_create(hal, &csr, formats[i], &sparse), SW_UNSUPPORTED);
        CU_ASSERT_PTR_NULL(sparse);
        sw_csr_fini(&csr);
    }
}

static void blocks_have_to_be_whole(void) {
    on_every_device(check_blocks);
}

static void buffers_that_are_too_small_are_refused(void) {
    on_every_device(check_sizes);
}

static void check_foreign(struct sw_hal *hal) {
    struct layer l = create_layer(hal);
    struct sw_hal *other = open_device(sw_backend_find("cpu"), SW_ISA_GENERIC, 1);
    struct layer f = create_layer(other);
    SW_TEST_FAILS(sw_hal_dense_forward(hal, f.w, l.x, 3, 5, 8, l.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_dense_forward(hal, l.w, l.x, 3, 5, 8, f.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_sparse_forward(hal, f.sparse, l.values, l.x, 8, l.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_relu_backward(hal, f.y, 3, 8, l.y), SW_INTERNAL);
    SW_TEST_FAILS(sw_hal_dense_forward(NULL, l.w, l.x, 3, 5, 8, l.y), SW_INTERNAL);
    destroy_layer(&f);
    destroy_layer(&l);
    sw_hal_close(&other);
}

static void buffers_of_another_device_are_refused(void) {
    on_every_device(check_foreign);
}

/* ---- guard ----------------------------------------------------------------------------------- */

/* A guard with one buffer of 16 floats; `memory` is what a faulty kernel would hold. */
static struct sw_hal *open_guard(struct sw_buffer **buffer, uint8_t **memory) {
    struct sw_hal *hal = open_device(sw_backend_find("guard"), SW_ISA_GENERIC, 1);
    SW_TEST_OK(sw_hal_alloc(hal, 64, "victim", buffer));
    *memory = (*buffer)->memory;
    return hal;
}

/* The next operation and download fail and name the victim. */
static void expect_damage(struct sw_hal *hal, const char *how) {
    const float numbers[8] = {0};
    float back = 42;
    double sum = 0;
    struct sw_buffer *other = NULL;
    SW_TEST_OK(sw_hal_alloc(hal, sizeof numbers, "bystander", &other));
    SW_TEST_FAILS(sw_hal_sum_squares(hal, other, 8, &sum), SW_INTERNAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "victim"));
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), how));
    SW_TEST_FAILS(sw_hal_download(other, 0, &back, sizeof back), SW_INTERNAL);
    CU_ASSERT_EQUAL(back, 42);
    sw_hal_free(&other);
}

static void guard_finds_writes_outside_of_buffers(void) {
    static const int64_t places[] = {64, 127, -1, -64};
    for (int i = 0; i < 4; i++)
        for (int freed = 0; freed < 2; freed++) {
            struct sw_buffer *buffer = NULL;
            uint8_t *memory = NULL;
            struct sw_hal *hal = open_guard(&buffer, &memory);
            memory[places[i]] ^= 1;
            if (freed) sw_hal_free(&buffer);
            expect_damage(hal, places[i] < 0 ? "in front of" : "past the end of");
            sw_hal_free(&buffer);
            sw_hal_close(&hal);
        }
}

static void guard_poisons_freed_memory_and_finds_writes_to_it(void) {
    struct sw_buffer *buffer = NULL;
    uint8_t *memory = NULL;
    struct sw_hal *hal = open_guard(&buffer, &memory);
    sw_hal_free(&buffer);
    float number;
    memcpy(&number, memory + 8, sizeof number);
    CU_ASSERT_TRUE(isnan(number));
    memory[8] = 0;
    expect_damage(hal, "after it was freed");
    sw_hal_close(&hal);
}

static void guard_copies_wrapped_memory(void) {
    struct sw_hal *hal = open_device(sw_backend_find("guard"), SW_ISA_GENERIC, 1);
    float host[2] = {3, 4};
    double sum = 0;
    struct sw_buffer *buffer = NULL;
    SW_TEST_OK(sw_hal_wrap(hal, host, sizeof host, &buffer));
    host[0] = 100;
    SW_TEST_OK(sw_hal_sum_squares(hal, buffer, 2, &sum));
    CU_ASSERT_EQUAL(sum, 25.0);
    sw_hal_free(&buffer);
    sw_hal_close(&hal);
}

static void guard_forgets_freed_memory_in_time(void) {
    struct sw_hal *hal = open_device(sw_backend_find("guard"), SW_ISA_GENERIC, 1);
    struct sw_buffer *buffer = NULL;
    double sum = 0;
    for (int i = 0; i < 40; i++) {
        SW_TEST_OK(sw_hal_alloc(hal, i == 20 ? 2 << 20 : 64, "short-lived", &buffer));
        SW_TEST_OK(sw_hal_sum_squares(hal, buffer, 16, &sum));
        sw_hal_free(&buffer);
    }
    sw_hal_close(&hal);
}

static CU_TestInfo memory[] = {
    {"memory_is_zeroed_and_keeps_what_it_is_given", memory_is_zeroed_and_keeps_what_it_is_given},
    {"ranges_outside_of_a_buffer_are_refused", ranges_outside_of_a_buffer_are_refused},
    {"wrapped_memory_is_read_and_never_written", wrapped_memory_is_read_and_never_written},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo devices[] = {
    {"backends_are_found_by_name", backends_are_found_by_name},
    {"impossible_devices_are_refused", impossible_devices_are_refused},
    {"formats_follow_density_and_blocks", formats_follow_density_and_blocks},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo arguments[] = {
    {"buffers_that_are_too_small_are_refused", buffers_that_are_too_small_are_refused},
    {"buffers_of_another_device_are_refused", buffers_of_another_device_are_refused},
    {"bytes_of_positions_are_predicted", bytes_of_positions_are_predicted},
    {"blocks_have_to_be_whole", blocks_have_to_be_whole},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo guard[] = {
    {"guard_finds_writes_outside_of_buffers", guard_finds_writes_outside_of_buffers},
    {"guard_poisons_freed_memory_and_finds_writes_to_it",
     guard_poisons_freed_memory_and_finds_writes_to_it},
    {"guard_copies_wrapped_memory", guard_copies_wrapped_memory},
    {"guard_forgets_freed_memory_in_time", guard_forgets_freed_memory_in_time},
    CU_TEST_INFO_NULL,
};

int main(void) {
    CU_SuiteInfo suites[] = {
        {"memory", NULL, NULL, NULL, NULL, memory},
        {"devices", NULL, NULL, NULL, NULL, devices},
        {"arguments", NULL, NULL, NULL, NULL, arguments},
        {"guard", NULL, NULL, NULL, NULL, guard},
        CU_SUITE_INFO_NULL,
    };
    return sw_test_main("test_backend_memory", suites);
}
