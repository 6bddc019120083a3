"""Where trainings run: on cores of their own when there are enough, and the store says so. Results do not care."""

import os
import re

import h5py

from helpers import SMOKE, Case, run, start

CPUS = sorted(os.sched_getaffinity(0))


def numbers(text):
    """{0, 1, 2} of "0-2"."""
    found = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


class Placement(Case):
    def setUp(self):
        super().setUp()
        self.store = self.path("placed.h5")

    def run_placed(self, ranks, *options, mpirun=("--bind-to", "none")):
        """{rank: processors} and the log of a run."""
        process = start("run", SMOKE, "--set", f"store={self.store}", *options, ranks=ranks, mpirun=mpirun)
        out, err = process.communicate(timeout=50)
        self.assertEqual(process.returncode, 0, out + err)
        with h5py.File(self.store, "r") as file:
            rows = file["rounds"][()]
        found = {}
        for row in rows:
            found.setdefault(int(row["rank"]), set()).add(row["cores"].decode())
        for cores in found.values():
            self.assertEqual(len(cores), 1, "a worker stays where it is")
        self.digest_found = self.digest(self.store)
        os.remove(self.store)
        self.assertEqual([int(n) for n in re.findall(r"(?m)^(\d+)/26 ", out)], list(range(1, 27)))
        return {rank: numbers(cores.pop()) for rank, cores in found.items()}, err

    def test_workers_have_cores_of_their_own(self):
        if len(CPUS) < 2:
            self.skipTest("needs two processors")
        placed, err = self.run_placed(3)
        self.assertEqual(err, "")
        taken = set()
        for rank, cores in placed.items():
            self.assertNotEqual(rank, 0)
            self.assertEqual(len(cores), 1)
            self.assertFalse(cores & taken)
            self.assertLessEqual(cores, set(CPUS))
            taken |= cores
        digest = self.digest_found
        placed, err = self.run_placed(3, "--bind", "none")
        self.assertEqual((err, *placed.values()), ("", *[set(CPUS)] * len(placed)))
        self.assertEqual(self.digest_found, digest)
        placed, err = self.run_placed(2, "--threads", "2")
        self.assertEqual(len(placed[1]), 2)
        self.assertEqual(self.digest_found, digest)

    def test_too_few_cores_are_shared_with_one_warning(self):
        placed, err = self.run_placed(3, "--threads", len(CPUS))
        self.assertRegex(err, r"^sweepstake: warning: \S+: 2 workers with \d+ threads? each have only \d+ cores?: "
                              r"trainings are not bound to cores and slow each other down\n$")
        for cores in placed.values():
            self.assertEqual(cores, set(CPUS))

    def test_what_the_launcher_gave_counts(self):
        only = CPUS[-1]
        placed, err = self.run_placed(3, mpirun=("--bind-to", "none", "taskset", "-c", str(only)))
        self.assertIn(f"the launcher gave ranks 1 and 2 the same single core, {only}", err)
        self.assertEqual(err.count("warning"), 1)
        for cores in placed.values():
            self.assertEqual(cores, {only})

    def test_alone_it_runs_where_it_may(self):
        result = run("run", SMOKE, "--set", f"store={self.store}", "--set", "prune.rounds=0")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        with h5py.File(self.store, "r") as file:
            cores = {row["cores"].decode() for row in file["rounds"][()]}
        self.assertEqual([numbers(one) for one in cores], [set(CPUS)])

    def test_alone_with_more_threads_than_processors(self):
        words = ("--set", f"store={self.store}", "--set", "prune.rounds=0", "--threads", len(CPUS) + 1)
        result = self.run_ok("run", SMOKE, *words)
        self.assertEqual(result.stderr, f"sweepstake: warning: {len(CPUS) + 1} threads have only {len(CPUS)} "
                                        f"processor{'s' * (len(CPUS) > 1)}: they slow each other down\n")
