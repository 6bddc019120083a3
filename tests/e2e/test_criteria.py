"""Every criterion, run as a sweep: the same masks for any number of ranks and threads and after a stop, equal to what
NumPy finds in what the store holds."""

import os

os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")

import numpy as np

from helpers import Case, run
from test_prunes import Plain, text

MLP = """sweep: criteria
data: {name: synthetic, shape: [1, 6, 6], classes: 4, train: 480, test: 120, validation: 120}
model: {name: mlp-26-20}
train: {steps: 40, batch: 24, evaluate: {every: 20}, optimizer: {name: adam, lr: 3e-3}}
store: criteria.h5
"""
CONV = """sweep: criteria
data: {name: synthetic, shape: [3, 8, 8], classes: 4, train: 96, test: 32, validation: 32}
model: {name: resnet-8, init: kaiming-normal, norm_scale: uniform}
train: {steps: 6, batch: 16, evaluate: {every: 6}, optimizer: {name: sgd, lr: 0.05, momentum: 0.9}}
store: criteria.h5
"""
TRAINED = ("magnitude, random, large_final, small_final, large_init, small_init, magnitude_increase, movement, "
           "large_init_large_final, large_final_same_sign, large_final_diff_sign, lamp, snip, gradient, grasp")
ALL = f"""prune: {{rounds: 2, rate: 0.5, scope: global, output_rate: 1}}
grid:
  prune: [{", ".join("{criterion: %s}" % name for name in TRAINED.split(", "))}, {{criterion: synflow, score_steps: 5}},
          {{criterion: sign_magnitude, sign_reference: init, sign_factor: 0.5}},
          {{criterion: sign_magnitude, sign_reference: previous}}, {{criterion: sign_magnitude, sign_reference: rewind}},
          {{criterion: snip, score_weights: init, schedule: one-shot}}, {{criterion: synflow, score_weights: init, score_steps: 3}}]
rewind: {{to: 10}}
"""


class Criteria(Case):
    def make(self, sweep, name="criteria.h5", ranks=0, options=()):
        path, store = self.write("criteria.yaml", sweep), self.path(name)
        self.run_ok("run", path, "--set", f"store={store}", *options, ranks=ranks)
        result = self.json_of("verify", store)
        self.assertTrue(result["ok"])
        return store, result["digest"]

    def open(self, store):
        plain = Plain(store)
        self.addCleanup(plain.file.close)
        return plain

    def test_one_digest_for_any_ranks_and_threads(self):
        digests = {}
        for ranks, threads in ((0, 1), (2, 2), (4, 1), (0, 3)):
            _, digests[ranks, threads] = self.make(MLP + ALL, f"all-{ranks}-{threads}.h5", ranks, ("--threads", threads))
        self.assertEqual(len(set(digests.values())), 1, digests)

    def test_one_digest_with_convolutions_and_batch_norm(self):
        sweep = CONV + """prune: {rounds: 2, rate: 0.5, scope: global, output_rate: 0}
train.norm_penalty: 1e-3
grid: {prune.criterion: [snip, grasp, synflow, norm_scale, lamp]}
prune.score_steps: 4
"""
        _, alone = self.make(sweep, "alone.h5")
        _, many = self.make(sweep, "many.h5", 3, ("--threads", 2))
        self.assertEqual(alone, many)

    def test_blocks_and_units_by_every_kind_of_score(self):
        sweep = MLP + """prune: {rounds: 3, rate: 0.4}
control: [shuffle]
grid:
  prune: [{granularity: neuron}, {granularity: block4, scope: global, group_score: max},
          {granularity: neuron, group_score: l1, score_weights: init}]
  prune.criterion: [snip, grasp, synflow, lamp, large_init]
"""
        _, alone = self.make(sweep, "alone.h5")
        _, many = self.make(sweep, "many.h5", 2, ("--threads", 2))
        self.assertEqual(alone, many)

    def test_a_stopped_sweep_goes_on_to_the_same_masks(self):
        _, whole = self.make(MLP + ALL, "whole.h5")
        path, store = self.write("criteria.yaml", MLP + ALL), self.path("stopped.h5")
        for _ in range(40):
            try:
                done = run("run", path, "--set", f"store={store}", "--resume", "--threads", 2, timeout=0.6)
            except AssertionError:
                continue
            if done.returncode == 0:
                break
        self.run_ok("run", path, "--set", f"store={store}", "--resume")
        self.assertEqual(self.json_of("verify", store)["digest"], whole)

    def test_ties_go_by_index(self):
        """Most weights kept their sign, so that most scores are zero: only places are left to go by."""
        store, _ = self.make(MLP + "prune: {rounds: 1, rate: 0.05, criterion: large_final_diff_sign}\n")
        plain = self.open(store)
        theta0, weights = plain.theta(plain.slab(0, "theta0")), plain.weights(0)
        for name, mask in plain.masks(plain.tickets()[1]).items():
            zero = (np.sign(weights[name]) != -np.sign(theta0[name])).ravel()
            gone = ~mask.ravel()
            self.assertGreater(zero.sum(), gone.sum())
            self.assertEqual(np.flatnonzero(gone).tolist(), np.flatnonzero(zero)[: gone.sum()].tolist())

    def test_masks_follow_their_formulas(self):
        names = ("small_final", "large_init", "magnitude_increase", "movement", "large_final_same_sign")
        store, _ = self.make(MLP + f"prune: {{rounds: 2, rate: 0.4}}\ngrid: {{prune.criterion: [{', '.join(names)}]}}\n")
        plain = self.open(store)
        theta0 = plain.theta(plain.slab(0, "theta0"))
        for trial, name in enumerate(names):
            rows = plain.tickets(trial)
            for parent, row in zip(rows, rows[1:]):
                weights, before = plain.weights(parent), plain.masks(parent)
                for layer, mask in plain.masks(row).items():
                    w, w0 = weights[layer], theta0[layer]
                    score = {"small_final": -abs(w), "large_init": abs(w0), "magnitude_increase": abs(w) - abs(w0),
                             "movement": abs(w - w0), "large_final_same_sign": abs(w) * (np.sign(w) == np.sign(w0))}[name]
                    self.assertGreaterEqual(score[mask].min(), score[before[layer] & ~mask].max(), (name, layer))

    def test_signs_of_the_round_before_last(self):
        store, _ = self.make(MLP + "prune: {rounds: 3, rate: 0.1, criterion: sign_magnitude, sign_reference: previous}\n")
        plain = self.open(store)
        rows = plain.tickets()
        for i in range(1, 4):
            now, before = plain.weights(rows[i - 1]), plain.masks(rows[i - 1])
            then = plain.weights(rows[i - 2]) if i > 1 else plain.theta(plain.slab(0, "theta0"))
            for layer, mask in plain.masks(rows[i]).items():
                score = abs(now[layer]) * (now[layer] * then[layer] >= 0)
                self.assertGreaterEqual(score[mask].min(), score[before[layer] & ~mask].max(), (i, layer))

    def test_pruning_at_initialisation_waits_for_no_training(self):
        store, _ = self.make(MLP + """prune: {rounds: 3, rate: 0.5, score_weights: init}
control: [reinit, random]
grid: {prune.criterion: [magnitude, snip], prune.schedule: [one-shot, iterative]}
""", ranks=3)
        plain = self.open(store)
        theta0 = plain.theta(plain.slab(0, "theta0"))
        for trial, settings in enumerate(plain.trials):
            rows = plain.tickets(trial)
            alone = text(settings["prune.schedule"]) == "one-shot"
            for i, row in enumerate(rows[1:]):
                if alone or i > 0:
                    self.assertEqual(plain.plan[row]["parent"], -1 if alone else rows[i])
                if text(settings["prune.criterion"]) != "magnitude":
                    continue
                for layer, mask in plain.masks(row).items():
                    size = abs(theta0[layer])
                    self.assertGreaterEqual(size[mask].min(), size[~mask].max())
            self.assertEqual((np.array(rows[2:]) == plain.tickets(trial ^ 1)[2:]).any(), False)

    def test_signs_of_the_dense_network_are_waited_for(self):
        store, _ = self.make(MLP + """prune: {rounds: 2, rate: 0.5, criterion: synflow, score_weights: init, schedule: one-shot}
sign: {seed_force: {reference: dense, every: 1, below: 0.9}}
""", ranks=3)
        plain = self.open(store)
        self.assertEqual([int(plain.plan[row]["parent"]) for row in plain.tickets()], [-1, 0, 0])

    def test_a_penalty_draws_scales_to_zero(self):
        sweep = CONV + "prune: {rounds: 0}\ngrid: {train.norm_penalty: [0, 0.05]}\n"
        store, _ = self.make(sweep)
        plain = self.open(store)
        sums = []
        for trial in range(2):
            weights = plain.weights(plain.tickets(trial)[0])
            sums.append(sum(abs(value).sum() for name, value in weights.items() if "bn" in name and name.endswith("weight")))
        self.assertLess(sums[1], 0.97 * sums[0])
