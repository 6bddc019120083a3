#include "sweepstake/comm.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Set a variable; true when that changed the environment. */
static bool set_variable(const char *name, const char *value) {
    const char *old = getenv(name);
    if (old != NULL && strcmp(old, value) == 0) return false;
    return setenv(name, value, 1) == 0;
}

bool sw_comm_prepare_environment(void) {
    /* Open MPI's write data sieving reads, changes and writes back bytes that belong to other
     * ranks. */
    bool changed = set_variable("OMPI_MCA_fbtl_posix_write_datasieving", "0");
    /* One of its shared file pointers, which nobody uses here, tries out locks at every open with a file
     * beside the store; a choice that was made from outside stays. */
    if (getenv("OMPI_MCA_sharedfp") == NULL)
        changed |= set_variable("OMPI_MCA_sharedfp", "^lockedfile");
    /* hwloc's OpenCL plug-in loads a library that swallows SIGUSR1. */
    changed |= set_variable("HWLOC_COMPONENTS", "-opencl,-cuda,-nvml,-gl");
    /* Its thread pool starts when it is loaded, and a second thread changes results. */
    changed |= set_variable("OPENBLAS_NUM_THREADS", "1");
    /* A program started without mpirun runs a small daemon of its own, which refuses root.
     * Whoever runs this as root has decided that already; it is read at MPI_Init, so nothing has
     * to start again. */
    if (geteuid() == 0) {
        (void) setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
        (void) setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
    }
    return changed;
}
