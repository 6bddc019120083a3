#!/bin/sh
# Tier order: a module includes only modules of lower tiers (or itself), never a sibling; private headers
# (src/MODULE/*.h) stay within their module; MPI, HDF5 and printing only where they belong.
# A public header says which module it belongs to in its first line: "Module: NAME".
set -eu
cd "$(dirname "$0")/../.."

tier_of() {
    case $1 in
    base) echo 0 ;;
    tensor | comm | proc | spec) echo 1 ;;
    hal) echo 2 ;;
    data | net) echo 3 ;;
    train | prune | monitor) echo 4 ;;
    plan | trial | store) echo 5 ;;
    sched) echo 6 ;;
    cli | bench) echo 7 ;;
    *) echo "lint: unknown module '$1'" >&2; exit 1 ;;
    esac
}
# net.h needs data.h for the batches it gathers: data comes before net within their tier.
allowed_pair() { [ "$1 $2" = "net data" ] && return 0; [ "$1 $2" = "cli bench" ]; }

bad=0
module_of_header() { sed -n '1s/.*Module: \([a-z]*\).*/\1/p' "include/sweepstake/$1"; }

check_file() { # file, its module
    own=$(tier_of "$2")
    for name in $(sed -n 's/^ *# *include "sweepstake\/\([a-z_0-9]*\.h\)".*/\1/p' "$1"); do
        [ -f "include/sweepstake/$name" ] || { echo "$1: no header sweepstake/$name"; bad=1; continue; }
        other=$(module_of_header "$name")
        [ -n "$other" ] || { echo "include/sweepstake/$name: first line lacks 'Module: NAME'"; bad=1; continue; }
        [ "$other" = "$2" ] && continue
        [ "$(tier_of "$other")" -lt "$own" ] && continue
        allowed_pair "$2" "$other" && continue
        echo "$1 ($2, tier $own) includes $name ($other, tier $(tier_of "$other"))"
        bad=1
    done
    for name in $(sed -n 's/^ *# *include "\([^"]*\)".*/\1/p' "$1" | grep -v '^sweepstake/' || true); do
        [ -f "$(dirname "$1")/$name" ] || { echo "$1 includes $name, which is not beside it"; bad=1; }
    done
    case $2 in comm | sched | store) ;; *)
        grep -nE '^ *# *include *<mpi\.h>|\bMPI_[A-Z]' "$1" | grep -v '^[0-9]*: *[/ ]\*' | sed "s|^|$1: MPI outside comm, sched, store: |" | grep . && bad=1 ;;
    esac
    case $2 in store) ;; *)
        grep -nE '^ *# *include *<hdf5\.h>' "$1" | sed "s|^|$1: HDF5 outside store: |" | grep . && bad=1 ;;
    esac
    case $2 in cli | bench) ;; *)
        grep -nE '\b(printf|puts|putchar|perror|exit|abort) *\(|\bf(printf|puts) *\( *std(out|err)' "$1" |
            grep -vE '_exit *\(|snprintf|vsnprintf|^[0-9]*: *[/ ]?\*' | sed "s|^|$1: printing or exiting outside cli and bench: |" | grep . && bad=1 ;;
    esac
    return 0
}

for header in include/sweepstake/*.h; do
    module=$(module_of_header "$(basename "$header")")
    [ -n "$module" ] || { echo "$header: first line lacks 'Module: NAME'"; bad=1; continue; }
    check_file "$header" "$module"
done
for file in src/*/*.[ch] src/hal/*/*.[ch]; do
    [ -f "$file" ] || continue
    module=${file#src/}
    check_file "$file" "${module%%/*}"
done
[ $bad = 0 ] && echo "layers: ok"
exit $bad
