"""What goes wrong around a run: a memory limit that is reached, a clock that jumps, data that only the first node
has, a second run, files that a dead run has left."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from helpers import PROGRAM, SMOKE, ENVIRONMENT, kill_all, read, run, trainers_of, wait_until, words_of
from test_scarcity import ENDLESS, FASHION, LONG, Scarcity

HOG = "import sys\nkept = []\nfor line in sys.stdin:\n    kept.append(bytearray(1 << 20))\n    print(flush=True)\n"

# A preloaded library: the wall clock is off by as many seconds as the file $CLOCK_FILE says. Only tests have it.
JUMP = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long read_shift(void) {
    long shift = 0;
    FILE *file = fopen(getenv("CLOCK_FILE"), "r");
    if (file == NULL) return 0;
    if (fscanf(file, "%ld", &shift) != 1) shift = 0;
    fclose(file);
    return shift;
}
int clock_gettime(clockid_t id, struct timespec *out) {
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL) *(void **) &real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(id, out);
    if (code == 0 && id == CLOCK_REALTIME) out->tv_sec += read_shift();
    return code;
}
int gettimeofday(struct timeval *out, void *zone) {
    struct timespec now;
    (void) zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) *out = now.tv_sec;
    return now.tv_sec;
}
"""


class MemoryGroup:
    """A control group with a memory limit, of either version; the test is skipped where none can be made."""

    VERSIONS = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.oom_control"),
                ("/sys/fs/cgroup", "memory.max", "memory.events"))

    def __init__(self, case, size):
        for root, limit, events in self.VERSIONS:
            try:
                self.path = tempfile.mkdtemp(prefix="sweepstake-", dir=root)
            except OSError:
                continue
            case.addCleanup(self.remove)
            self.events = events
            try:
                with open(os.path.join(self.path, limit), "w", encoding="ascii") as file:
                    file.write(str(size))
                return
            except OSError:
                continue
        case.skipTest("needs a memory control group")

    def start(self, *words, **options):
        """Run a command within the group, in a session of its own."""
        enter = f'echo 0 >"{self.path}/cgroup.procs" && exec "$@"'
        return subprocess.Popen(["sh", "-c", enter, "sh", *words], text=True, start_new_session=True,
                                stdout=subprocess.PIPE, **options)

    def remove(self):
        """The last of its processes may still be on the way out."""
        def is_gone():
            try:
                os.rmdir(self.path)
            except OSError:
                return False
            return True
        wait_until(is_gone, 20, f"the end of {self.path}")

    def kills(self):
        found = re.search(rb"(?m)^oom_kill (\d+)", read(os.path.join(self.path, self.events)))
        return int(found.group(1)) if found else 0


class Memory(Scarcity):
    SETS = ("model.name=mlp-1000-1000", *ENDLESS)

    def start_within(self, group, store, *sets, options=()):
        process = group.start(PROGRAM, "run", SMOKE, *words_of(store, *sets), *options, env=ENVIRONMENT,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(self.end, process)
        return process

    def test_more_planned_than_the_group_has(self):
        group = MemoryGroup(self, 200 << 20)
        process = self.start_within(group, self.path("group.h5"), "model.name=mlp-6000-6000")
        _, text = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1, text)
        self.assertRegex(text, r"has [\d.]+ MiB of free memory \(what the memory limit of its job or container leaves\), "
                               r"but [\d.]+ GiB are planned")

    def test_the_kernel_takes_the_training(self):
        """Others fill the group, none of them alone: trainings are killed, and told; their rank goes on."""
        group = MemoryGroup(self, 256 << 20)
        process = self.start_within(group, self.path("filled.h5"), *self.SETS, options=("--attempts", "2"))
        hogs = [group.start(sys.executable, "-c", HOG, stdin=subprocess.PIPE) for _ in range(8)]
        for hog in hogs:
            self.addCleanup(self.end, hog)
        end = time.monotonic() + 40
        while process.poll() is None and time.monotonic() < end:
            for hog in hogs:
                if group.kills() < 2 and trainers_of(process):
                    print(file=hog.stdin, flush=True)
                    hog.stdout.readline()
            time.sleep(0.01)
        for hog in hogs:
            kill_all(hog)
        text = self.finish(process, 2)
        self.assertIn("the trainer was killed by signal 9 (Killed: out of memory?) (attempt 1 of 2)", text)
        self.assertIn("failed: the trainer was killed by signal 9 (Killed: out of memory?), 2 times", text)


class Clock(Scarcity):
    def build(self):
        library = self.path("jump.so")
        done = subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, self.write("jump.c", JUMP), "-ldl"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {"LD_PRELOAD": library, "CLOCK_FILE": self.path("shift")}

    def test_it_jumps_while_a_sweep_runs(self):
        """Two hours ahead and two back: nobody is taken for lost, a second run is still kept off."""
        expected = self.expected(*LONG)
        store = self.path("clock.h5")
        words = [PROGRAM, "run", SMOKE, *words_of(store, *LONG), "--lost-timeout", "5"]
        process = subprocess.Popen(["mpirun", "-n", "3", *words], text=True, start_new_session=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={**ENVIRONMENT, **self.build()})
        self.addCleanup(self.end, process)
        wait_until(lambda: self.state(store)["rounds_done"] >= 1, 30, "a round")
        trainers = trainers_of(process)
        for pid in trainers: # the sweep must not end meanwhile
            os.kill(pid, signal.SIGSTOP)
        for shift in (7200, -7200):
            self.write("shift", str(shift))
            time.sleep(1.5) # the next heartbeat has it
            self.assertEqual(self.state(store)["state"], "running")
            self.assertIn("in use", self.sweep(store, *LONG, resume=True, code=74).stderr)
        for pid in trainers:
            os.kill(pid, signal.SIGCONT)
        text = self.finish(process, 0)
        self.assertNotIn("not heard", text)
        self.assertEqual(self.digest(store), expected)


class Data(Scarcity):
    def test_only_the_first_rank_needs_it(self):
        """Data that the other ranks cannot see; then data that rank 0 cannot see."""
        sweep = self.write("data.yaml", f"sweep: data\ndata: {{name: fashion-mnist, dir: {FASHION}, limit: 500, "
                                        "validation: 100}\nmodel: {name: mlp-16-12}\ntrain: {steps: 20, batch: 20}\n"
                                        "prune: {rounds: 1}\n")
        hide = f'mount -t tmpfs tmpfs {FASHION} || exit 99'
        script = 'case $OMPI_COMM_WORLD_RANK in {ranks}) exec unshare -m sh -c \'{hide}; exec "$@"\' sh "$@" ;; esac; exec "$@"'
        for ranks, code in (("[1-9]", 0), ("0", 74)):
            store = self.path(f"data{code}.h5")
            done = subprocess.run(["mpirun", "-n", "3", "sh", "-c", script.format(ranks=ranks, hide=hide), "sh", PROGRAM,
                                   "run", sweep, "--set", f"store={store}"], capture_output=True, text=True,
                                  env=ENVIRONMENT, stdin=subprocess.DEVNULL, timeout=50, check=False)
            if "unshare:" in done.stderr or "mount:" in done.stderr:
                self.skipTest("needs a mount namespace")
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
            if code != 0:
                self.assertIn(f"{FASHION}/", done.stderr)
                self.assertFalse(os.path.exists(store))


class TwoRuns(Scarcity):
    def test_the_second_is_refused(self):
        store = self.path("two.h5")
        process = self.launch(store, *ENDLESS)
        wait_until(lambda: self.state(store)["state"] == "running", 20, "the run")
        for ranks in (0, 2):
            error = self.sweep(store, *ENDLESS, resume=True, code=74, ranks=ranks).stderr
            self.assertRegex(error, rf"two\.h5\.lock: the store is in use by host \S+, pid {process.pid}, last beat")
            self.assertIn("wait for it to end, or stop it", error)
        self.assertIn("give --resume", self.sweep(store, *ENDLESS, code=1).stderr)
        # The refused ones have left no exit code: that is the owner's.
        self.assertFalse(os.path.exists(store + ".exit"))
        process.send_signal(signal.SIGTERM)
        self.finish(process, 75)
        self.assertEqual(read(store + ".exit"), b"75\n")

    def test_what_dead_runs_leave(self):
        """A lock, an exit code, a reserved one, half a store: nothing of it is in the way."""
        store = self.path("left.h5")
        process = self.launch(store, *ENDLESS)
        wait_until(lambda: self.state(store)["state"] == "running", 20, "the run")
        kill_all(process)
        process.communicate()
        for name in (".lock.1.tmp", ".tmp.1", ".exit"):
            self.write("left.h5" + name, "2\n")
        self.assertEqual(self.state(store)["state"], "dead")
        os.remove(store)
        self.sweep(store, "prune.rounds=0")
        self.assertEqual(read(store + ".exit"), b"0\n")
        self.assertFalse(os.path.exists(store + ".lock"))
        self.assertFalse(os.path.exists(store + ".exit.next"))


if __name__ == "__main__":
    unittest.main()
