/* How weights are stored: what a sweep file asks for, and whether its masks allow it. */
#include "prune_internal.h"

#include <string.h>

/* ---- words ---------------------------------------------------------------------------------- */

static const struct {
    const char *name, *summary;
} words[] = {
#define SW_WORD(name, summary) {name, summary},
#include "formats.def"
#undef SW_WORD
};

const char *sw_prune_format_at(size_t index, const char **summary) {
    if (index >= sizeof words / sizeof *words) return NULL;
    if (summary != NULL) *summary = words[index].summary;
    return words[index].name;
}

static const struct {
    const char *name, *summary;
    int64_t side;
} sizes[] = {
    {"auto", "as large as prune.granularity's", 0},
    {"4", "blocks of 4 x 4 weights", 4},
    {"8", "blocks of 8 x 8 weights", 8},
    {"16", "blocks of 16 x 16 weights", 16},
};

const char *sw_prune_block_size_at(size_t index, const char **summary) {
    if (index >= sizeof sizes / sizeof *sizes) return NULL;
    if (summary != NULL) *summary = sizes[index].summary;
    return sizes[index].name;
}

/* ---- what they mean ------------------------------------------------------------------------- */

static bool is(const char *word, const char *other) {
    return strcmp(word, other) == 0;
}

/* Side that was asked for; 0: none in particular. */
static int64_t asked_side(const struct sw_trial_spec *spec) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (is(spec->train_block_size, sizes[i].name)) return sizes[i].side;
    return 0;
}

/* Side of the blocks that tickets are made of; 1: of none. */
static int64_t ticket_side(const struct sw_trial_spec *spec) {
    int64_t side = sw_granularity_of(spec)->side;
    return side > 1 ? side : 1;
}

void sw_prune_storage(const struct sw_trial_spec *spec, enum sw_control control,
                      struct sw_net_storage *out) {
    int64_t side = control == SW_CONTROL_RANDOM ? 1 : ticket_side(spec);
    if (side > 1 && asked_side(spec) > 0) side = asked_side(spec);
    *out = (struct sw_net_storage){.forced = !is(spec->train_format, "auto"), .block = side};
    if (is(spec->train_format, "bsr")) {
        out->format = sw_format_bsr(side);
        return;
    }
    for (int format = 0; format < SW_FORMAT_COUNT; format++)
        if (is(spec->train_format, sw_format_name((enum sw_layer_format) format)))
            out->format = (enum sw_layer_format) format;
}

/* ---- checking ------------------------------------------------------------------------------- */

static bool has_control(const struct sw_trial_spec *spec, enum sw_control control) {
    char word[32];
    for (size_t i = 0; sw_spec_word(spec->control, i, word); i++)
        if (is(word, sw_control_name(control))) return true;
    return false;
}

/* Blocks that are kept in part would be filled up, and what was removed would train. */
static enum sw_status check_bsr(const struct sw_trial_spec *spec) {
    if (ticket_side(spec) == 1)
        return SW_FAIL(
            SW_CONFIG,
            "train.format: bsr stores whole blocks, of which prune.granularity %s keeps parts; "
            "right are csr or auto, or prune.granularity block4, block8 or block16",
            spec->prune_granularity);
    if (has_control(spec, SW_CONTROL_RANDOM))
        return SW_FAIL(
            SW_CONFIG,
            "train.format: bsr stores whole blocks, of which control random keeps parts; right "
            "are auto, or control shuffle");
    return SW_OK;
}

static enum sw_status check_block_size(const struct sw_trial_spec *spec) {
    int64_t side = asked_side(spec);
    bool used = is(spec->train_format, "bsr") || is(spec->train_format, "auto");
    if (side == 0) return SW_OK;
    if (!used || ticket_side(spec) == 1)
        return SW_FAIL(
            SW_CONFIG,
            "train.block_size is not used by train.format %s with prune.granularity %s; it "
            "is for bsr and auto with block4, block8 or block16",
            spec->train_format, spec->prune_granularity);
    if (side > ticket_side(spec))
        return SW_FAIL(
            SW_CONFIG,
            "train.block_size: got %lld; allowed is at most %lld, as prune.granularity %s "
            "keeps parts of larger blocks",
            (long long) side, (long long) ticket_side(spec), spec->prune_granularity);
    return SW_OK;
}

/* Convolutions have kernels of their own. */
static enum sw_status check_layers(const struct sw_trial_spec *spec, const struct sw_arch *arch) {
    bool known = is(spec->train_format, "auto") || is(spec->train_format, "dense") ||
                 is(spec->train_format, "csr");
    for (int64_t l = 0; l < arch->n_layers && !known; l++)
        if (sw_arch_layer(arch, l)->rank > 2)
            return SW_FAIL(
                SW_CONFIG,
                "train.format: got %s, and %s of %s is a convolution; right are auto, dense "
                "or csr",
                spec->train_format, sw_arch_layer(arch, l)->name, arch->model);
    return SW_OK;
}

enum sw_status sw_storage_check(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                const char **key) {
    *key = "train.block_size";
    SW_TRY(check_block_size(spec));
    *key = "train.format";
    SW_TRY(check_layers(spec, arch));
    return is(spec->train_format, "bsr") ? check_bsr(spec) : SW_OK;
}
