"""kill -9 of everything at any moment costs time and nothing else."""

import json
import os
import random
import subprocess
import time

from helpers import SMOKE, Case, kill_all, members, run, start, trainers_of, wait_until

KILLS = 10
SETS = ("train.steps=12000", "train.evaluate.every=500", "prune.rounds=2")


class Kill(Case):
    def kill_and_resume(self, ranks, kills, seed):
        """Kill until `kills` runs have died; the digest of what is finished in the end."""
        chance = random.Random(seed)
        store = self.path(f"killed-{ranks}.h5")
        words = [word for one in (f"store={store}", *SETS) for word in ("--set", one)]
        died, self.seen = 0, []
        # At least so many kills, and on until they have met three states of the sweep.
        while died < kills or (len(set(self.seen)) < 3 and died < 5 * kills):
            process = start("run", SMOKE, *words, "--resume", ranks=ranks, output=-3)
            time.sleep(chance.uniform(0.3, 1.5 + 0.2 * died)) # later and later: a busy machine starts slowly
            if process.poll() is not None: # it was done before: begin anew, so that every kill meets work
                self.assertEqual(process.returncode, 0)
                self.assertEqual(self.digest(store), self.expected)
                os.remove(store)
                continue
            kill_all(process)
            process.wait(timeout=10)
            died += 1
            wait_until(lambda: not members(process.pid), 10, "the end of all processes")
            if os.path.exists(store):
                self.check(store)
        self.assertGreaterEqual(len(set(self.seen)), 3, "the kills met too few states of the sweep")
        self.sweep(store, *SETS, resume=True, ranks=ranks)
        return self.digest(store)

    def check(self, store):
        """A kill within the write of a commit record may leave it torn; nothing may be damaged."""
        found = json.loads(run("verify", store, "--json").stdout)
        self.assertEqual(found["damaged"], 0, found)
        status = self.json_of("status", store)
        self.assertIn(status["state"], ("dead", "finished", "stopped"))
        self.assertEqual(status["rounds_done"], found["committed"])
        self.seen.append(found["committed"])

    def setUp(self):
        super().setUp()
        whole = self.path("whole.h5")
        self.sweep(whole, *SETS)
        self.expected = self.digest(whole)

    def test_alone(self):
        self.assertEqual(self.kill_and_resume(0, KILLS // 2, 1), self.expected)

    def test_under_mpirun(self):
        self.assertEqual(self.kill_and_resume(3, KILLS - KILLS // 2, 2), self.expected)


class Remains(Case):
    def test_a_store_that_was_half_created_is_removed(self):
        dead = subprocess.Popen(["true"])
        dead.wait()
        left = self.write(f"next.h5.tmp.{dead.pid}", "")
        self.sweep(self.path("next.h5"))
        self.assertFalse(os.path.exists(left))

    def test_shared_memory_of_dead_jobs_is_removed(self):
        """By the next run on the host; not that of living jobs, of others, or of jobs that are starting."""
        shared = self.path("shared")
        os.mkdir(shared)
        options = {"OMPI_MCA_btl_vader_backing_directory": shared}
        endless = [word for one in ("train.steps=100000000", "train.evaluate.every=100000000")
                   for word in ("--set", one)]

        def launch(name):
            before = set(os.listdir(shared))
            process = start("run", SMOKE, "--set", f"store={self.path(name)}", *endless, ranks=3, output=-3, **options)
            self.addCleanup(kill_all, process)
            wait_until(lambda: trainers_of(process), 20, "a trainer")
            found = set(os.listdir(shared)) - before
            self.assertEqual(len(found), 3, found)
            return process, found

        def age(names):
            for name in names:
                os.utime(os.path.join(shared, name), (1e9, 1e9))

        alive, used = launch("alive.h5")
        dead, left = launch("dead.h5")
        kill_all(dead)
        wait_until(lambda: not members(dead.pid), 10, "the end of all processes")
        self.assertLessEqual(left, set(os.listdir(shared)))
        sample = sorted(left)[0]
        others = {sample.replace(".", ".x", 1), sample + "x", sample.replace("vader", "invader")}
        for name in others:
            with open(os.path.join(shared, name), "wb"):
                pass
        young = sorted(left)[1]
        age((used | left | others) - {young})
        self.sweep(self.path("next.h5"), ranks=2, **options)
        self.assertEqual(set(os.listdir(shared)), used | others | {young})
        kill_all(alive)
