#include <string.h>

#include "sweepstake/backend.h"

#define SW_BACKEND(name) extern const struct sw_backend sw_backend_##name;
#include "backends.def"
#undef SW_BACKEND

static const struct sw_backend *const backends[] = {
#define SW_BACKEND(name) &sw_backend_##name,
#include "backends.def"
#undef SW_BACKEND
};

enum {
#define SW_BACKEND(name) INDEX_##name,
#include "backends.def"
#undef SW_BACKEND
    N_BACKENDS
};

const struct sw_backend *sw_backend_at(size_t index) {
    return index < N_BACKENDS ? backends[index] : NULL;
}

const struct sw_backend *sw_backend_find(const char *name) {
    for (size_t i = 0; i < N_BACKENDS; i++)
        if (strcmp(backends[i]->name, name) == 0) return backends[i];
    return NULL;
}

const char *sw_backend_name(const struct sw_backend *backend) {
    return backend->name;
}

const char *sw_backend_summary(const struct sw_backend *backend) {
    return backend->summary;
}

enum sw_status sw_backend_probe(const struct sw_backend *backend) {
    if (backend->abi != SW_BACKEND_ABI)
        return SW_FAIL(SW_UNSUPPORTED,
                       "backend '%s' was written for interface %d; this program has %d",
                       backend->name, backend->abi, SW_BACKEND_ABI);
    return backend->probe();
}
