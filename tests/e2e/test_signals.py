"""USR1 stops a sweep at a safe point with exit code 75; --resume finishes it with the same bits."""

import json
import os
import signal
import socket

from helpers import SMOKE, Case, run, start, wait_until

SETS = ("train.steps=12000", "train.evaluate.every=500", "prune.rounds=2")


class Signals(Case):
    def stop_and_resume(self, ranks, number, code, grace="60"):
        whole, store = self.path("whole.h5"), self.path("stopped.h5")
        self.sweep(whole, *SETS)
        words = [word for one in (f"store={store}", *SETS) for word in ("--set", one)]
        process = start("run", SMOKE, *words, "--grace", grace, ranks=ranks)
        wait_until(lambda: self.rounds_done(store) >= 2, 20, "the second round")
        status = json.loads(run("status", store, "--json").stdout)
        self.assertEqual(status["state"], "running")
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, code, out + err)
        with open(store + ".exit", encoding="ascii") as file:
            self.assertEqual(int(file.read()), 75)
        status = self.json_of("status", store)
        self.assertEqual(status["state"], "stopped")
        self.assertLess(status["rounds_done"], status["rounds_total"])
        self.assertFalse(os.path.exists(store + ".lock"))
        self.sweep(store, *SETS, resume=True, ranks=ranks)
        self.assertEqual(self.digest(store), self.digest(whole))

    @staticmethod
    def rounds_done(store):
        result = run("status", store, "--json")
        return json.loads(result.stdout)["rounds_done"] if result.returncode == 0 else 0

    def test_usr1_alone(self):
        self.stop_and_resume(0, signal.SIGUSR1, 75)

    def test_usr1_through_mpirun(self):
        self.stop_and_resume(3, signal.SIGUSR1, 75)

    def test_usr2_without_grace(self):
        self.stop_and_resume(0, signal.SIGUSR2, 75, grace="0")

    def test_term_alone(self):
        self.stop_and_resume(0, signal.SIGTERM, 75)

    def test_second_writer_is_refused(self):
        store = self.path("locked.h5")
        endless = ("train.steps=100000000", "train.evaluate.every=100000000", "prune.rounds=0")
        words = [word for one in (f"store={store}", *endless) for word in ("--set", one)]
        process = start("run", SMOKE, *words)
        wait_until(lambda: self.state(store) == "running", 20, "the run")
        error = self.sweep(store, *endless, resume=True, code=74).stderr
        for part in (f"pid {process.pid}", socket.gethostname(), "last beat"):
            self.assertIn(part, error)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 75, out + err)
        self.assertEqual(self.state(store), "stopped")

    @staticmethod
    def state(store):
        result = run("status", store, "--json")
        return json.loads(result.stdout)["state"] if result.returncode == 0 else None
