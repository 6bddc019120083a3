#include "cpu.h"

/* Below this much work a parallel region costs more than it saves. */
#define TINY_WORK 100000.0

/* The smaller of two numbers. */
static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

void sw_cpu_run(const struct sw_hal *hal, sw_cpu_kernel *kernel, const void *args, int64_t n,
                int64_t grain, double work) {
    int64_t blocks = (n + grain - 1) / grain;
    int64_t team = least(hal->options.threads, blocks);
    if (team <= 1 || work < TINY_WORK) {
        kernel(args, 0, n);
        return;
    }
#pragma omp parallel for num_threads((int) team) schedule(static)
    for (int64_t t = 0; t < team; t++)
        kernel(args, blocks * t / team * grain, least(n, blocks * (t + 1) / team * grain));
}
