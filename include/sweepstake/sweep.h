/* Module: spec
 * Purpose: the checked, expanded sweep as plain data, and the arithmetic of where each round's
 * bytes go. Takes: filled in by plan. Gives: read by trial, store, sched and cli, which never see
 * the sweep file. */
#pragma once

#include "sweepstake/spec.h"

/* ---- network as seen from outside ----------------------------------------------------------- */

#define SW_MAX_RANK 4

/* What a parameter is. Statistics of batch norm are part of the parameter vector, so that snapshots,
 * stores and checkpoints hold them, but no optimizer touches them. */
enum sw_param_role {
    SW_ROLE_WEIGHT,   /* of a linear layer or a convolution: may be pruned */
    SW_ROLE_BIAS,     /* of those */
    SW_ROLE_SCALE,    /* batch norm's weight */
    SW_ROLE_SHIFT,    /* batch norm's bias */
    SW_ROLE_MEAN,     /* batch norm's running mean: a statistic */
    SW_ROLE_VARIANCE, /* batch norm's running variance: a statistic */
    SW_ROLE_COUNT
};
static inline bool sw_role_is_trained(int64_t role) {
    return role < SW_ROLE_MEAN;
}

/* One parameter, named and shaped as in PyTorch. */
struct sw_param {
    char name[40];              /* "fc1.weight" */
    int64_t rank;               /* dimensions used */
    int64_t shape[SW_MAX_RANK]; /* [out, in] or [out]; unused ones 0 */
    int64_t count;              /* product of the shape */
    int64_t role;               /* enum sw_param_role */
    int64_t shortcut;    /* 1: a projection that a residual takes, as a ResNet's 1x1 convolutions */
    int64_t offset;      /* first element in the flat parameter vector theta */
    int64_t prunable;    /* 1 for a weight that pruning may touch */
    int64_t output;      /* 1 for the weights of the output layer */
    int64_t mask_offset; /* first byte of its mask within a round's mask; prunable only */
    int64_t fan_in;      /* inputs of one unit; 0 for biases */
    int64_t fan_out;     /* units fed by one input; 0 for biases */
};

/* Whose units (outputs of a linear layer, channels of a convolution) the dimensions of a parameter count. Units
 * are named after the first prunable parameter that makes them: several do where a residual is added, and
 * a unit is there for all of them or for none. */
#define SW_UNITS_INPUT (-1) /* channels of the network's input */
struct sw_param_units {
    int64_t makes; /* of its first dimension: a layer, as below */
    int64_t reads; /* of its second one, or SW_UNITS_INPUT; weights only */
    int64_t span;  /* columns of its [shape[0], ...] matrix per unit that it reads; weights only */
};

/* A network's parameters. Layer l of /layers is the l-th prunable parameter. */
struct sw_arch {
    char model[32];
    int64_t input_shape[3]; /* [channels, height, width] */
    int64_t classes;
    int64_t n_params;
    int64_t n_layers;        /* prunable parameters */
    int64_t parameters;      /* all elements of theta, statistics included */
    int64_t trained;         /* those that an optimizer changes: what people call parameters */
    int64_t prunable;        /* elements of prunable parameters */
    int64_t mask_bytes;      /* one bit per prunable weight, every parameter starting on a byte */
    struct sw_param *params; /* owned */
    struct sw_param_units *units; /* [n_params], owned; NULL in a network that a store describes */
};

/* ---- data sets as seen from outside --------------------------------------------------------- */

struct sw_data_info {
    char name[32];
    int64_t shape[3]; /* [channels, height, width] of one sample */
    int64_t classes;
    int64_t train; /* training images, validation excluded */
    int64_t validation;
    int64_t test;
    int64_t block_bytes; /* memory of the decoded set */
    float mean[4];       /* per channel, of the training images in 0..1 (validation excluded) */
    float deviation[4];
    struct sw_digest checksum; /* of the decoded images and labels */
};

/* ---- rounds --------------------------------------------------------------------------------- */

/* The pieces of a finished round, in the order in which they are written and checked. */
enum sw_section {
    SW_SECTION_THETA0,  /* float[parameters]: weights at initialisation; written by the round that
                           owns them */
    SW_SECTION_THETA_K, /* float[snapshots * parameters]: weights of a dense training after the steps
                           that its tickets rewind to, in the order of theta_k_index */
    SW_SECTION_MASK,    /* bytes[mask_bytes]: bit i of byte i/8 (lowest first) is weight i; written
                           by the round that owns it */
    SW_SECTION_WEIGHTS, /* float[survivors]: trained values, parameters in order, kept ones only */
    SW_SECTION_LAYERS,  /* struct sw_layer_record[n_layers] */
    SW_SECTION_CURVES,  /* struct sw_curve_point[curve_points] */
    SW_SECTION_PRUNES, /* struct sw_prune_call[prune_rows]: of rounds that are pruned while they train */
    SW_SECTION_ALERTS, /* struct sw_alert[alerts] */
    SW_SECTION_RECORD, /* struct sw_round_record */
    SW_SECTION_COUNT
};
const char *
sw_section_name(enum sw_section section); /* dataset in the store: "theta0", "masks", ... */

#define SW_ALERTS_MAX 16 /* rows of /alerts reserved per round; the last one tells of the rest */

/* One distinct training. Plain data, stored as it is in /plan/rounds. */
struct sw_round_plan {
    int64_t row;   /* row of /rounds */
    int64_t trial; /* first trial that uses it */
    int64_t round;
    int64_t control; /* enum sw_control */
    int64_t parent;  /* row whose mask and trained weights it starts from (round - 1 of the ticket),
                        -1 for round 0; for a control: the row of its ticket, whose mask it uses or
                        rearranges */
    int64_t arch;    /* index into sweep->archs */
    int64_t data;    /* index into sweep->datas */
    int64_t theta0_owner; /* row that writes its initial weights (its own row, or an earlier one) */
    int64_t rewind_to;    /* step that its training begins with; 0 from the start of the schedule */
    int64_t theta_k_owner; /* row that writes the weights it begins with: its round 0; -1 when
                              those are its initial weights, or its parent's trained ones
                              (sw_round_keeps_weights) */
    int64_t theta_k_index; /* which of that row's snapshots; -1 when none */
    int64_t snapshots;     /* weights that this row keeps for others to rewind to */
    int64_t mask_owner;    /* row that writes its mask: its own, or the ticket's for a control that
                           trains the same mask */
    int64_t steps;         /* step that the training ends with */
    int64_t curve_points;
    int64_t nnz;             /* prunable weights kept: exact for single weights and for
                                         units with layer scope, else at most that many */
    int64_t survivors;       /* nnz and all parameters that are never pruned */
    int64_t start_survivors; /* when its training begins: more where it is pruned while it trains */
    int64_t prune_rows;      /* rows of /prunes reserved for it */
    int64_t offset[SW_SECTION_COUNT]; /* first element of its slab in the section's dataset, -1 if
                                         it has none */
    int64_t
        length[SW_SECTION_COUNT]; /* elements reserved there: floats, bytes or rows; 0 if none */
    double sparsity_requested;
    double flops;       /* of its training, evaluations included */
    int64_t rank_bytes; /* private memory of the process that runs it */
    char id[40];        /* hexadecimal digest of everything that can change its result */
};

/* A checked, expanded sweep. Built by plan, borrowed by everyone else. */
struct sw_sweep {
    char name[96];
    char store[256]; /* path of the store */
    char *text;      /* the sweep file, exact bytes; owned */
    size_t text_bytes;
    char *overrides;         /* "key=value\n" per --set, in order; owned, "" when none */
    struct sw_digest digest; /* of text and overrides */
    char recipe[32];         /* "" without one */
    char *
        recipe_report; /* one line per row of the recipe: what it set ("key: value"), what overrode it
                            ("key: value -> other by line 7"), what is unavailable; owned, or NULL */
    char *canonical;   /* canonical text of every trial, for comparing plans on resume; owned */
    int64_t n_trials;
    struct sw_trial_spec *trials; /* owned */
    int64_t n_archs;
    struct sw_arch *archs; /* owned */
    int64_t n_datas;
    struct sw_data_info *datas;   /* owned */
    int64_t n_rounds;             /* distinct trainings, controls included */
    struct sw_round_plan *rounds; /* owned; parents come before their children */
    int64_t *kept;                /* [n_rounds][max_layers] weights kept per layer, exactly (single
                                     weights and units with layer scope) or at most; owned */
    int64_t max_layers;
    int64_t
        rounds_wide; /* largest number of trainings of one trial: max over trials of rounds + 1 */
    int64_t *trial_rounds; /* [n_trials][rounds_wide][SW_CONTROL_COUNT] row or -1; owned */
    int64_t shared;        /* trainings saved because trials share them */
    int64_t extent[SW_SECTION_COUNT]; /* elements of each section's dataset */
};

void sw_sweep_fini(struct sw_sweep *sweep);

/* Row of a trial's training, -1 when it has none. */
int64_t sw_sweep_row(const struct sw_sweep *sweep, int64_t trial, int64_t round,
                     enum sw_control control);

/* Does a round begin with its parent's trained weights (rewind.mode learning-rate, fine-tune)? Its
 * theta_k_owner is -1 then, and rewind_to is its place in the schedule only. */
bool sw_round_keeps_weights(const struct sw_trial_spec *spec, const struct sw_round_plan *round);

/* Bytes of one element of a section. */
size_t sw_section_element_bytes(enum sw_section section);

/* Steps whose weights a row keeps, by theta_k_index, into steps[SW_SNAPSHOTS_MAX]; returns how many. */
#define SW_SNAPSHOTS_MAX 64
int64_t sw_sweep_snapshots(const struct sw_sweep *sweep, int64_t row, int64_t *steps);

/* Give every round its slabs (offset, length) and the sweep its extents, from row, survivors,
 * curve_points, snapshots, owners and archs. Slabs follow each other in row order. */
void sw_sweep_lay_out(struct sw_sweep *sweep);

/* Where the sections of one round stand in a single block of memory (the shared memory between a
 * worker and its trainer): each begins on a 64-byte boundary. Lengths are those of the plan. */
struct sw_payload_layout {
    size_t offset[SW_SECTION_COUNT];
    size_t bytes[SW_SECTION_COUNT]; /* reserved; 0 when the round does not have the section */
    size_t total;
};
void sw_payload_lay_out(const struct sw_round_plan *round, struct sw_payload_layout *out);

/* ---- sink ----------------------------------------------------------------------------------- */

struct sw_progress {
    int64_t step, steps; /* of this training */
};

/* What a training has to do between two steps. */
enum sw_checkpoint_need {
    SW_CHECKPOINT_NONE,
    SW_CHECKPOINT_SAVE, /* take a checkpoint and go on */
    SW_CHECKPOINT_END   /* take a checkpoint and end with SW_STOPPED */
};

/* How a running trial reaches the outside. Implemented by sched over shared memory, by tests in
 * memory. */
struct sw_sink {
    void *context;
    /* Copy a section of another round (parent or owner) into `out`: `bytes` from byte `from` on, which
     * is the whole section, or one snapshot of SW_SECTION_THETA_K. Errors: SW_NOT_FOUND when it was
     * not provided, SW_DAMAGED when the size differs. */
    enum sw_status (*load)(void *context, int64_t row, enum sw_section section, size_t from,
                           void *out, size_t bytes);
    /* Hand over a section of this round; copied. Called once per section, record last.
     * Errors: SW_INTERNAL when it is larger than planned. */
    enum sw_status (*save)(void *context, enum sw_section section, const void *from, size_t bytes);
    /* Tell that the training is alive; called at least once per evaluation. May be NULL. */
    void (*progress)(void *context, const struct sw_progress *progress);

    /* Checkpoints inside a round; all three or none. They are bytes that only the trial understands;
     * `key` is a digest of what they depend on beside the round's identity. */
    /* Asked after every step. */
    enum sw_checkpoint_need (*need_checkpoint)(void *context);
    /* Keep this one, after `step` steps, instead of those before. Errors: any; the training goes
     * on without. */
    enum sw_status (*save_checkpoint)(void *context, struct sw_digest key, int64_t step,
                                      const void *from, size_t bytes);
    /* The newest that is whole, of at most `capacity` bytes; the caller frees it (SW_FREE). Errors:
     * SW_NOT_FOUND; any other means that there is none, too. */
    enum sw_status (*load_checkpoint)(void *context, struct sw_digest key, size_t capacity,
                                      char **out, size_t *bytes);
    /* Tell people something about this round. May be NULL. */
    void (*notice)(void *context, const char *text);
};

/* Everything a trainer needs to run one round; plain data for shared memory, followed by nothing.
 */
#define SW_MAX_LAYERS 256
struct sw_round_task {
    struct sw_trial_spec spec;
    struct sw_round_plan plan;
    struct sw_data_info data;
    int64_t n_layers;
    int64_t kept[SW_MAX_LAYERS];        /* weights each layer keeps in this round, or at most */
    int64_t parent_kept[SW_MAX_LAYERS]; /* the same for the parent; all of them without one */
    int64_t grandparent; /* row of the parent's parent, when the criterion asks for it; else -1 */
    int64_t grandparent_kept[SW_MAX_LAYERS]; /* as parent_kept */
    int64_t dense_row;                       /* of round 0 of its trial */
    int64_t dense_points;                    /* evaluations of that */
    int64_t
        snapshot_step[SW_SNAPSHOTS_MAX]; /* steps whose weights this round keeps, plan.snapshots */
};
