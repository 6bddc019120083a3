"""Long rounds are saved on the way: whatever is killed or stopped goes on at a later step, to the same bits."""

import glob
import os
import re
import signal
import struct
import time

from helpers import SMOKE, Case, kill_all, members, start, wait_until

SETS = ("train.steps=200000", "train.evaluate.every=5000", "prune.rounds=1", "control=[]", "grid.seed=[0]",
        "grid.prune.rate=[0.9]")
OPTIONS = ("--checkpoint", "0.1")


def saved_step(store):
    """Steps of the newest checkpoint beside a store; 0 when there is none."""
    steps = [0]
    for path in glob.glob(store + ".checkpoints/*"):
        with open(path, "rb") as file:
            head = file.read(56)
        if len(head) == 56:
            steps.append(struct.unpack_from("<q", head, 48)[0])
    return max(steps)


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def parent_of(pid):
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[1])


def trainers(process):
    return [pid for pid in members(process.pid) if name_of(pid) == "sw-trainer"]


class Checkpoint(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.expected = None

    def setUp(self):
        super().setUp()
        self.store = self.path("interrupted.h5")
        self.words = [word for one in (f"store={self.store}", *SETS) for word in ("--set", one)]
        if Checkpoint.expected is None:
            whole = self.path("whole.h5")
            self.sweep(whole, *SETS, options=("--checkpoint", "0"))
            self.assertFalse(os.path.exists(whole + ".checkpoints"))
            Checkpoint.expected = self.digest(whole)

    def begin(self, ranks=0):
        """A run that has saved something of its first round."""
        process = start("run", SMOKE, *self.words, "--resume", *OPTIONS, ranks=ranks)
        wait_until(lambda: saved_step(self.store) > 0, 20, "a checkpoint")
        return process

    def check_end(self, log, at_least):
        """What was interrupted went on at a later step, and nothing is left of it but the results."""
        resumed = [int(step) for step in re.findall(r"resumes at step (\d+) of 200000", log)]
        self.assertTrue(resumed, log)
        self.assertGreaterEqual(resumed[0], at_least)
        self.assertGreater(resumed[0], 0)
        self.assertEqual(self.digest(self.store), self.expected)
        self.assertFalse(os.path.exists(self.store + ".checkpoints"))

    def resume(self, ranks=0):
        return self.sweep(self.store, *SETS, resume=True, ranks=ranks, options=OPTIONS).stderr

    def test_killed_trainer(self):
        process = self.begin()
        before = saved_step(self.store)
        os.kill(trainers(process)[0], signal.SIGKILL)
        out, err = process.communicate(timeout=50)
        self.assertEqual(process.returncode, 0, out + err)
        self.assertIn("killed by signal 9", err)
        self.check_end(err, before)

    def test_killed_job(self):
        for _ in range(2):
            process = self.begin()
            before = saved_step(self.store)
            kill_all(process)
            process.communicate(timeout=10)
            self.assertGreater(before, 0)
        self.check_end(self.resume(), before * 0.5) # the newest may be torn: then it is the one before

    def test_killed_worker(self):
        """Without --enable-recovery mpirun then ends the job."""
        process = self.begin(ranks=3)
        before = saved_step(self.store)
        os.kill(parent_of(parent_of(trainers(process)[0])), signal.SIGKILL)
        process.communicate(timeout=30)
        wait_until(lambda: not members(process.pid), 20, "the end of all processes")
        self.check_end(self.resume(ranks=3), before * 0.5)

    def stop(self, number, ranks=0):
        process = self.begin(ranks)
        before, begin = saved_step(self.store), time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 75, out + err)
        self.assertLess(time.monotonic() - begin, 4)
        saved = saved_step(self.store)
        self.assertGreaterEqual(saved, before)
        log = self.resume(ranks)
        self.assertIn(f"resumes at step {saved} of 200000", log) # to the very step
        self.check_end(log, saved)

    def test_term_of_a_worker_alone(self):
        """It cannot know whether rank 0 is still there to decide: it saves, and trains on."""
        process = start("run", SMOKE, *self.words, "--checkpoint", "1000", ranks=2)
        self.addCleanup(kill_all, process)
        wait_until(lambda: trainers(process), 20, "a trainer")
        time.sleep(0.5)
        os.kill(parent_of(parent_of(trainers(process)[0])), signal.SIGTERM)
        wait_until(lambda: saved_step(self.store) > 0, 20, "a checkpoint")
        before = saved_step(self.store)
        kill_all(process)
        out, err = process.communicate(timeout=10)
        self.assertNotIn("stopping", out + err)
        self.check_end(self.resume(ranks=2), before)

    def test_plan_tells_the_size(self):
        process = self.begin()
        plan = self.json_of("plan", SMOKE, *self.words)
        size = max(os.path.getsize(path) for path in glob.glob(self.store + ".checkpoints/0.*"))
        kill_all(process)
        process.communicate(timeout=10)
        # Room for the whole curve and all alerts counts; weights and Adam's moments are most of the rest.
        self.assertLessEqual(size, plan["checkpoint_bytes"])
        self.assertGreater(size, 12 * 36 * 24)
        self.assertLess(plan["checkpoint_bytes_sparsest"], plan["checkpoint_bytes"])

    def test_usr1_alone(self):
        self.stop(signal.SIGUSR1)

    def test_usr2_through_mpirun(self):
        self.stop(signal.SIGUSR2, ranks=3)

    def test_term_alone(self):
        self.stop(signal.SIGTERM)

    def test_damaged_checkpoints_are_told_and_ignored(self):
        process = self.begin()
        process.send_signal(signal.SIGUSR1)
        process.communicate(timeout=30)
        for path in glob.glob(self.store + ".checkpoints/*"):
            with open(path, "r+b") as file:
                file.seek(1000)
                byte = file.read(1)
                file.seek(1000)
                file.write(bytes([byte[0] ^ 16]))
        log = self.resume()
        self.assertIn("a checkpoint is ignored: its checksum does not match", log)
        self.assertNotIn("resumes at", log)
        self.assertEqual(self.digest(self.store), self.expected)

    def test_stale_checkpoints_are_removed(self):
        folder = self.store + ".checkpoints"
        os.mkdir(folder)
        for name in ("0.0", "1.1", "77.0"):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(b"x" * 100)
        log = self.resume()
        self.assertIn("a checkpoint is ignored", log)
        self.assertFalse(os.path.exists(folder))
        self.assertEqual(self.digest(self.store), self.expected)
