#include "sweepstake/raw_file.h"

#include <limits.h>
#include <mpi.h>

#include "sweepstake/memory.h"

struct sw_raw_file {
    MPI_File file;
};

/* Files have MPI_ERRORS_RETURN from the start. */
static enum sw_status check(int code, const char *what) {
    char text[MPI_MAX_ERROR_STRING] = "unknown error";
    int length;
    if (code == MPI_SUCCESS) return SW_OK;
    (void) MPI_Error_string(code, text, &length);
    return SW_FAIL(SW_IO, "%s: %s", what, text);
}

enum sw_status sw_raw_create(const char *path, int64_t bytes, struct sw_raw_file **out) {
    struct sw_raw_file *raw;
    SW_TRY(SW_ALLOC(&raw, 1, "a raw file"));
    raw->file = MPI_FILE_NULL;
    enum sw_status status = check(MPI_File_open(MPI_COMM_SELF, path,
                                                MPI_MODE_CREATE | MPI_MODE_RDWR, MPI_INFO_NULL,
                                                &raw->file),
                                  path);
    if (status == SW_OK) status = check(MPI_File_set_size(raw->file, 0), path);
    if (status == SW_OK) status = check(MPI_File_set_size(raw->file, bytes), path);
    if (status == SW_OK)
        *out = raw;
    else
        sw_raw_close(&raw);
    return status;
}

enum sw_status sw_raw_write(struct sw_raw_file *raw, int64_t offset, const void *bytes,
                            size_t length) {
    MPI_Status info;
    int written = 0;
    if (length > INT_MAX)
        return SW_FAIL(SW_UNSUPPORTED, "cannot write %zu bytes in one call", length);
    SW_TRY(check(MPI_File_write_at(raw->file, offset, bytes, (int) length, MPI_BYTE, &info),
                 "MPI_File_write_at"));
    SW_TRY(check(MPI_Get_count(&info, MPI_BYTE, &written), "MPI_Get_count"));
    if ((size_t) written == length) return SW_OK;
    return SW_FAIL(SW_IO, "MPI_File_write_at wrote %d of %zu bytes (is the disk full?)", written,
                   length);
}

enum sw_status sw_raw_sync(struct sw_raw_file *raw) {
    return check(MPI_File_sync(raw->file), "MPI_File_sync");
}

void sw_raw_close(struct sw_raw_file **raw) {
    if (*raw != NULL && (*raw)->file != MPI_FILE_NULL) (void) MPI_File_close(&(*raw)->file);
    SW_FREE(raw);
}
