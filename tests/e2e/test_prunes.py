"""Every way of pruning, with plain NumPy and h5py: what the store says can be recomputed from what it holds."""

import os

os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")

import h5py
import numpy as np

from helpers import Case

BASE = """sweep: prunes
data: {name: synthetic, shape: [1, 6, 6], classes: 4, train: 480, test: 120, validation: 120}
model: {name: mlp-26-20}
train: {steps: 60, batch: 24, evaluate: {every: 20}, optimizer: {name: adam, lr: 3e-3}}
store: prunes.h5
"""


def text(value):
    return bytes(value).rstrip(b"\0").decode()


class Plain:
    """A store as its tables are."""

    def __init__(self, path):
        self.file = h5py.File(path, "r")
        self.plan = self.file["/plan/rounds"][()]
        self.rounds = self.file["/rounds"][()]
        self.trials = self.file["/trials"][()]
        self.rows = self.file["/trial_controls"][()]
        self.params = self.file["/plan/params"][()]

    def slab(self, row, section):
        """What a round wrote into a section."""
        start, length = int(self.plan[row][section + "_offset"]), int(self.file["/commits"][row][section + "_length"])
        return self.file["/" + section][start : start + length] if length else self.file["/" + section][:0]

    def masks(self, row):
        """{name: bool array of the parameter's shape}"""
        packed = self.slab(int(self.plan[row]["mask_owner"]), "masks")
        found = {}
        for param in self.params[self.params["prunable"] == 1]:
            start, count = int(param["mask_offset"]), int(param["count"])
            bits = np.unpackbits(packed[start : start + (count + 7) // 8], bitorder="little", count=count)
            found[text(param["name"])] = bits.astype(bool).reshape([int(n) for n in param["shape"][: int(param["rank"])]])
        return found

    def theta(self, flat):
        """Flat parameters as {name: array}."""
        return {text(p["name"]): flat[int(p["offset"]) : int(p["offset"] + p["count"])].reshape(
            [int(n) for n in p["shape"][: int(p["rank"])]]) for p in self.params}

    def weights(self, row):
        """{name: trained values, zero where removed}"""
        survivors, masks, used, arrays = self.slab(row, "weights"), self.masks(row), 0, {}
        for param in self.params:
            name = text(param["name"])
            keep = masks.get(name, np.ones([int(n) for n in param["shape"][: int(param["rank"])]], bool))
            arrays[name] = np.zeros(keep.shape, np.float32)
            arrays[name][keep] = survivors[used : used + keep.sum()]
            used += keep.sum()
        assert used == len(survivors)
        return arrays

    def tickets(self, trial=0):
        """Rows of the tickets of a trial, by round."""
        return [int(row) for row in self.rows[trial, :, 0] if row >= 0]


class Prunes(Case):
    def make(self, settings, name="prunes.h5", **options):
        """Run the base sweep with more settings; the store is verified."""
        sweep = self.write("prunes.yaml", BASE + settings)
        store = self.path(name)
        self.run_ok("run", sweep, "--set", f"store={store}", **options)
        self.assertTrue(self.json_of("verify", store)["ok"])
        plain = Plain(store)
        self.addCleanup(plain.file.close)
        for row, record in enumerate(plain.rounds):
            self.assertEqual(text(record["status"]), "ok")
            kept = [int(mask.sum()) for mask in plain.masks(row).values()]
            self.assertEqual(sum(kept), record["nnz"])
            self.assertEqual(kept, plain.slab(row, "layers")["nnz"].tolist())
            self.assertLessEqual(record["nnz"], plain.plan[row]["nnz"])
            self.assertTrue((np.array(kept) <= plain.file["/plan/kept"][row]).all())
            self.assertAlmostEqual(record["sparsity"], 1 - sum(kept) / record["prunable"], places=12)
            self.assertGreater(record["train_accuracy"], 0.3, "learns")
        return plain

    def test_one_shot_cuts_the_dense_network(self):
        plain = self.make("prune: {rounds: 4, rate: 0.4}\ngrid: {prune.schedule: [iterative, one-shot]}\n")
        dense = plain.weights(0)
        for rnd, (stepwise, row) in enumerate(zip(plain.tickets(0), plain.tickets(1))):
            self.assertEqual(row == stepwise, rnd < 2, "the first cut is the same")
            for (name, mask), other in zip(plain.masks(row).items(), plain.masks(stepwise).values()):
                self.assertEqual(mask.sum(), other.sum())
                if rnd == 0:
                    continue
                size = np.abs(dense[name])
                self.assertGreaterEqual(size[mask].min(), size[~mask].max())
        self.assertEqual([int(plain.plan[row]["parent"]) for row in plain.tickets(1)], [-1, 0, 0, 0, 0])

    def test_global_scope_ranks_the_hidden_layers_together(self):
        plain = self.make("prune: {scope: global, rounds: 5, rate: 0.4}\ncontrol: [random]\n"
                          "grid: {prune.output_rate: [0, 0.5, 1], prune.criterion: [magnitude, random]}\n")
        for trial, settings in enumerate(plain.trials):
            total, hidden, out = 26 * 36 + 20 * 26, 26 * 36 + 20 * 26, 4 * 20
            together = settings["prune.output_rate"] == 1
            total += out if together else 0
            rows = plain.tickets(trial)
            for parent, row in zip(rows, rows[1:]):
                total -= int(0.4 * total + 0.5)
                out -= int(0.4 * settings["prune.output_rate"] * out + 0.5)
                masks, before, weights = plain.masks(row), plain.masks(parent), plain.weights(parent)
                pool = ["fc1.weight", "fc2.weight"] + (["fc3.weight"] if together else [])
                self.assertEqual(sum(masks[name].sum() for name in pool), total)
                if not together:
                    self.assertEqual(masks["fc3.weight"].sum(), out)
                self.assertEqual(plain.rounds[row]["nnz"], plain.plan[row]["nnz"])
                if text(settings["prune.criterion"]) != "magnitude":
                    continue
                kept = np.concatenate([np.abs(weights[name][masks[name]]) for name in pool])
                gone = np.concatenate([np.abs(weights[name][before[name] & ~masks[name]]) for name in pool])
                self.assertGreaterEqual(kept.min(), gone.max())
                control = int(plain.rows[trial, plain.plan[row]["round"], 2])
                self.assertEqual([m.sum() for m in plain.masks(control).values()], [m.sum() for m in masks.values()])
        self.assertEqual(hidden, 1456)

    def test_a_collapsing_layer_is_held_and_reported(self):
        plain = self.make("prune: {scope: global, criterion: random, rounds: 6, rate: 0.9, min_keep: 5}\n")
        row = plain.tickets()[-1]
        self.assertEqual([mask.sum() for name, mask in plain.masks(row).items() if name != "fc3.weight"], [5, 5])
        alerts = [alert for row in plain.tickets() for alert in plain.slab(row, "alerts")]
        messages = [text(alert["message"]) for alert in alerts if text(alert["monitor"]) == "prune"]
        self.assertTrue(any("min_keep" in message and "fc1.weight" in message for message in messages), messages)

    def test_rewound_rounds_begin_with_the_weights_of_their_step(self):
        plain = self.make("prune: {rounds: 2, rate: 0.5}\ncontrol: [reinit, random]\ngrid: {rewind.to: [0, 35, 20]}\n", ranks=2)
        parameters = int(plain.file["/plan/models"][0]["parameters"])
        snapshots = plain.slab(0, "theta_k").reshape(2, parameters)
        theta0 = plain.slab(0, "theta0")
        self.assertEqual(plain.file["/theta_k"].shape, (2 * parameters,))
        self.assertFalse((snapshots[0] == snapshots[1]).any() and (snapshots[0] == theta0).all())
        for row, plan in enumerate(plain.plan):
            k = int(plain.trials[plan["trial"]]["rewind.to"]) if plan["round"] > 0 and plan["control"] != 1 else 0
            curve, record = plain.slab(row, "curves"), plain.rounds[row]
            self.assertEqual((plan["rewind_to"], record["first_step"], curve["step"][0]), (k, k, k))
            self.assertEqual((record["steps"], curve["step"][-1]), (60, 60))
            self.assertEqual(curve["step"].tolist(), sorted({k, *[s for s in (0, 20, 40, 60) if s > k]}))
            self.assertEqual(plan["theta_k_index"], {0: -1, 35: 0, 20: 1}[k])
        for trial, k in ((1, 35), (2, 20)):
            ticket = self.path(f"ticket-{k}.h5")
            self.run_ok("export", self.path("prunes.h5"), f"{trial}:2", ticket)
            row = plain.tickets(trial)[2]
            start, masks = plain.theta(snapshots[plain.plan[row]["theta_k_index"]]), plain.masks(row)
            with h5py.File(ticket, "r") as file:
                self.assertEqual(file.attrs["first_step"], k)
                for name, group in file["params"].items():
                    self.assertNotIn("theta0", group)
                    expected = start[name][masks[name]] if name in masks else start[name]
                    self.assertTrue((group["theta_k"][()] == expected.ravel()).all(), name)

    def test_a_step_beyond_the_training_is_refused(self):
        sweep = self.write("late.yaml", BASE + "rewind: {to: 60}\n")
        error = self.run_ok("plan", sweep, code=1).stderr
        self.assertRegex(error, r"late\.yaml:6:14: error: rewind\.to: got 60; allowed is less than the 60 steps")


if __name__ == "__main__":
    import unittest

    unittest.main()
