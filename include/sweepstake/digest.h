/* Module: base
 * Purpose: identities and checksums: XXH3-128 (libxxhash). Not cryptographic: it finds damage and
 * tells things apart; it does not stop a forger. */
#pragma once

#include <stdint.h>

#include "sweepstake/status.h"

/* 128 bits in canonical (big-endian) byte order, as stored. */
struct sw_digest {
    uint8_t bytes[16];
};

#define SW_DIGEST_TEXT 33 /* bytes of the hexadecimal text with its NUL */

struct sw_digest sw_digest_of(const void *bytes, size_t length);

/* Running digest over several pieces; the result equals sw_digest_of over their concatenation. */
struct sw_digest_stream;
enum sw_status sw_digest_begin(struct sw_digest_stream **out) SW_NODISCARD;
void sw_digest_update(struct sw_digest_stream *stream, const void *bytes, size_t length);
struct sw_digest sw_digest_end(struct sw_digest_stream **stream); /* frees the stream */

/* Lower-case hexadecimal into out[33]; returns out. */
char *sw_digest_text(struct sw_digest digest, char out[SW_DIGEST_TEXT]);

/* True when equal. */
int sw_digest_equal(struct sw_digest a, struct sw_digest b);
