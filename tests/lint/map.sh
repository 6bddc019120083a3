#!/bin/sh
# The folder map of the README, from the first lines of the public headers.
set -eu
cd "$(dirname "$0")/../.."
for header in include/sweepstake/*.h; do
    module=$(sed -n '1s/.*Module: \([a-z]*\).*/\1/p' "$header")
    purpose=$(sed -n '2,4s/^ \* Purpose: *//p' "$header")
    printf '| `src/%s` | `%s` | %s |\n' "$module" "$(basename "$header")" "$purpose"
done | sort
