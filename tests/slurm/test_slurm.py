"""slurm/sweep.sbatch under a real Slurm of four simulated nodes: whatever happens to the job, the sweep ends
with the digest of a direct run, and what cannot be finished ends with its reason instead of coming back."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import cluster
from cluster import command_of, environment_of, parent_of

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILT = os.path.join(TOP, "build", "sweepstake")
PROGRAM = os.path.abspath(os.environ.get("SWEEPSTAKE", BUILT))
SCRIPT = os.path.join(TOP, "slurm", "sweep.sbatch")
SWEEP = os.path.join(TOP, "jobs", "smoke.yaml")
# Rounds of a tenth of a second or more: time enough to do something to a sweep of 18 rounds.
SETS = ("train.steps=30000", "train.evaluate.every=2000", "prune.rounds=2")
LOST = ("--lost-timeout", "4")

FAKE = """\
#!/bin/sh
# Looks like sweepstake, ends as the case wants, and never gets any further.
case $1 in
plan) printf '{\\n  "store": "%s"\\n}\\n' "$FAKE_STORE" ;;
status) printf '{\\n  "state": "stopped",\\n  "rounds_done": 5,\\n  "rounds_total": 9\\n}\\n' ;;
run) [ -z "$FAKE_CODE" ] || echo "$FAKE_CODE" >"$FAKE_STORE.exit" ;;
esac
"""


def words_of(store, sets=SETS):
    return [word for one in (f"store={store}", *sets) for word in ("--set", one)]


class Slurm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        absent = cluster.missing()
        if absent:
            raise AssertionError(f"Slurm is not installed (slurm-wlm, munge): no {', '.join(absent)}")
        cls.folder = tempfile.mkdtemp(prefix="sweepstake-jobs-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.slurm = cluster.Cluster(4, 4)
        # Several nodes on one host: Open MPI's shared memory would take them for one.
        cls.slurm.environment.update(OMPI_MCA_btl="self,tcp", OMPI_MCA_btl_tcp_if_include="lo")
        cls.addClassCleanup(cls.slurm.stop)
        cls.slurm.start()
        whole = cls.path("whole.h5")
        cls.sweepstake("run", SWEEP, *words_of(whole))
        cls.expected = cls.digest(whole)
        cls.limited = cls.start_limited()

    # ---- jobs ---------------------------------------------------------------------------------------------

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)

    @classmethod
    def sweepstake(cls, *words):
        result = subprocess.run([PROGRAM, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=60, check=False)
        if result.returncode != 0:
            raise AssertionError(f"{words}: exit code {result.returncode}\n{result.stdout}{result.stderr}")
        return result.stdout

    @classmethod
    def digest(cls, store):
        """The digest of a store that is whole."""
        found = json.loads(cls.sweepstake("verify", "--json", store))
        if found["missing"] != 0:
            raise AssertionError(f"{found['missing']} rounds are missing in {store}")
        return found["digest"]

    @classmethod
    def submit(cls, name, options, words, program=PROGRAM, **environment):
        """Job number of SCRIPT with sbatch's `options` and the script's `words`; the log is NAME.log."""
        if program != BUILT: # otherwise the script has to find it by itself
            environment["SWEEPSTAKE"] = program
        return cls.slurm.command("sbatch", "--parsable", f"--output={cls.path(name)}.log",
                                 f"--job-name={name}", *options, SCRIPT, *words, **environment)

    @classmethod
    def rounds_done(cls, store):
        result = subprocess.run([PROGRAM, "status", "--json", store], capture_output=True, text=True, check=False)
        return json.loads(result.stdout)["rounds_done"] if result.returncode == 0 else 0

    @classmethod
    def wait_for_rounds(cls, store, count):
        cls.slurm.wait_until(lambda: cls.rounds_done(store) >= count, 30, f"{count} rounds in {store}")

    @classmethod
    def rank(cls, job, number):
        """Process of an MPI rank of a job."""
        for pid in cls.slurm.processes(job):
            words = command_of(pid)
            if (len(words) > 1 and words[1] == "run" and "mpirun" not in words[0]
                    and environment_of(pid).get("OMPI_COMM_WORLD_RANK") == str(number)):
                return pid
        raise AssertionError(f"job {job} has no rank {number}")

    @classmethod
    def trainers(cls, job):
        """Processes that train: the fork servers' children."""
        def serves(pid):
            return "--trainer-server" in command_of(pid)
        return [pid for pid in cls.slurm.processes(job) if serves(pid) and serves(parent_of(pid))]

    @classmethod
    def start_limited(cls):
        """A job that is sure to run into its time limit of a minute: its training is made to sleep. It waits for
        the limit while the other tests run; test_time_limit looks at it."""
        store = cls.path("limited.h5")
        job = cls.submit("limited", ["-w", "n3", "-n", "1", "--time=1", "--signal=B:USR1@50"],
                         [SWEEP, *words_of(store), "--grace", "1"])
        cls.wait_for_rounds(store, 2)
        for pid in cls.trainers(job):
            os.kill(pid, signal.SIGSTOP)
        return job

    def log(self, name):
        with open(self.path(name) + ".log", encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_for_line(self, name, text):
        def is_there():
            return os.path.exists(self.path(name) + ".log") and text in self.log(name)
        self.slurm.wait_until(is_there, 20, f"'{text}' in {name}.log")

    def wait_for_restart(self, job, count):
        """Until the job runs again. Slurm lets a requeued job wait; most of that is left out, but not all: within
        the second of its end, or while one of its processes is left, the nodes would refuse it."""
        def is_back():
            found = self.slurm.job(job)
            return found if int(found["Restarts"]) >= count and found["JobState"] != "COMPLETING" else None
        found = self.slurm.wait_until(is_back, 45, f"requeue {count} of job {job}")
        self.all_gone(job, 20)
        if found["JobState"] == "PENDING":
            time.sleep(1.5)
            self.slurm.command("scontrol", "update", f"jobid={job}", "StartTime=now", check=False)
        self.slurm.wait_until(lambda: self.slurm.job(job)["JobState"] != "PENDING", 20,
                              f"restart {count} of job {job}")

    def all_gone(self, job, seconds):
        self.slurm.wait_until(lambda: not self.slurm.processes(job), seconds, f"end of all processes of job {job}")

    def ends(self, job, name, state, code, restarts=0):
        """The job's end is the expected one."""
        for count in range(1, restarts + 1):
            self.wait_for_restart(job, count)

        def is_over():
            found = self.slurm.job(job)
            return found if found["JobState"] not in ("RUNNING", "PENDING", "COMPLETING") else None
        found = self.slurm.wait_until(is_over, 45, f"end of job {job}")
        seen = (found["JobState"], found["ExitCode"], int(found["Restarts"]))
        self.assertEqual(seen, (state, f"{code}:0", restarts), self.log(name))
        self.all_gone(job, 10)

    def is_whole(self, name):
        """The store of a job has the digest of the direct run, and nothing else is left beside it."""
        store = self.path(name + ".h5")
        self.assertEqual(self.digest(store), self.expected)
        self.assertFalse(os.path.exists(store + ".slurm"))
        self.assertFalse(os.path.exists(store + ".lock"))

    # ---- the job ends well -----------------------------------------------------------------------------

    def test_plain_on_three_nodes(self):
        store = self.path("plain.h5")
        words = [SWEEP, *words_of(store)]
        job = self.submit("plain", ["-w", "n[0-2]", "-n", "4", "--export=ALL"], words)
        self.ends(job, "plain", "COMPLETED", 0)
        self.is_whole("plain")
        self.assertIn("4 workers on n[0-2]", self.log("plain"))
        other = self.submit("other", ["-n", "1"], [*words, "--set", "train.batch=12"]) # another plan is refused
        self.ends(other, "other", "FAILED", 1)
        self.assertIn("train.batch", self.log("other"))
        self.is_whole("plain")

    def test_stopped_by_usr1(self):
        """Once while ranks start, once in the middle: each time the job restarts itself and goes on."""
        store = self.path("stopped.h5")
        job = self.submit("stopped", ["-N", "2", "-n", "2"], [SWEEP, *words_of(store)])
        self.wait_for_line("stopped", "start 1")
        self.slurm.command("scancel", "--signal=USR1", "--batch", job)
        self.wait_for_restart(job, 1)
        self.wait_for_rounds(store, 6)
        self.slurm.command("scancel", "--signal=USR1", "--batch", job)
        self.ends(job, "stopped", "COMPLETED", 0, restarts=2)
        self.is_whole("stopped")
        self.assertIn("start 3", self.log("stopped"))

    def test_killed_worker(self):
        """The sweep goes on without the rank; meanwhile a second job is kept off the store."""
        store = self.path("killed.h5")
        words = [SWEEP, *words_of(store), *LOST]
        job = self.submit("killed", ["-N", "1", "-n", "2"], words)
        self.wait_for_rounds(store, 3)
        os.kill(self.rank(job, 2), signal.SIGKILL)
        second = self.submit("second", ["-n", "1"], words)
        self.ends(second, "second", "FAILED", 74)
        self.assertIn(f"in use by job {job}", self.log("second"))
        self.ends(job, "killed", "COMPLETED", 0)
        self.assertIn("rank 2 was not heard", self.log("killed"))
        self.is_whole("killed")

    def test_killed_coordinator(self):
        """Nothing goes on without rank 0: the job notices and restarts itself."""
        store = self.path("headless.h5")
        job = self.submit("headless", ["-N", "2", "-n", "2"], [SWEEP, *words_of(store)])
        self.wait_for_rounds(store, 3)
        os.kill(self.rank(job, 0), signal.SIGKILL)
        self.ends(job, "headless", "COMPLETED", 0, restarts=1)
        self.is_whole("headless")

    def test_cancelled(self):
        """Everything is gone within seconds, and a later job goes on."""
        store = self.path("cancelled.h5")
        words = [SWEEP, *words_of(store)]
        job = self.submit("cancelled", ["-N", "2", "-n", "3"], words)
        self.wait_for_rounds(store, 3)
        self.slurm.command("scancel", job)
        self.all_gone(job, 5)
        self.slurm.wait_until(lambda: self.slurm.job(job)["JobState"] == "CANCELLED", 5, "the cancelled state")
        self.assertLess(self.rounds_done(store), 18)
        self.ends(self.submit("cancelled", ["-n", "2"], words), "cancelled", "COMPLETED", 0)
        self.is_whole("cancelled")

    def test_node_lost(self):
        """A worker's node costs its rounds; the first node costs a restart."""
        store = self.path("node.h5")
        job = self.submit("node", ["-w", "n[0-1]", "-N", "2", "--ntasks-per-node=1"],
                          [SWEEP, *words_of(store), *LOST])
        self.wait_for_rounds(store, 2)
        self.slurm.command("scontrol", "update", "nodename=n1", "state=down", "reason=test")
        self.wait_for_line("node", "rank 2 was not heard")
        self.assertEqual(self.slurm.job(job)["Restarts"], "0")
        self.assertLess(self.rounds_done(store), 18)
        self.slurm.command("scontrol", "update", "nodename=n0", "state=down", "reason=test")
        self.all_gone(job, 10)
        time.sleep(1)
        self.slurm.command("scontrol", "update", "nodename=n[0-1]", "state=resume")
        self.ends(job, "node", "COMPLETED", 0, restarts=1)
        self.is_whole("node")

    def test_time_limit(self):
        """The real signal of the real limit. (The job was started by setUpClass.)"""
        self.ends(self.limited, "limited", "COMPLETED", 0, restarts=1)
        self.assertIn("back into the queue", self.log("limited"))
        self.is_whole("limited")

    # ---- the job ends badly, once --------------------------------------------------------------------------

    def test_errors_are_not_repeated(self):
        wrong = self.path("wrong.yaml")
        with open(SWEEP, encoding="utf-8") as file:
            text = file.read().replace("optimizer:", "optimiser:")
        with open(wrong, "w", encoding="utf-8") as file:
            file.write(text)
        jobs = {
            "wrong": (1, [wrong, *words_of(self.path("wrong.h5"))], "did you mean"),
            "option": (1, ["--threads", "2", SWEEP], "the file comes first"),
            "unwritable": (74, [SWEEP, *words_of("/proc/sweep.h5")], "/proc/"),
        }
        numbers = {name: self.submit(name, ["-n", "1"], words) for name, (_, words, _) in jobs.items()}
        for name, (code, _, text) in jobs.items():
            with self.subTest(name):
                self.ends(numbers[name], name, "FAILED", code)
                self.assertIn(text, self.log(name))

    def test_without_progress(self):
        """Always stopped, or always lost without a word: one restart, then the end."""
        fake = self.path("fake.sh")
        with open(fake, "w", encoding="ascii") as file:
            file.write(FAKE)
        os.chmod(fake, 0o755)
        codes = {"halting": 75, "vanishing": 70}
        numbers = {}
        for name, code in codes.items():
            numbers[name] = self.submit(name, ["-n", "1"], [SWEEP], program=fake,
                                        FAKE_STORE=self.path(name + ".h5"),
                                        FAKE_CODE=str(code) if code == 75 else "")
        for name, code in codes.items():
            with self.subTest(name):
                self.ends(numbers[name], name, "FAILED", code, restarts=1)
                self.assertIn("no round was finished or saved since the last restart", self.log(name))
                self.assertFalse(os.path.exists(self.path(name + ".h5.slurm")))


if __name__ == "__main__":
    unittest.main()
