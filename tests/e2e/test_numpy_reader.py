"""Plain NumPy and h5py, none of our readers: what the store says can be recomputed from what the store holds.

A small sweep on Fashion-MNIST runs through the program; then every stored test accuracy is reproduced by a forward pass
in double precision, and masks, nesting and theta_0 are checked.
"""

import gzip
import os
import subprocess
import tempfile
import unittest

os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")

import h5py
import numpy as np

DATA = "/usr/share/datasets/fashion-mnist"
SWEEP = f"""sweep: numpy
data: {{name: fashion-mnist, dir: {DATA}, limit: 6000, validation: 1000}}
model: {{name: lenet-300-100}}
train: {{steps: 120, batch: 60, evaluate: {{every: 40}}}}
prune: {{rate: 0.5, output_rate: 0.5, rounds: 4}}
control: [reinit, random, shuffle]
grid:
  data.normalize: [unit, standard]
"""


def text(value):
    return bytes(value).rstrip(b"\0").decode()


def read_test_images():
    with gzip.open(f"{DATA}/t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(10000, 784)
    with gzip.open(f"{DATA}/t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return images, labels


class PlainReader(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        path = os.path.join(cls.folder.name, "sweep.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(SWEEP)
        done = subprocess.run([os.environ["SWEEPSTAKE"], "run", "sweep.yaml"], cwd=cls.folder.name,
                              capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise AssertionError(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        cls.file = h5py.File(os.path.join(cls.folder.name, "numpy.h5"), "r")
        cls.plan = cls.file["/plan/rounds"][()]
        cls.rounds = cls.file["/rounds"][()]
        cls.commits = cls.file["/commits"][()]
        cls.params = cls.file["/plan/params"][()]
        cls.params = cls.params[cls.params["model"] == 0]

    @classmethod
    def tearDownClass(cls):
        cls.file.close()
        cls.folder.cleanup()

    def slab(self, row, section):
        """The whole slab that the plan gives a round in a section."""
        start, length = int(self.plan[row][section + "_offset"]), int(self.plan[row][section + "_length"])
        return self.file["/" + section][start : start + length]

    def masks(self, row):
        """[(parameter row, bool array)] of a round, prunable parameters only."""
        packed = self.slab(self.plan[row]["mask_owner"], "masks")
        found = []
        for param in self.params[self.params["prunable"] == 1]:
            start, count = int(param["mask_offset"]), int(param["count"])
            bits = np.unpackbits(packed[start : start + (count + 7) // 8], bitorder="little")
            self.assertFalse(bits[count:].any(), "unused bits of a mask are zero")
            found.append((param, bits[:count].astype(bool)))
        return found

    def dense_weights(self, row):
        """{name: float32 array} of the trained network."""
        survivors, used, arrays = self.slab(row, "weights"), 0, {}
        masks = {text(param["name"]): mask for param, mask in self.masks(row)}
        for param in self.params:
            name, count = text(param["name"]), int(param["count"])
            keep = masks.get(name, np.ones(count, bool))
            array = np.zeros(count, np.float32)
            array[keep] = survivors[used : used + keep.sum()]
            used += keep.sum()
            arrays[name] = array.reshape([int(n) for n in param["shape"][: int(param["rank"])]])
        self.assertEqual(used, len(survivors), "every stored weight has its place")
        return arrays

    def test_every_round_is_committed(self):
        # 2 data variants, rounds 0..4, three controls for rounds 1..4.
        self.assertEqual(len(self.rounds), 2 * (5 + 3 * 4))
        self.assertTrue((self.commits["magic"] == int.from_bytes(b"SWCOMMT1", "little")).all())
        self.assertTrue(all(text(r["status"]) == "ok" for r in self.rounds))

    def test_stored_accuracy_is_reproduced_exactly(self):
        images, labels = read_test_images()
        trials = self.file["/trials"][()]
        for row, record in enumerate(self.rounds):
            pixels = (images.astype(np.float32) / np.float32(255)).astype(np.float32)
            if text(trials[record["trial"]]["data.normalize"]) == "standard":
                data = self.file["/plan/data"][()][self.plan[row]["data"]]
                pixels = (pixels - data["mean"][0]) / data["deviation"][0]
            x = pixels.astype(np.float64)
            w = {name: array.astype(np.float64) for name, array in self.dense_weights(row).items()}
            for layer in ("fc1", "fc2"):
                x = np.maximum(x @ w[layer + ".weight"].T + w[layer + ".bias"], 0)
            logits = x @ w["fc3.weight"].T + w["fc3.bias"]
            correct = int((logits.argmax(1) == labels).sum())
            self.assertEqual(correct, record["test_correct"], f"row {row}")
            self.assertEqual(record["test_accuracy"], correct / 10000, f"row {row}")
            self.assertGreater(record["test_accuracy"], 0.5, "trained, not at chance")

    def test_mask_counts_are_what_the_record_says(self):
        for row, record in enumerate(self.rounds):
            kept = [int(mask.sum()) for _, mask in self.masks(row)]
            self.assertEqual(sum(kept), record["nnz"])
            self.assertEqual(kept, self.file["/plan/kept"][row].tolist())
            self.assertEqual(kept, self.slab(row, "layers")["nnz"].tolist())
            self.assertAlmostEqual(record["sparsity"], 1 - sum(kept) / record["prunable"], places=12)

    def test_masks_are_nested(self):
        for row, record in enumerate(self.rounds):
            parent = int(self.plan[row]["parent"])
            if parent < 0:
                continue
            for (_, inner), (_, outer) in zip(self.masks(row), self.masks(parent)):
                control = text(record["control"])
                if control == "ticket":
                    self.assertFalse((inner & ~outer).any())
                    self.assertLess(inner.sum(), outer.sum())
                elif control == "reinit":
                    self.assertTrue((inner == outer).all(), "reinit has its ticket's mask")
                else:
                    self.assertEqual(inner.sum(), outer.sum(), "a control keeps as many weights per layer")

    def test_random_and_shuffled_masks_agree_with_the_ticket_by_chance_alone(self):
        for row, record in enumerate(self.rounds):
            if text(record["control"]) not in ("random", "shuffle"):
                continue
            (_, own), (_, ticket) = self.masks(row)[0], self.masks(int(self.plan[row]["parent"]))[0]
            n, density = len(own), ticket.mean()
            deviation = np.sqrt(n) * density * (1 - density)  # hypergeometric
            self.assertLess(abs((own & ticket).sum() - n * density**2), 5 * deviation)
            self.assertEqual(self.plan[row]["theta0_owner"], 0, "it starts from the ticket's weights")

    def test_controls_are_three_different_masks(self):
        found = {}
        for row, record in enumerate(self.rounds):
            if record["trial"] == 0 and record["round"] == 2:
                found[text(record["control"])] = self.masks(row)[0][1]
        self.assertEqual(sorted(found), ["random", "reinit", "shuffle", "ticket"])
        self.assertFalse((found["random"] == found["shuffle"]).all())
        self.assertFalse((found["random"] == found["ticket"]).all())

    def test_pruning_removed_the_smallest_magnitudes(self):
        for row, record in enumerate(self.rounds):
            if record["round"] == 0 or text(record["control"]) != "ticket":
                continue
            parent = int(self.plan[row]["parent"])
            weights = self.dense_weights(parent)
            for (param, inner), (_, outer) in zip(self.masks(row), self.masks(parent)):
                magnitude = np.abs(weights[text(param["name"])].ravel())
                self.assertGreaterEqual(magnitude[inner].min(), magnitude[outer & ~inner].max())

    def test_theta0_is_one_per_initialisation(self):
        owners = {int(r["theta0_owner"]) for r in self.plan if r["control"] == 0}
        self.assertEqual(owners, {0}, "both trials share model, init and seed")
        theta0 = self.slab(0, "theta0")
        self.assertEqual(len(theta0), 266610)
        w1 = theta0[: 784 * 300]
        self.assertAlmostEqual(float(w1.std()), np.sqrt(2 / (784 + 300)), delta=4e-4)
        self.assertAlmostEqual(float(w1.mean()), 0, delta=4e-4)
        for row, record in enumerate(self.rounds):
            if text(record["control"]) == "reinit":
                own = self.slab(row, "theta0")
                self.assertLess(abs(np.corrcoef(own[:10000], theta0[:10000])[0, 1]), 0.05)

    def test_the_first_curve_point_is_theta0_under_the_mask(self):
        images, labels = read_test_images()
        x0 = (images.astype(np.float32) / np.float32(255)).astype(np.float64)
        trials = self.file["/trials"][()]
        for row, record in enumerate(self.rounds):
            if text(trials[record["trial"]]["data.normalize"]) != "unit":
                continue
            theta0 = self.slab(self.plan[row]["theta0_owner"], "theta0").astype(np.float64)
            masks = {text(param["name"]): mask for param, mask in self.masks(row)}
            x = x0
            for layer in ("fc1", "fc2", "fc3"):
                param = self.params[self.params["name"] == (layer + ".weight").encode()][0]
                start, count = int(param["offset"]), int(param["count"])
                w = (theta0[start : start + count] * masks[layer + ".weight"]).reshape(param["shape"][:2])
                x = x @ w.T
                x = np.maximum(x, 0) if layer != "fc3" else x
            first = self.slab(row, "curves")[0]
            self.assertEqual(first["step"], 0)
            self.assertAlmostEqual(int((x.argmax(1) == labels).sum()), int(first["test_correct"]), delta=2)


if __name__ == "__main__":
    unittest.main()
