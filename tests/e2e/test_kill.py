"""kill -9 of everything at any moment costs time and nothing else."""

import json
import os
import random
import time

from helpers import SMOKE, Case, kill_all, members, run, start, wait_until

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
