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
            if record["round"] == 0:
                self.assertGreater(record["train_accuracy"], 0.4, "learns")
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

    def test_every_allocation_keeps_what_its_formula_says(self):
        plain = self.make(
            "prune: {rounds: 3, rate: null, target: 0.8}\n"
            "grid: {prune: [{allocation: er}, {allocation: erk, erk_power: 2}, {rates: 'fc1=0.3 fc*=0.1', rate: 0.2}]}\n")
        shapes = {"fc1.weight": (26, 36), "fc2.weight": (20, 26), "fc3.weight": (4, 20)}
        everything = sum(a * b for a, b in shapes.values())
        for trial, power in ((0, 1), (1, 2)):
            rows = plain.tickets(trial)
            self.assertEqual(len(rows), 4)
            for rnd, row in enumerate(rows[1:], 1):
                counts = {name: int(mask.sum()) for name, mask in plain.masks(row).items()}
                left = sum(counts.values())
                self.assertAlmostEqual(left / everything, 0.2 ** (rnd / 3), delta=1 / everything)
                density = self.share_out(shapes, power, left)
                for name, (out, into) in shapes.items():
                    self.assertLess(abs(counts[name] - density[name] * out * into), 1.001, (trial, rnd, name))
            self.assertEqual(left, int(0.2 * everything + 0.5))
        masks = plain.masks(plain.tickets(2)[1])
        self.assertEqual([int(m.sum()) for m in masks.values()], [936 - 281, 520 - 52, 80 - 8])

    @staticmethod
    def share_out(shapes, power, left):
        """Erdos-Renyi densities, layers of more than one capped in turn."""
        raw = {name: ((a + b) / (a * b)) ** power for name, (a, b) in shapes.items()}
        dense = set()
        while True:
            free = [name for name in shapes if name not in dense]
            rest = left - sum(np.prod(shapes[name]) for name in dense)
            epsilon = rest / sum(raw[name] * np.prod(shapes[name]) for name in free)
            most = max(free, key=raw.get)
            if epsilon * raw[most] <= 1:
                return {name: 1.0 if name in dense else epsilon * raw[name] for name in shapes}
            dense.add(most)

    def test_allocations_give_one_digest_over_ranks_and_threads(self):
        sweep = self.write("ranks.yaml", BASE + "prune: {rounds: 2, rate: 0.5}\n"
                           "grid: {prune.allocation: [er, erk], prune.granularity: [weight, block4]}\n")
        digests = set()
        for ranks, threads in ((0, 1), (1, 2), (2, 1), (4, 1)):
            store = self.path(f"ranks-{ranks}-{threads}.h5")
            self.run_ok("run", sweep, "--set", f"store={store}", "--threads", threads, ranks=ranks)
            digests.add(self.digest(store))
        self.assertEqual(len(digests), 1, digests)

    WITHIN = ("prune: {rounds: 2, rate: null, target: 0.8, schedule: cubic, frequency: 7, end: 0.6}\n"
              "control: [reinit, random]\n")

    def test_masks_shrink_inside_of_a_training(self):
        plain = self.make(self.WITHIN)
        everything = 26 * 36 + 20 * 26 + 4 * 20
        rows = plain.tickets()
        self.assertEqual(len(rows), 3)
        for rnd, row in enumerate(rows[1:], 1):
            calls = plain.slab(row, "prunes")
            steps = set(calls["step"].tolist())
            self.assertTrue({0, 7, 14, 21, 28} <= steps <= {0, 7, 14, 21, 28, 35, 36}, steps)
            masks, before = plain.masks(row), plain.masks(rows[rnd - 1])
            for name, mask in masks.items():
                self.assertFalse((mask & ~before[name]).any())
                own = calls[[text(layer) == name for layer in calls["layer"]]]
                self.assertTrue((np.diff(own["realised"]) >= 0).all())
                self.assertAlmostEqual(own["realised"][-1], 1 - mask.sum() / mask.size, places=12)
                start, end = 1 - before[name].sum() / mask.size, 1 - mask.sum() / mask.size
                share = own["step"] / 36
                cubic = end + (start - end) * (1 - share) ** 3
                self.assertLess(np.abs(own["realised"] - cubic).max(), 0.51 / mask.size)
            self.assertGreater(plain.rounds[row]["early_stop_step"], 35)
        self.assertEqual(plain.rounds[rows[-1]]["nnz"], int(0.2 * everything + 0.5))

    def test_pruning_inside_of_trainings_gives_one_digest(self):
        sweep = self.write("within.yaml", BASE + "prune: {rounds: 2, rate: 0.5, schedule: cubic}\n"
                           "grid: {prune.schedule: [cubic, seed_dynamic], prune.granularity: [weight, block4], "
                           "prune.scope: [layer, global]}\n")
        digests = set()
        for ranks, threads in ((0, 1), (1, 2), (2, 1), (4, 1)):
            store = self.path(f"within-{ranks}-{threads}.h5")
            self.run_ok("run", sweep, "--set", f"store={store}", "--threads", threads, ranks=ranks)
            self.assertTrue(self.json_of("verify", store)["ok"])
            digests.add(self.digest(store))
        self.assertEqual(len(digests), 1, digests)

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

    def blocks(self, mask, side):
        """Alive blocks of a mask, which has to be made of whole ones."""
        rows, columns = mask.shape
        alive = np.zeros((-(-rows // side), -(-columns // side)), bool)
        for r, c in np.ndindex(alive.shape):
            part = mask[r * side : (r + 1) * side, c * side : (c + 1) * side]
            self.assertIn(part.mean(), (0, 1), "a block is whole or gone")
            alive[r, c] = part.all()
        return alive

    def test_blocks_are_removed_by_their_mean_magnitude(self):
        plain = self.make("prune: {rounds: 4, rate: 0.3, output_rate: 1}\ncontrol: [random, shuffle]\n"
                          "grid: {prune.granularity: [block4, block8, block16], prune.scope: [layer, global]}\n")
        for trial, settings in enumerate(plain.trials):
            side, layer_scope = int(text(settings["prune.granularity"])[5:]), text(settings["prune.scope"]) == "layer"
            rows = plain.tickets(trial)
            for parent, row in zip(rows, rows[1:]):
                weights, kept, gone, counts = plain.weights(parent), [], [], []
                for name, mask in plain.masks(row).items():
                    if min(mask.shape) <= side:
                        self.assertTrue(mask.all(), "a layer of less than two blocks per side stays whole")
                        continue
                    now, before = self.blocks(mask, side), self.blocks(plain.masks(parent)[name], side)
                    score = np.array([[np.abs(weights[name][r * side : (r + 1) * side, c * side : (c + 1) * side]).mean(
                        dtype=np.float64) for c in range(now.shape[1])] for r in range(now.shape[0])])
                    kept.append(score[now])
                    gone.append(score[before & ~now])
                    counts.append((int(now.sum()), int(before.sum())))
                if not layer_scope:
                    kept, gone = [np.concatenate(kept)], [np.concatenate(gone)]
                    counts = [tuple(sum(pair) for pair in zip(*counts))]
                for stays, goes, (now, before) in zip(kept, gone, counts):
                    self.assertEqual(now, before - int(0.3 * before + 0.5))
                    self.assertGreaterEqual(stays.min() * (1 + 1e-6), goes.max(initial=0))
                shuffled = int(plain.rows[trial, plain.plan[row]["round"], 3])
                for name, mask in plain.masks(shuffled).items():
                    self.assertEqual(mask.sum(), plain.masks(row)[name].sum())
                    if min(mask.shape) > side:
                        self.blocks(mask, side)

    def test_neurons_leave_a_smaller_dense_network(self):
        plain = self.make("prune: {granularity: neuron, rounds: 4, rate: 0.3}\ncontrol: [reinit, random, shuffle]\n"
                          "grid: {prune.scope: [layer, global]}\n", ranks=2)
        for trial in range(2):
            left, rows = [26, 20], plain.tickets(trial)
            for parent, row in zip(rows, rows[1:]):
                masks, before = list(plain.masks(row).values()), list(plain.masks(parent).values())
                weights = list(plain.weights(parent).values())[::2]
                units = [mask.any(1) for mask in masks]
                self.assertTrue((masks[0] == np.repeat(units[0][:, None], 36, 1)).all())
                self.assertTrue((masks[1] == np.outer(units[1], units[0])).all())
                self.assertTrue((masks[2] == np.outer(np.ones(4, bool), units[1])).all())
                scores = [np.abs(w).sum(1, dtype=np.float64) / np.maximum(m.sum(1), 1) for w, m in zip(weights[:2], before[:2])]
                was = [mask.any(1) for mask in before[:2]]
                if trial == 0:
                    left = [n - int(0.3 * n + 0.5) for n in left]
                    self.assertEqual([int(u.sum()) for u in units[:2]], left)
                    pairs = [(s[u], s[w & ~u]) for s, u, w in zip(scores, units, was)]
                else:
                    total = sum(int(w.sum()) for w in was)
                    self.assertEqual(sum(int(u.sum()) for u in units[:2]), total - int(0.3 * total + 0.5))
                    pairs = [(np.concatenate([s[u] for s, u in zip(scores, units)]),
                              np.concatenate([s[w & ~u] for s, u, w in zip(scores, units, was)]))]
                for stays, goes in pairs:
                    self.assertGreaterEqual(stays.min() * (1 + 1e-6), goes.max(initial=0))
                self.assertEqual(set(text(f) for f in plain.slab(row, "layers")["format"]), {"dense"})
                biases = plain.weights(row)["fc1.bias"]
                self.assertTrue((biases[~units[0]] == 0).all(), "biases of removed units stay what they were")
                self.assertTrue((biases[units[0]] != 0).any())
            first, last = plain.rounds[rows[0]], plain.rounds[rows[-1]]
            self.assertLess(last["bytes_activations"], first["bytes_activations"])

    CONVOLUTIONS = BASE.replace("shape: [1, 6, 6]", "shape: [2, 8, 8]").replace("mlp-26-20", "resnet-8").replace(
        "optimizer: {name: adam, lr: 3e-3}", "optimizer: {name: sgd, lr: 0.05, momentum: 0.9}").replace("steps: 60", "steps: 30")

    def test_filters_of_a_residual_network_go_together(self):
        sweep = self.write("filters.yaml", self.CONVOLUTIONS + "prune: {rounds: 2, rate: 0.5}\nrewind: {to: 3}\n"
                           "control: [reinit, random, shuffle]\ngrid: {prune.granularity: [filter, channel]}\n")
        digests = set()
        for ranks, threads in ((1, 1), (3, 2)):
            store = self.path(f"filters-{ranks}.h5")
            self.run_ok("run", sweep, "--set", f"store={store}", "--threads", threads, ranks=ranks)
            self.assertTrue(self.json_of("verify", store)["ok"])
            digests.add(self.digest(store))
        self.assertEqual(len(digests), 1)
        plain = Plain(store)
        self.addCleanup(plain.file.close)
        for trial, settings in enumerate(plain.trials):
            by_reader = text(settings["prune.granularity"]) == "channel"
            dense, first, second = plain.tickets(trial)
            masks, weights = plain.masks(first), plain.weights(dense)
            alive = {name: mask.any((1, 2, 3)) for name, mask in masks.items() if mask.ndim == 4}
            stem = alive["conv1.weight"]
            self.assertEqual(stem.sum(), 8)
            np.testing.assert_array_equal(alive["layer1.0.conv2.weight"], stem)
            np.testing.assert_array_equal(alive["layer2.0.downsample.0.weight"], alive["layer2.0.conv2.weight"])
            self.assertTrue(masks["fc.weight"][:, alive["layer3.0.conv2.weight"]].all())
            self.assertFalse(masks["fc.weight"][:, ~alive["layer3.0.conv2.weight"]].any())
            mean = lambda name, axis: np.abs(weights[name]).mean(axis, dtype=np.float64)
            if by_reader:
                names, axis = ["layer1.0.conv1.weight", "layer2.0.conv1.weight", "layer2.0.downsample.0.weight"], (0, 2, 3)
            else:
                names, axis = ["conv1.weight", "layer1.0.conv2.weight"], (1, 2, 3)
            score = sum(mean(name, axis) for name in names)
            self.assertGreater(score[stem].min() * (1 + 1e-6), score[~stem].max())
            trained = plain.weights(second)
            gone = ~plain.masks(second)["conv1.weight"].any((1, 2, 3))
            self.assertTrue((trained["bn1.weight"][gone] == 0).all() and (trained["bn1.bias"][gone] == 0).all())
            self.assertTrue((trained["bn1.weight"][~gone] != 0).all())
            self.assertEqual(set(text(f) for f in plain.slab(second, "layers")["format"]), {"dense"})
            self.assertLess(plain.rounds[second]["bytes_activations"], plain.rounds[dense]["bytes_activations"] / 2)
            for control in (1, 2, 3):
                row = int(plain.rows[trial, 2, control])
                self.assertEqual([m.sum() for m in plain.masks(row).values()], [m.sum() for m in plain.masks(second).values()])
        out = self.run_ok("bench", "inference", store, "0:2", "--json", "--steps", 3).stdout.splitlines()
        self.assertEqual(len(out), 6)

    def test_patterns_keep_as_many_of_every_few(self):
        plain = self.make("prune: {rounds: 3, schedule: one-shot}\ncontrol: [shuffle, random]\n"
                          "grid: {prune.granularity: [nm2-4, nm4-8], train.format: [auto, csr]}\n", ranks=2)
        for trial, settings in enumerate(plain.trials):
            keep, of = map(int, text(settings["prune.granularity"])[2:].split("-"))
            rows = plain.tickets(trial)
            self.assertEqual(len(rows), 2, "one prune reaches the pattern")
            weights = plain.weights(rows[0])
            for row in (rows[1], int(plain.rows[trial, 1, 3])):
                for name, mask in plain.masks(row).items():
                    for left in range(0, mask.shape[1], of):
                        window = mask[:, left : left + of]
                        self.assertEqual(set(window.sum(1)), {min(keep, window.shape[1])})
                        if row == rows[1]:
                            size = np.abs(weights[name][:, left : left + of])
                            kept = np.where(window, size, np.inf).min(1)
                            self.assertTrue((kept >= np.where(window, 0, size).max(1)).all())
            if text(settings["train.format"]) == "csr":
                self.assertEqual(text(plain.rounds[rows[1]]["inference_format"]), "ccc")

    def test_patterns_know_no_rate(self):
        for settings, message in (("prune: {granularity: nm2-4, rate: 0.2}\n", "prune.rate is not used by prune.granularity nm2-4"),
                                  ("prune: {granularity: nm2-4, output_rate: 0.5}\n", "0 leaves the output layer whole"),
                                  ("prune: {granularity: nm4-8, scope: global}\n", "right is layer"),
                                  ("prune: {granularity: nm2-4, target: 0.5}\n", "prune.target is not used"),
                                  ("prune: {granularity: nm2-5}\n", "unknown word nm2-5")):
            error = self.run_ok("plan", self.write("refused.yaml", BASE + settings), code=1).stderr
            self.assertIn(message, error)
        self.run_ok("plan", self.write("mixed.yaml", BASE + "prune.rate: 0.5\ngrid: {prune.granularity: [weight, nm2-4]}\n"))

    def test_converted_tickets_have_masks_of_their_own(self):
        sweep = self.write("convert.yaml", BASE + "prune: {rounds: 4, rate: 0.5}\ncontrol: [reinit, shuffle]\n"
                           "grid:\n  prune.convert: [{}, {round: 2, granularity: block4}, {round: 2, granularity: neuron, "
                           "sparsity: 0.6}, {round: 3, granularity: nm2-4}]\n")
        digests = set()
        for ranks, threads in ((1, 1), (3, 2)):
            store = self.path(f"convert-{ranks}.h5")
            self.run_ok("run", sweep, "--set", f"store={store}", "--threads", threads, ranks=ranks)
            self.assertTrue(self.json_of("verify", store)["ok"], "nesting is asked for within a stage only")
            digests.add(self.digest(store))
        self.assertEqual(len(digests), 1)
        plain = Plain(store)
        self.addCleanup(plain.file.close)
        base = plain.tickets(0)
        for trial, after, side in ((1, 2, 4), (2, 2, 0), (3, 3, None)):
            rows = plain.tickets(trial)
            self.assertEqual(rows[: after + 1], base[: after + 1], "what comes before is shared")
            self.assertNotIn(rows[after + 1], base)
            self.assertEqual(int(plain.plan[rows[after + 1]]["parent"]), base[after])
            weights, returned = plain.weights(base[after]), 0
            for name, mask in plain.masks(rows[after + 1]).items():
                before = plain.masks(base[after])[name]
                returned += int((mask & ~before).sum())
                if side == 4 and min(mask.shape) <= 4:
                    self.assertTrue(mask.all(), "too small for blocks")
                elif side == 4:
                    now = self.blocks(mask, 4)
                    self.assertEqual(int(now.sum()), int(before.mean() * now.size + 0.5))
            self.assertGreater(returned, 0)
            figures = plain.rounds[rows]["converted_test_accuracy"]
            self.assertEqual((~np.isnan(figures)).tolist(), [r == after + 1 for r in range(len(rows))])
            for earlier, later in zip(rows[after + 1 :], rows[after + 2 :]):
                for name, mask in plain.masks(later).items():
                    self.assertFalse((mask & ~plain.masks(earlier)[name]).any(), "nested again")
        self.assertAlmostEqual(plain.rounds[plain.tickets(2)[3]]["sparsity"], 0.6, delta=0.03)
        self.assertEqual(len(plain.tickets(3)), 5)

    def test_conversions_that_cannot_be_are_refused(self):
        for settings, message in (("prune: {rounds: 2, convert: {round: 2}}\n", "allowed is less than prune.rounds, 2"),
                                  ("prune: {convert: {granularity: block8}}\n", "prune.convert.round says when"),
                                  ("prune: {convert: {sparsity: 0.5}}\n", "prune.convert.round says when"),
                                  ("prune: {convert: {round: 1, granularity: filter}}\n", "needs convolutions"),
                                  ("prune: {schedule: one-shot, convert: {round: 1}}\n", "needs prune.schedule iterative"),
                                  ("prune: {target: 0.5, convert: {round: 1}}\n", "prune.target is not used")):
            error = self.run_ok("plan", self.write("refused.yaml", BASE + settings), code=1).stderr
            self.assertIn(message, error)

    def test_filters_are_for_convolutions(self):
        for base, settings, message in (
                (BASE, "prune: {granularity: filter}\n", "neuron is for fully connected networks"),
                (self.CONVOLUTIONS, "prune: {granularity: neuron}\n", "filter and channel are for networks with convolutions"),
                (self.CONVOLUTIONS, "prune: {granularity: filter, output_rate: 0.5}\n", "prune.output_rate is not used"),
                (self.CONVOLUTIONS, "prune: {granularity: filter, shortcut_rate: 0.5}\n", "prune.shortcut_rate is not used"),
                (self.CONVOLUTIONS, "prune: {granularity: channel, scope: global, conv_rate: 0.5}\n", "prune.conv_rate")):
            error = self.run_ok("plan", self.write("refused.yaml", base + settings), code=1).stderr
            self.assertIn(message, error)
            self.assertRegex(error, r"refused\.yaml:6:\d+: error")

    def test_what_cannot_be_is_refused(self):
        for settings, line, message in (
                ("prune: {granularity: block16}\nmodel: {name: mlp-12}\n", 6, "two blocks of 16 x 16"),
                ("prune: {granularity: neuron, output_rate: 0.5}\n", 6, "prune.output_rate is not used"),
                ("prune: {granularity: block5}\n", 6, "unknown word block5"),
                ("prune: {schedule: oneshot}\n", 6, "did you mean one-shot?"),
                ("prune: {scope: model}\n", 6, "prune.scope: unknown word model"),
                ("control: [rewind]\n", 6, "control: unknown word rewind")):
            base = BASE.replace("model: {name: mlp-26-20}\n", "") if "model" in settings and "mlp-12" in settings else BASE
            sweep = self.write("refused.yaml", base + settings)
            error = self.run_ok("plan", sweep, code=1).stderr
            self.assertIn(message, error)
            self.assertRegex(error, rf"refused\.yaml:{line if base is BASE else line - 1}:\d+: error")

    EVERYTHING = """control: [reinit, random, shuffle]
prune: {rounds: 2, rate: 0.4}
grid:
  prune.granularity: [weight, block4, neuron]
  prune.scope: [layer, global]
  prune.schedule: [iterative, one-shot]
  rewind.to: [0, 13]
"""

    def test_one_digest_for_any_ranks_and_threads(self):
        sweep = self.write("everything.yaml", BASE.replace("steps: 60", "steps: 40") + self.EVERYTHING)
        digests = {}
        for ranks, threads in ((1, 1), (2, 3), (4, 2)):
            store = self.path(f"everything-{ranks}-{threads}.h5")
            self.run_ok("run", sweep, "--set", f"store={store}", "--threads", threads, ranks=ranks)
            digests[ranks, threads] = self.digest(store)
        self.assertEqual(len(set(digests.values())), 1, digests)

    FORMATS = """prune: {granularity: block4, rounds: 2, rate: 0.4}
control: [shuffle]
grid: {train.format: [auto, dense, csr, csc, coo, bsr]}
"""

    def test_formats_train_the_same_tickets(self):
        sweep = self.write("formats.yaml", BASE + self.FORMATS)
        digests = set()
        for ranks, threads in ((1, 1), (3, 2)):
            store = self.path(f"formats-{ranks}.h5")
            self.run_ok("run", sweep, "--set", f"store={store}", "--threads", threads, ranks=ranks)
            digests.add(self.digest(store))
        self.assertEqual(len(digests), 1)
        plain = Plain(store)
        self.assertEqual(len(plain.rounds), 1 + 6 * 4)  # the dense round is one for all of them
        letters, masks = {}, {}
        for trial, settings in enumerate(plain.trials):
            _, first, second = plain.tickets(trial)
            name = text(settings["train.format"])
            letters[name] = text(plain.rounds[second]["inference_format"])[:2]
            masks[name] = plain.masks(first)
        self.assertEqual({name: letters[name] for name in ("dense", "csr", "csc", "coo", "bsr")},
                         {"dense": "dd", "csr": "cc", "csc": "tt", "coo": "oo", "bsr": "bb"})
        for name, found in masks.items():  # round 1 prunes the shared dense round
            for param, mask in found.items():
                np.testing.assert_array_equal(mask, masks["dense"][param], f"{name} {param}")

    def test_blocks_need_tickets_of_blocks(self):
        for settings, message in (("train.format: bsr\n", "right are csr or auto"),
                                  ("train.format: bsr\nprune.granularity: block8\ncontrol: [random]\n", "control shuffle"),
                                  ("train.block_size: 8\nprune.granularity: block4\n", "at most 4")):
            error = self.run_ok("plan", self.write("refused.yaml", BASE + settings), code=1).stderr
            self.assertIn(message, error)

    def test_a_step_beyond_the_training_is_refused(self):
        sweep = self.write("late.yaml", BASE + "rewind: {to: 60}\n")
        error = self.run_ok("plan", sweep, code=1).stderr
        self.assertRegex(error, r"late\.yaml:6:14: error: rewind\.to: got 60; allowed is less than the 60 steps")


if __name__ == "__main__":
    import unittest

    unittest.main()
