/* The trainer process: rounds come in, results go out through shared memory. It keeps its device
 * and its data sets open between rounds. It may crash: nothing is lost with it but the round. */
#include "sweepstake/sched.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner.h"
#include "sweepstake/memory.h"
#include "sweepstake/text.h"
#include "trainer_sink.h"

/* A data set that was used before. */
struct mapped_data {
    bool is_open;
    void *memory;
    struct sw_data view;
};

struct trainer {
    struct sw_hal *hal; /* opened with the first round */
    struct mapped_data *data;
    int64_t n_data;
};

/* ---- device and data ------------------------------------------------------------------------- */

static enum sw_status open_device(struct trainer *trainer, const struct sw_parcel *parcel,
                                  const struct sw_runner_order *order) {
    if (trainer->hal != NULL) return SW_OK;
    const struct sw_backend *backend = sw_backend_find(parcel->header->backend);
    if (backend == NULL)
        return SW_FAIL(SW_UNSUPPORTED, "this build has no backend '%s'", parcel->header->backend);
    struct sw_hal_options options = {.threads = order->threads, .isa = (enum sw_isa) order->isa};
    return sw_hal_open(backend, &options, &trainer->hal);
}

static enum sw_status map_data(const struct sw_round_task *task, int fd,
                               const struct sw_runner_order *order, struct mapped_data *out) {
    struct stat info;
    size_t bytes = (size_t) order->data_bytes;
    if (fstat(fd, &info) != 0 || info.st_size < order->data_bytes)
        return SW_FAIL(SW_INTERNAL, "the memory of the data set %s is too small", task->data.name);
    void *memory = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return SW_FAIL(SW_NOMEM, "cannot map the data set %s: %s", task->data.name,
                       strerror(errno));
    enum sw_status status = sw_data_open(&task->spec, &task->data, memory, &out->view);
    if (status != SW_OK) {
        (void) munmap(memory, bytes);
        return status;
    }
    out->memory = memory;
    out->is_open = true;
    return SW_OK;
}

static enum sw_status open_data(struct trainer *trainer, const struct sw_round_task *task, int fd,
                                const struct sw_runner_order *order, const struct sw_data **out) {
    if (order->data < 0) return SW_FAIL(SW_INTERNAL, "no data set %lld", (long long) order->data);
    if (order->data >= trainer->n_data) {
        SW_TRY(SW_GROW(&trainer->data, (size_t) trainer->n_data, (size_t) order->data + 1,
                       "mapped data sets"));
        trainer->n_data = order->data + 1;
    }
    struct mapped_data *data = &trainer->data[order->data];
    if (!data->is_open) SW_TRY(map_data(task, fd, order, data));
    *out = &data->view;
    return SW_OK;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

/* Peak memory is told per round: forget the peak of the one before. */
static void reset_peak_memory(void) {
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t written = write(fd, "5", 1);
    (void) written; /* where it is refused, the peak is that of all rounds so far */
    (void) close(fd);
}

/* Before the device makes its threads, which inherit it. Where it is refused (the system took cores away
 * meanwhile) the training runs where it may: the record names the cores. */
static void bind_cores(const struct sw_runner_order *order) {
    if (CPU_COUNT(&order->cpus) == 0) return;
    int refused = sched_setaffinity(0, sizeof order->cpus, &order->cpus);
    (void) refused;
}

static enum sw_status run_round(struct trainer *trainer, struct sw_parcel *parcel, int data_fd,
                                const struct sw_runner_order *order) {
    const struct sw_parcel_header *header = parcel->header;
    const struct sw_data *data = NULL;
    struct sw_trial_place place = {.backend = header->backend,
                                   .rank = header->rank,
                                   .threads = header->threads,
                                   .attempt = header->attempt,
                                   .assigned = header->assigned};
    struct sw_trainer_sink sink;
    reset_peak_memory();
    bind_cores(order);
    SW_TRY(open_device(trainer, parcel, order));
    SW_TRY(open_data(trainer, &header->task, data_fd, order, &data));
    sw_trainer_sink_open(parcel, &sink);
    return sw_trial_run_round(&header->task, trainer->hal, data, &place, &sink.sink);
}

/* Run one order; the answer goes back. False when the rank is gone. */
static bool obey(struct trainer *trainer, int socket, const struct sw_runner_order *order,
                 int parcel_fd, int data_fd) {
    struct sw_parcel parcel;
    struct sw_runner_answer answer = {.magic = SW_RUNNER_MAGIC};
    enum sw_status status = sw_parcel_map(parcel_fd, &parcel);
    if (status == SW_OK) {
        status = run_round(trainer, &parcel, data_fd, order);
        sw_parcel_close(&parcel);
    }
    answer.status = status;
    if (status != SW_OK) SW_TEXT_COPY(answer.text, sw_status_text());
    return sw_proc_send(socket, &answer, sizeof answer, NULL, 0) == SW_OK;
}

int sw_sched_trainer_main(int socket, const int *fds, int n_fds) {
    struct trainer trainer = {.hal = NULL};
    bool alive = true;
    /* What a round needs comes with its order; nothing is given at the start. */
    for (int i = 0; i < n_fds; i++)
        (void) close(fds[i]);
    while (alive) {
        struct sw_runner_order order;
        enum sw_proc_received what = SW_PROC_CLOSED;
        int got[SW_PROC_MAX_FDS + 1], n_got = 0;
        if (sw_proc_receive(socket, true, &what, &order, sizeof order, got, &n_got) != SW_OK)
            return 1;
        if (what == SW_PROC_CLOSED) return 0;
        if (order.magic != SW_RUNNER_MAGIC || n_got != 2) return 1;
        alive = obey(&trainer, socket, &order, got[0], got[1]);
        (void) close(got[1]);
    }
    return 0;
}
