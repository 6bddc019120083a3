"""Sweeps with all that steadies sparse training: recipes, kept weights, clipping, parts of batches. One digest whatever the
ranks, threads, kills and restarts; exported and read back."""

import os
import re
import sys
import unittest

import h5py
import numpy as np

from helpers import TOP, Case, kill_all, start, wait_until, words_of

sys.path.insert(0, os.path.join(TOP, "analysis"))
import read  # noqa: E402

# The long rounds make it possible to kill in the middle of one.
ALL = """sweep: all
recipe: guide
data: {name: synthetic, train: 600, test: 100, validation: 100}
model: {name: mlp-40-20, sparse_init: unit_fanin}
train:
  epochs: %d
  batch: 20
  accumulate: 3
  evaluate: {epochs: %d}
  optimizer: {lr: 0.003}
  sparse: {lr_rule: %s}
  clip: {kind: layer, percentile: 40, window: 50}
prune: {rate: 0.6, rounds: 2, target: null}
control: [random]
"""
KEPT = """sweep: kept
data: {name: synthetic, train: 600, test: 100, validation: 100}
model: {name: mlp-40-20}
train:
  epochs: 4
  batch: 20
  optimizer: {name: sgd, lr: 0.1, momentum: 0.9}
  schedule: {name: cosine}
  clip: {kind: agc}
prune: {rate: 0.6, rounds: 2}
grid:
  rewind: [{mode: learning-rate, to: 30}, {mode: fine-tune}]
"""


class Stability(Case):
    def run_sweep(self, store, text, *sets, **options):
        self.sweep(store, *sets, sweep=self.write("sweep.yaml", text), **options)
        return self.digest(store)

    def test_ranks_and_threads(self):
        for number, text in enumerate((ALL % (4, 2, "seed_sqrt"), KEPT)):
            alone, ranks = self.path(f"alone{number}.h5"), self.path(f"ranks{number}.h5")
            expected = self.run_sweep(alone, text)
            self.assertEqual(self.run_sweep(ranks, text, ranks=3, options=("--threads", "2")), expected)

    def test_killed_in_a_round(self):
        text = ALL % (400, 20, "smupar")
        whole, killed = self.path("whole.h5"), self.path("killed.h5")
        expected = self.run_sweep(whole, text, options=("--checkpoint", "0"))
        words = words_of(killed)
        for _ in range(3):
            process = start("run", self.path("sweep.yaml"), *words, "--resume", "--checkpoint", "0.1")
            wait_until(lambda: os.path.isdir(killed + ".checkpoints") and os.listdir(killed + ".checkpoints"), 20, "a checkpoint")
            kill_all(process)
            process.communicate(timeout=10)
        result = self.run_ok("run", self.path("sweep.yaml"), *words, "--resume", "--checkpoint", "0.1")
        self.assertRegex(result.stderr, r"resumes at step \d+ of")
        self.assertEqual(self.digest(killed), expected)

    def test_exported_start_weights(self):
        """A round that keeps weights begins with what its parent trained, under its own mask."""
        store, ticket = self.path("kept.h5"), self.path("ticket.h5")
        self.run_sweep(store, KEPT)
        self.run_ok("export", store, "0:2", ticket)
        with read.Store(store) as opened, h5py.File(ticket) as file:
            rows = opened.plan
            row = int(rows[(rows["trial"] == 0) & (rows["round"] == 2)]["row"].iloc[0])
            parent = opened.weights(int(rows.at[row, "parent"]))
            self.assertEqual(int(file.attrs["first_step"]), 30)
            for name, group in file["params"].items():
                expected = parent[name].ravel()
                if "mask" in group:
                    expected = expected[np.unpackbits(group["mask"][()], count=expected.size, bitorder="little").astype(bool)]
                np.testing.assert_array_equal(group["parent_weights"][()], expected)
                self.assertNotIn("theta0", group)
            np.testing.assert_array_equal(opened.start(row)["fc1.weight"], parent["fc1.weight"])

    def test_what_was_clipped_is_recorded(self):
        store = self.path("all.h5")
        self.run_sweep(store, ALL % (4, 2, "none"))
        with h5py.File(store) as file:
            shares = file["/layers"]["clipped"]
        self.assertTrue(np.all((shares > 0.1) & (shares < 1)))

    def test_plan_tells_of_the_recipe(self):
        sweep = self.write("sweep.yaml", ALL % (4, 2, "none"))
        page = self.run_ok("plan", sweep, "--set", "train.sparse.lr_factor=0.5").stdout
        self.assertIn("train.sparse.lr_factor: 0.4 -> 0.5 by --set train.sparse.lr_factor=0.5", page)
        self.assertIn("train.sparse.batch_factor: 1.25", page)
        self.assertRegex(page, r"unavailable: peak memory")
        told = self.json_of("plan", sweep)
        self.assertEqual(told["recipe"], "guide")
        self.assertTrue(re.search(r"^prune.rate: 0.1 -> 0.6 by line \d+$", told["recipe_report"], re.M))

    def test_show_recipes(self):
        page = self.run_ok("show", "recipes").stdout
        for word in ("guide", "frankle-carbin", "renda-lr-rewinding", "8-bit activations"):
            self.assertIn(word, page)


if __name__ == "__main__":
    unittest.main()
