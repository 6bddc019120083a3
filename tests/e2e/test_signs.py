"""Sign-In and forced signs: one digest however a sweep is run, and what is off costs nothing."""

import os
import signal
import time

from helpers import SMOKE, Case, kill_all, members, start, wait_until

SIGNIN = ("signin.enabled=true", "signin.reset_epochs=1")
FORCE = ("sign.seed_force.reference=dense", "sign.seed_force.every=1", "sign.seed_force.below=1")
LONG = ("train.steps=9000", "train.evaluate.every=500", "prune.rounds=2", "control=[]", "grid.seed=[0]",
        "grid.prune.rate=[0.6]")


class Signs(Case):
    def test_one_digest(self):
        digests = {}
        for ranks, threads in ((0, 1), (0, 2), (3, 1)):
            store = self.path(f"{ranks}-{threads}.h5")
            self.sweep(store, *SIGNIN, *FORCE, "signin.buffers=project", ranks=ranks, options=("--threads", threads))
            digests[ranks, threads] = self.digest(store)
        self.assertEqual(len(set(digests.values())), 1, digests)

    def test_settings_give_other_digests(self):
        digests = []
        for i, sets in enumerate(((), SIGNIN, FORCE, (*SIGNIN, "signin.beta=4"), (*SIGNIN, "signin.rounds=all"))):
            store = self.path(f"{i}.h5")
            self.sweep(store, "prune.rounds=1", "control=[]", *sets)
            digests.append(self.digest(store))
        self.assertEqual(len(set(digests)), len(digests), digests)

    def test_the_dense_round_is_shared(self):
        axis = 'grid.signin=[{enabled: false}, {enabled: true, reset_epochs: 1, rounds: %s}]'
        for rounds, shared in (("sparse", 6), ("all", 4)):
            plan = self.json_of("plan", SMOKE, "--set", axis % rounds)
            self.assertEqual((plan["trials"], plan["shared_rounds"]), (8, shared), rounds)

    def test_interrupted_rounds_go_on_to_the_same_bits(self):
        whole, store = self.path("whole.h5"), self.path("killed.h5")
        self.sweep(whole, *LONG, *SIGNIN, *FORCE, options=("--checkpoint", "0"))
        words = [word for one in (f"store={store}", *LONG, *SIGNIN, *FORCE) for word in ("--set", one)]
        for attempt in range(6):
            process = start("run", SMOKE, *words, "--resume", "--checkpoint", "0.1", output=-3)
            time.sleep(0.5 + 0.25 * attempt)
            if attempt % 2 == 0:
                kill_all(process)
            else:
                process.send_signal(signal.SIGUSR1)
            process.wait(timeout=20)
            wait_until(lambda: not members(process.pid), 10, "the end of all processes")
        self.sweep(store, *LONG, *SIGNIN, *FORCE, resume=True)
        self.assertEqual(self.digest(store), self.digest(whole))
        self.assertFalse(os.path.exists(store + ".checkpoints"))
