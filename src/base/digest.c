#include "sweepstake/digest.h"

#include <string.h>
#include <xxhash.h>
#ifdef __x86_64__
#include <xxh_x86dispatch.h> /* the same sums, with the processor's widest instructions */
#endif

static struct sw_digest canonical(XXH128_hash_t hash) {
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, hash);
    struct sw_digest digest;
    memcpy(digest.bytes, bytes.digest, sizeof digest.bytes);
    return digest;
}

struct sw_digest sw_digest_of(const void *bytes, size_t length) {
    return canonical(XXH3_128bits(length > 0 ? bytes : "", length));
}

enum sw_status sw_digest_begin(struct sw_digest_stream **out) {
    XXH3_state_t *state = XXH3_createState();
    if (state == NULL || XXH3_128bits_reset(state) != XXH_OK) {
        XXH3_freeState(state);
        return SW_FAIL(SW_NOMEM, "no memory for a checksum");
    }
    /* The library's state is the stream: one allocation, one owner. */
    *out = (struct sw_digest_stream *) (void *) state;
    return SW_OK;
}

static XXH3_state_t *state_of(struct sw_digest_stream *stream) {
    return (XXH3_state_t *) (void *) stream;
}

void sw_digest_update(struct sw_digest_stream *stream, const void *bytes, size_t length) {
    if (length > 0) (void) XXH3_128bits_update(state_of(stream), bytes, length);
}

struct sw_digest sw_digest_end(struct sw_digest_stream **stream) {
    struct sw_digest digest = canonical(XXH3_128bits_digest(state_of(*stream)));
    XXH3_freeState(state_of(*stream));
    *stream = NULL;
    return digest;
}

char *sw_digest_text(struct sw_digest digest, char out[SW_DIGEST_TEXT]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof digest.bytes; i++) {
        out[2 * i] = digits[digest.bytes[i] >> 4];
        out[2 * i + 1] = digits[digest.bytes[i] & 15];
    }
    out[2 * sizeof digest.bytes] = '\0';
    return out;
}

int sw_digest_equal(struct sw_digest a, struct sw_digest b) {
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}
