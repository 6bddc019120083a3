"""slurm/sweep.sbatch under a real Slurm of four simulated nodes: whatever happens to the job, the sweep ends
with the digest of a direct run, and what cannot be finished ends with its reason instead of coming back."""

import os
import signal
import time
import unittest

import cluster
import jobs
from jobs import TOP, digest_of, run_program, status_of

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


def words_of(store):
    return jobs.words_of(store, SETS)


class Slurm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        absent = cluster.missing()
        if absent:
            raise AssertionError(f"Slurm is not installed (slurm-wlm, munge): no {', '.join(absent)}")
        cls.jobs = jobs.Jobs(4, 4)
        cls.addClassCleanup(cls.jobs.stop)
        cls.jobs.start()
        whole = cls.jobs.path("whole.h5")
        run_program("run", SWEEP, *words_of(whole))
        cls.expected = digest_of(whole)
        cls.limited = cls.start_limited()

    # ---- jobs ---------------------------------------------------------------------------------------------

    @classmethod
    def start_limited(cls):
        """A job that is sure to run into its time limit of a minute: its training is made to sleep. It waits for
        the limit while the other tests run; test_time_limit looks at it."""
        store = cls.jobs.path("limited.h5")
        job = cls.jobs.submit("limited", ["-w", "n3", "-n", "1", "--time=1", "--signal=B:USR1@50"],
                         [SWEEP, *words_of(store), "--grace", "1"])
        cls.jobs.wait_for_rounds(store, 2)
        for pid in cls.jobs.trainers(job):
            os.kill(pid, signal.SIGSTOP)
        return job

    def ends(self, job, name, state, code, restarts=0):
        """The job's end is the expected one."""
        restarted = int(self.jobs.slurm.job(job)["Restarts"])
        for count in range(restarted + 1, restarts + 1):
            self.jobs.wait_for_restart(job, count)
        found = self.jobs.wait_for_end(job)
        seen = (found["JobState"], found["ExitCode"], int(found["Restarts"]))
        self.assertEqual(seen, (state, f"{code}:0", restarts), self.jobs.log(name))
        self.jobs.all_gone(job, 10)

    def is_whole(self, name):
        """The store of a job has the digest of the direct run, and nothing else is left beside it."""
        store = self.jobs.path(name + ".h5")
        self.assertEqual(digest_of(store), self.expected)
        self.assertFalse(os.path.exists(store + ".slurm"))
        self.assertFalse(os.path.exists(store + ".lock"))

    # ---- the job ends well -----------------------------------------------------------------------------

    def test_plain_on_three_nodes(self):
        store = self.jobs.path("plain.h5")
        words = [SWEEP, *words_of(store)]
        job = self.jobs.submit("plain", ["-w", "n[0-2]", "-n", "4", "--export=ALL"], words)
        self.ends(job, "plain", "COMPLETED", 0)
        self.is_whole("plain")
        self.assertIn("4 workers on n[0-2]", self.jobs.log("plain"))
        other = self.jobs.submit("other", ["-n", "1"], [*words, "--set", "train.batch=12"]) # another plan is refused
        self.ends(other, "other", "FAILED", 1)
        self.assertIn("train.batch", self.jobs.log("other"))
        self.is_whole("plain")

    def test_stopped_by_usr1(self):
        """Once while ranks start, once in the middle: each time the job restarts itself and goes on."""
        store = self.jobs.path("stopped.h5")
        job = self.jobs.submit("stopped", ["-N", "2", "-n", "2"], [SWEEP, *words_of(store)])
        self.jobs.wait_for_line("stopped", "start 1")
        self.jobs.slurm.command("scancel", "--signal=USR1", "--batch", job)
        self.jobs.wait_for_restart(job, 1)
        self.jobs.wait_for_rounds(store, 6)
        self.jobs.slurm.command("scancel", "--signal=USR1", "--batch", job)
        self.ends(job, "stopped", "COMPLETED", 0, restarts=2)
        self.is_whole("stopped")
        self.assertIn("start 3", self.jobs.log("stopped"))

    def test_killed_worker(self):
        """The sweep goes on without the rank; meanwhile a second job is kept off the store."""
        store = self.jobs.path("killed.h5")
        words = [SWEEP, *words_of(store), *LOST]
        job = self.jobs.submit("killed", ["-N", "1", "-n", "2"], words)
        self.jobs.wait_for_rounds(store, 3)
        os.kill(self.jobs.rank(job, 2), signal.SIGKILL)
        second = self.jobs.submit("second", ["-n", "1"], words)
        self.ends(second, "second", "FAILED", 74)
        self.assertIn(f"in use by job {job}", self.jobs.log("second"))
        self.ends(job, "killed", "COMPLETED", 0)
        self.assertIn("rank 2 was not heard", self.jobs.log("killed"))
        self.is_whole("killed")

    def test_killed_coordinator(self):
        """Nothing goes on without rank 0: the job notices and restarts itself."""
        store = self.jobs.path("headless.h5")
        job = self.jobs.submit("headless", ["-N", "2", "-n", "2"], [SWEEP, *words_of(store)])
        self.jobs.wait_for_rounds(store, 3)
        os.kill(self.jobs.rank(job, 0), signal.SIGKILL)
        self.ends(job, "headless", "COMPLETED", 0, restarts=1)
        self.is_whole("headless")

    def test_cancelled(self):
        """Everything is gone within seconds, and a later job goes on."""
        store = self.jobs.path("cancelled.h5")
        words = [SWEEP, *words_of(store)]
        job = self.jobs.submit("cancelled", ["-N", "2", "-n", "3"], words)
        self.jobs.wait_for_rounds(store, 3)
        self.jobs.slurm.command("scancel", job)
        self.jobs.all_gone(job, 5)
        self.jobs.slurm.wait_until(lambda: self.jobs.state(job) == "CANCELLED", 5, "the cancelled state")
        self.assertLess(status_of(store)["rounds_done"], 18)
        self.ends(self.jobs.submit("cancelled", ["-n", "2"], words), "cancelled", "COMPLETED", 0)
        self.is_whole("cancelled")

    def set_node(self, node, state):
        self.jobs.slurm.command("scontrol", "update", f"nodename={node}", f"state={state}", "reason=test")

    def test_node_lost(self):
        """Another node, then the first one: Slurm restarts the job."""
        store = self.jobs.path("node.h5")
        job = self.jobs.submit("node", ["-w", "n[0-1]", "-N", "2", "--ntasks-per-node=1"], [SWEEP, *words_of(store)])
        for restarts, node in ((1, "n1"), (2, "n0")):
            self.jobs.wait_for_rounds(store, 4 * restarts)
            self.set_node(node, "down")
            self.jobs.all_gone(job, 10)
            self.assertLess(status_of(store)["rounds_done"], 18)
            time.sleep(1)
            self.set_node(node, "resume")
            self.jobs.wait_for_restart(job, restarts)
        self.ends(job, "node", "COMPLETED", 0, restarts=2)
        self.is_whole("node")

    def test_node_lost_without_a_restart(self):
        """--no-kill: the node's rounds go to the others."""
        store = self.jobs.path("others.h5")
        job = self.jobs.submit("others", ["-w", "n[0-1]", "-N", "2", "--ntasks-per-node=1", "--no-kill"],
                               [SWEEP, *words_of(store), *LOST])
        self.jobs.wait_for_rounds(store, 2)
        self.set_node("n1", "down")
        self.jobs.wait_for_line("others", "rank 2 was not heard")
        self.assertLess(status_of(store)["rounds_done"], 18)
        self.ends(job, "others", "COMPLETED", 0)
        self.set_node("n1", "resume")
        self.is_whole("others")

    def test_time_limit(self):
        """The real signal of the real limit. (The job was started by setUpClass.)"""
        self.ends(self.limited, "limited", "COMPLETED", 0, restarts=1)
        self.assertIn("back into the queue", self.jobs.log("limited"))
        self.is_whole("limited")

    # ---- the job ends badly, once --------------------------------------------------------------------------

    def test_errors_are_not_repeated(self):
        wrong = self.jobs.path("wrong.yaml")
        with open(SWEEP, encoding="utf-8") as file:
            text = file.read().replace("optimizer:", "optimiser:")
        with open(wrong, "w", encoding="utf-8") as file:
            file.write(text)
        cases = {
            "wrong": (1, [wrong, *words_of(self.jobs.path("wrong.h5"))], "did you mean"),
            "option": (1, ["--threads", "2", SWEEP], "the file comes first"),
            "unwritable": (74, [SWEEP, *words_of("/proc/sweep.h5")], "/proc/"),
        }
        numbers = {name: self.jobs.submit(name, ["-n", "1"], words) for name, (_, words, _) in cases.items()}
        for name, (code, _, text) in cases.items():
            with self.subTest(name):
                self.ends(numbers[name], name, "FAILED", code)
                self.assertIn(text, self.jobs.log(name))

    def test_without_progress(self):
        """Always stopped, or always lost without a word: one restart, then the end."""
        fake = self.jobs.path("fake.sh")
        with open(fake, "w", encoding="ascii") as file:
            file.write(FAKE)
        os.chmod(fake, 0o755)
        codes = {"halting": 75, "vanishing": 70}
        numbers = {}
        for name, code in codes.items():
            numbers[name] = self.jobs.submit(name, ["-n", "1"], [SWEEP], program=fake,
                                        FAKE_STORE=self.jobs.path(name + ".h5"),
                                        FAKE_CODE=str(code) if code == 75 else "")
        for name, code in codes.items():
            with self.subTest(name):
                self.ends(numbers[name], name, "FAILED", code, restarts=1)
                self.assertIn("no round was finished or saved since the last restart", self.jobs.log(name))
                self.assertFalse(os.path.exists(self.jobs.path(name + ".h5.slurm")))


if __name__ == "__main__":
    unittest.main()
