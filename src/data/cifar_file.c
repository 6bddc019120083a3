#include "cifar_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits.h"
#include "sweepstake/text.h"

static int64_t record_bytes(const struct sw_cifar_labels *labels) {
    return labels->n + SW_CIFAR_PIXELS;
}

/* Not blocking and looked at after opening: a pipe or a device must not hang us. */
static enum sw_status open_regular(const char *path, FILE **out, int64_t *bytes) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return SW_FAIL(SW_IO, "%s: cannot be opened: %s; data.dir should be where the files are",
                       path, strerror(errno));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        (void) close(fd);
        return SW_FAIL(SW_IO, "%s: is not a regular file", path);
    }
    *out = fdopen(fd, "rb");
    if (*out == NULL) {
        (void) close(fd);
        return SW_FAIL(SW_NOMEM, "%s: no memory to read it", path);
    }
    *bytes = info.st_size;
    return SW_OK;
}

static enum sw_status check_length(const struct sw_cifar_file *file, int64_t bytes) {
    int64_t record = record_bytes(&file->labels);
    if (bytes == 0) return SW_FAIL(SW_CONFIG, "%s: byte 0: the file is empty", file->path);
    if (bytes % record != 0)
        return SW_FAIL(SW_CONFIG,
                       "%s: byte %" PRId64 ": %" PRId64
                       " bytes follow the last whole record; a file is a multiple of %" PRId64
                       " bytes, %d of labels and %" PRId64 " of pixels",
                       file->path, bytes / record * record, bytes % record, record, file->labels.n,
                       SW_CIFAR_PIXELS);
    if (bytes / record > SW_DATA_MAX_BYTES / SW_CIFAR_PIXELS)
        return SW_FAIL(SW_CONFIG, "%s: %" PRId64 " bytes are more than 16 GiB of pixels",
                       file->path, bytes);
    return SW_OK;
}

enum sw_status sw_cifar_open(const char *path, const struct sw_cifar_labels *labels,
                             struct sw_cifar_file *out) {
    struct sw_cifar_file file = {.labels = *labels};
    int64_t bytes = 0;
    SW_TEXT_COPY(file.path, path);
    SW_TRY(open_regular(path, &file.file, &bytes));
    enum sw_status status = check_length(&file, bytes);
    file.count = bytes / record_bytes(labels);
    if (status == SW_OK)
        *out = file;
    else
        sw_cifar_close(&file);
    return status;
}

static enum sw_status read_bytes(const struct sw_cifar_file *file, int64_t at, uint8_t *out,
                                 size_t bytes) {
    size_t got = fread(out, 1, bytes, file->file);
    if (got == bytes) return SW_OK;
    if (ferror(file->file))
        return SW_FAIL(SW_IO, "%s: byte %" PRId64 ": cannot be read: %s", file->path,
                       at + (int64_t) got, strerror(errno));
    return SW_FAIL(SW_IO, "%s: byte %" PRId64 ": truncated while it was being read", file->path,
                   at + (int64_t) got);
}

enum sw_status sw_cifar_read(struct sw_cifar_file *file, int64_t n, uint8_t *images,
                             uint8_t *classes) {
    const struct sw_cifar_labels *labels = &file->labels;
    uint8_t found[2] = {0};
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i * record_bytes(labels);
        SW_TRY(read_bytes(file, at, found, (size_t) labels->n));
        for (int l = 0; l < labels->n; l++)
            if (found[l] >= labels->limits[l])
                return SW_FAIL(SW_CONFIG,
                               "%s: byte %" PRId64 ": label %d found, 0 to %" PRId64 " expected",
                               file->path, at + l, found[l], labels->limits[l] - 1);
        classes[i] = found[labels->n - 1];
        SW_TRY(read_bytes(file, at + labels->n, images + i * SW_CIFAR_PIXELS,
                          (size_t) SW_CIFAR_PIXELS));
    }
    return SW_OK;
}

void sw_cifar_close(struct sw_cifar_file *file) {
    if (file->file != NULL) (void) fclose(file->file);
    file->file = NULL;
}
