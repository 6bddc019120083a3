#!/bin/sh
# Run jobs/quickstart.yaml on two workers and write the report, all in build/demo/.
# An interrupted demo goes on where it stopped; a finished one is made anew.
set -eu
cd "$(dirname "$0")/.."
program=build/sweepstake
store=build/demo/quickstart.h5
python=${PYTHON:-/usr/bin/python3}
if [ "$(id -u)" = 0 ]; then # mpirun asks whether that is meant
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
export HWLOC_COMPONENTS=-opencl,-cuda,-nvml,-gl # an OpenCL plug-in would swallow mpirun's signals

mkdir -p build/demo
if [ -e "$store" ] && $program status --json "$store" | grep -q '"state": "finished"'; then
    rm -f "$store" "$store.exit"
    rm -rf build/demo/report
fi
$program plan jobs/quickstart.yaml --set "store=$store" --workers 2
echo
mpirun -n 3 --oversubscribe $program run jobs/quickstart.yaml --set "store=$store" --resume
echo
$program verify "$store"
echo
"$python" analysis/report.py "$store" --out build/demo/report --best 5
