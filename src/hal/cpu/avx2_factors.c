#define KERNEL(name) sw_cpu_avx2_##name
#include "factors.h"
