#define KERNEL(name) sw_cpu_avx2_##name
#include "scattered.h"
