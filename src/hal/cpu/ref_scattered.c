#define KERNEL(name) sw_cpu_ref_##name
#include "scattered.h"
