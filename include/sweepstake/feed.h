/* Module: net
 * Purpose: a split of a data set as a device reads it: batches into a network's input.
 * Takes: a view over a data set, which outlives the feed. Gives: passes over chosen samples. */
#pragma once

#include "sweepstake/net.h"

struct sw_feed {
    int64_t count;                             /* samples; without any there are no buffers */
    int64_t features, plane;                   /* values of a sample, and of one of its channels */
    struct sw_buffer *images, *labels, *table; /* the data set's memory, wrapped */
};

/* Make a split readable. The data outlives the feed; finish with sw_feed_fini. Errors: SW_CONFIG
 * when the data's shape or classes are not the network's, SW_NOMEM. */
enum sw_status sw_feed_init(struct sw_net *net, const struct sw_data *data, enum sw_split split,
                            struct sw_feed *out) SW_NODISCARD;
void sw_feed_fini(struct sw_feed *feed);

/* Put the samples index[0..batch), each below count, into the net's input; `augment` [batch] or NULL. */
enum sw_status sw_feed_gather(const struct sw_feed *feed, struct sw_net *net, const int32_t *index,
                              const struct sw_augment *augment, int64_t batch) SW_NODISCARD;
/* The same, then loss sum and right answers, in the net's mode. With `backward` the gradient of the logits
 * is left in the net. */
enum sw_status sw_feed_pass(const struct sw_feed *feed, struct sw_net *net, const int32_t *index,
                            const struct sw_augment *augment, int64_t batch, bool backward,
                            double *loss_sum, int64_t *correct) SW_NODISCARD;
