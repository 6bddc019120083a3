#!/bin/sh
# Run the fuzz harnesses of a build folder: run.sh BUILD SECONDS [NAME ...]
# Every harness starts from its seeds and what earlier runs of this build found; an input that crashes,
# hangs, leaks or breaks a promise is left in BUILD/found, and the exit code is 1.
set -u
out=$1
seconds=$2
shift 2
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
names=${*:-sweep idx cifar store protocol}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OPENBLAS_NUM_THREADS=1
export HWLOC_COMPONENTS=-opencl,-cuda,-nvml,-gl
# Files are rewritten thousands of times a second: keep them in memory where that is possible. A harness
# that crashes leaves its folder behind.
[ -z "${TMPDIR:-}" ] && [ -d /dev/shm ] && [ -w /dev/shm ] && TMPDIR=/dev/shm
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/sweepstake-fuzz-XXXXXX") || exit 1
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
# libfyaml 0.7.12 loses 4 KiB over a scalar that is unquoted and full of quotes; that it is freed at all, the
# sanitized unit tests see without this.
{ cat tests/support/leaks.supp; echo leak:libfyaml; } >"$TMPDIR/leaks.supp"
export LSAN_OPTIONS="suppressions=$TMPDIR/leaks.supp:print_suppressions=0"
mkdir -p "$out/found" || exit 1
"${PYTHON:-/usr/bin/python3}" tests/fuzz/make_seeds.py "$out/seeds" || exit 1
failed=0
for name in $names; do
    corpus=$out/corpus/$name
    log=$out/$name.log
    words=$out/seeds/$name.dict
    mkdir -p "$corpus"
    "$out/fuzz_$name" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=6144 -print_final_stats=1 \
        -artifact_prefix="$out/found/$name-" ${SEED:+-seed=$SEED} $([ -f "$words" ] && echo "-dict=$words") \
        "$corpus" "$out/seeds/$name" >"$log" 2>&1
    code=$?
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    total=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1)
    seed=$(sed -n 's/^INFO: Seed: //p' "$log")
    if [ $code = 0 ] && [ "${total:-0}" -gt 0 ]; then
        echo "ok    fuzz_$name  $total inputs  $rate/s  $edges  seed $seed"
    else
        echo "FAIL  fuzz_$name  exit code $code  seed ${seed:-?}  log $log"
        tail -n 40 "$log" | sed 's/^/      /'
        failed=1
    fi
done
exit $failed
