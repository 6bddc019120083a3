"""kill -9 of everything at any moment costs time and nothing else."""

import os
import random
import time

from helpers import SMOKE, Case, kill_all, members, start, wait_until

KILLS = 10
SETS = ("train.steps=300", "prune.rounds=2")


class Kill(Case):
    def kill_and_resume(self, ranks, kills, seed):
        """Kill until `kills` runs have died; the digest of what is finished in the end."""
        chance = random.Random(seed)
        store = self.path(f"killed-{ranks}.h5")
        words = [word for one in (f"store={store}", *SETS) for word in ("--set", one)]
        died = 0
        while died < kills:
            process = start("run", SMOKE, *words, "--resume", ranks=ranks, output=-3)
            time.sleep(chance.uniform(0.05, 1.2))
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
                found = self.json_of("verify", store, code=self.verify_code(store))
                self.assertEqual(found["damaged"], 0)
                self.assertIn(self.json_of("status", store)["state"], ("dead", "finished", "stopped"))
        self.sweep(store, *SETS, resume=True, ranks=ranks)
        return self.digest(store)

    def verify_code(self, store):
        """A kill within the write of a commit record leaves it torn: no damage, but not clean."""
        from helpers import run
        return run("verify", store).returncode if os.path.exists(store) else 0

    def setUp(self):
        super().setUp()
        whole = self.path("whole.h5")
        self.sweep(whole, *SETS)
        self.expected = self.digest(whole)

    def test_alone(self):
        self.assertEqual(self.kill_and_resume(0, KILLS // 2, 1), self.expected)

    def test_under_mpirun(self):
        self.assertEqual(self.kill_and_resume(3, KILLS - KILLS // 2, 2), self.expected)
