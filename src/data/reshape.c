#include "reshape.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "sweepstake/memory.h"

enum sw_status sw_reshape_target(const struct sw_trial_spec *spec, const int64_t stored[3],
                                 int64_t out[3]) {
    int64_t channels = spec->data_channels, side = spec->data_resize;
    memcpy(out, stored, 3 * sizeof *out);
    if (channels != 0 && channels != stored[0] && stored[0] != 1)
        return SW_FAIL(SW_CONFIG,
                       "data.channels: got %" PRId64 "; %s has images of %" PRId64
                       " channels, only grey ones can be repeated",
                       channels, spec->data_name, stored[0]);
    if (channels != 0) out[0] = channels;
    if (side != 0) out[1] = out[2] = side;
    return SW_OK;
}

/* Where a new pixel lies between two old ones. */
struct place {
    int64_t low, high;
    double share; /* of the high one */
};

static enum sw_status find_places(int64_t from, int64_t to, struct place **out) {
    struct place *places = NULL;
    SW_TRY(SW_ALLOC(&places, (size_t) to, "resizing images"));
    for (int64_t i = 0; i < to; i++) {
        double at = ((double) i + 0.5) * (double) from / (double) to - 0.5;
        if (at < 0) at = 0;
        int64_t low = (int64_t) at;
        if (low > from - 1) low = from - 1;
        places[i] = (struct place){low, low + 1 < from ? low + 1 : low, at - (double) low};
    }
    *out = places;
    return SW_OK;
}

static void resize_plane(const uint8_t *plane, int64_t stored_width, const struct place *rows,
                         int64_t height, const struct place *columns, int64_t width, uint8_t *out) {
    for (int64_t y = 0; y < height; y++) {
        const uint8_t *upper = plane + rows[y].low * stored_width;
        const uint8_t *lower = plane + rows[y].high * stored_width;
        for (int64_t x = 0; x < width; x++) {
            const struct place *column = &columns[x];
            double left = upper[column->low] * (1 - rows[y].share) +
                          lower[column->low] * rows[y].share;
            double right = upper[column->high] * (1 - rows[y].share) +
                           lower[column->high] * rows[y].share;
            *out++ = (uint8_t) floor(left * (1 - column->share) + right * column->share + 0.5);
        }
    }
}

/* Grey images become equal channels; others keep theirs. */
static void reshape_image(const int64_t stored[3], const int64_t shape[3], const struct place *rows,
                          const struct place *columns, const uint8_t *image, uint8_t *out) {
    int64_t plane = shape[1] * shape[2];
    for (int64_t channel = 0; channel < shape[0]; channel++, out += plane) {
        if (channel < stored[0])
            resize_plane(image + channel * stored[1] * stored[2], stored[2], rows, shape[1],
                         columns, shape[2], out);
        else
            memcpy(out, out - plane, (size_t) plane);
    }
}

enum sw_status sw_reshape_images(const int64_t stored[3], const int64_t shape[3], int64_t n,
                                 const uint8_t *images, uint8_t *out) {
    struct place *rows = NULL, *columns = NULL;
    enum sw_status status = SW_OK;
    SW_TRY_TO(find_places(stored[1], shape[1], &rows), status, cleanup);
    SW_TRY_TO(find_places(stored[2], shape[2], &columns), status, cleanup);
    for (int64_t i = 0; i < n; i++)
        reshape_image(stored, shape, rows, columns, images + i * stored[0] * stored[1] * stored[2],
                      out + i * shape[0] * shape[1] * shape[2]);
cleanup:
    SW_FREE(&columns);
    SW_FREE(&rows);
    return status;
}
