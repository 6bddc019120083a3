#!/bin/sh
# Run the tests of a build folder: run.sh BUILD [unit|contract|mpi|e2e|analysis|slurm ...]
# A test program passes only if it exits 0 and says "NAME: N passed, 0 failed" with N > 0.
set -u
out=$1
shift
kinds=${*:-unit contract mpi e2e analysis slurm}
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
python=${PYTHON:-/usr/bin/python3}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl=self,vader,tcp OMPI_MCA_btl_tcp_if_include=lo
export OPENBLAS_NUM_THREADS=1 HWLOC_COMPONENTS=-opencl,-cuda,-nvml,-gl
export SWEEPSTAKE="$top/$out/sweepstake"
# Open MPI and HDF5 keep memory until the process ends; leaks of our own are found by the unit tests of base.
export LSAN_OPTIONS="suppressions=$top/tests/support/leaks.supp:print_suppressions=0"
passed=0
failed=0
log=$(mktemp)
# Ranks that a test kills leave their shared memory behind: it goes with this folder.
segments=$(mktemp -d -p /dev/shm sweepstake-test-XXXXXX 2>/dev/null || mktemp -d)
export OMPI_MCA_btl_vader_backing_directory="$segments"
trap 'rm -rf "$log" "$segments"' EXIT

run() { # label, command ...
    label=$1
    shift
    start=$(date +%s)
    "$@" >"$log" 2>&1
    code=$?
    seconds=$(($(date +%s) - start))
    line=$(grep -E '^[A-Za-z0-9_/.-]+: [0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
    good=$(echo "$line" | sed -n 's/.*: \([0-9]*\) passed.*/\1/p')
    bad=$(echo "$line" | sed -n 's/.* \([0-9]*\) failed.*/\1/p')
    if [ $code = 0 ] && [ "${good:-0}" -gt 0 ] && [ "${bad:-1}" = 0 ]; then
        passed=$((passed + good))
        printf 'ok    %-34s %4s tests  %3s s\n' "$label" "$good" "$seconds"
    else
        passed=$((passed + ${good:-0}))
        [ "${bad:-0}" -gt 0 ] && failed=$((failed + bad)) || failed=$((failed + 1))
        printf 'FAIL  %-34s exit code %s  %3s s\n' "$label" "$code" "$seconds"
        sed 's/^/      /' "$log"
    fi
}

for kind in $kinds; do
    case $kind in
    unit | contract)
        for source in tests/"$kind"/*.c; do
            name=$(basename "$source" .c)
            run "$kind/$name" "$out/tests/$kind/$name"
        done ;;
    mpi)
        for source in tests/mpi/*.c; do
            name=$(basename "$source" .c)
            for ranks in 1 2 4; do
                run "mpi/$name -n $ranks" mpirun -n "$ranks" "$out/tests/mpi/$name"
            done
        done ;;
    e2e | analysis)
        folder=tests/e2e
        [ "$kind" = analysis ] && folder=analysis/tests
        for source in "$folder"/test_*.py; do
            run "$kind/$(basename "$source" .py)" "$python" tests/support/run_unittest.py "$source"
        done ;;
    slurm) # a private Slurm; only continuous integration insists on one
        if [ "${CI:-}" != true ] && ! PATH=$PATH:/usr/sbin command -v slurmctld >/dev/null; then
            echo 'skip  slurm: packages slurm-wlm and munge are not installed'
            continue
        elif [ "${CI:-}" != true ] && [ -z "$(ls -A /sys/fs/cgroup 2>/dev/null)" ]; then
            echo 'skip  slurm: slurmd does not start without a cgroup file system on /sys/fs/cgroup'
            continue
        fi
        run slurm/test_slurm "$python" tests/support/run_unittest.py tests/slurm/test_slurm.py ;;
    *) echo "unknown kind of test: $kind" >&2; exit 1 ;;
    esac
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
