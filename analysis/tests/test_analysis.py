"""read.py and report.py on a real store, on half of one, and on damaged ones."""

import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import numpy as np
import pandas as pd

import read
import report

SWEEP = """sweep: small
data: {name: synthetic, shape: [1, 6, 6], classes: 4, train: 480, test: 120, validation: 120}
model: {name: mlp-24-12}
train: {steps: 60, batch: 24, evaluate: {every: 20}}
prune: {rounds: 2, rate: 0.5}
control: [reinit]
grid:
  train.optimizer.lr: [1e-3, 3e-3]
  seed: [0, 1]
"""
REPORT = os.path.join(os.path.dirname(os.path.abspath(report.__file__)), "report.py")


def run_report(*arguments):
    return subprocess.run([sys.executable, REPORT, *arguments], capture_output=True, text=True, check=False, timeout=120)


class WithStore(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        with open(os.path.join(cls.folder, "small.yaml"), "w", encoding="utf-8") as file:
            file.write(SWEEP)
        done = subprocess.run([os.environ["SWEEPSTAKE"], "run", "small.yaml"], cwd=cls.folder, capture_output=True,
                              text=True, check=False, timeout=120)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        cls.path = os.path.join(cls.folder, "small.h5")

    def copy(self, name):
        path = os.path.join(self.folder, name)
        shutil.copy(self.path, path)
        self.addCleanup(os.remove, path)
        return path

    def changed(self, name, offset, change):
        """A copy with the byte at an offset changed."""
        path = self.copy(name)
        with open(path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ change]))
        return path


class Reading(WithStore):
    def test_tables_have_their_rows(self):
        with read.Store(self.path) as store:
            rounds = store.rounds()
            self.assertEqual(len(store.trials()), 4)
            # Per trial: 3 tickets and 2 controls.
            self.assertEqual(len(rounds), 20)
            self.assertEqual(len(store.layers()), 60)
            self.assertEqual(len(store.curves()), 20 * 4)
            self.assertEqual(len(store.tickets()), 20)
            self.assertEqual(set(store.tickets()["control"]), {"ticket", "reinit"})
            self.assertEqual(store.trials()["train.optimizer.lr"].tolist(), [1e-3, 1e-3, 3e-3, 3e-3])
            self.assertEqual(store.sweep_text(), SWEEP)

    def test_weights_stand_where_the_mask_keeps_them(self):
        with read.Store(self.path) as store:
            for row, record in store.rounds().iterrows():
                masks, weights = store.mask(row), store.weights(row)
                self.assertEqual(sum(int(m.sum()) for m in masks.values()), record["nnz"])
                self.assertEqual(list(weights), ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"])
                for name, mask in masks.items():
                    self.assertEqual(weights[name].shape, mask.shape)
                    self.assertFalse(weights[name][~mask].any())
                    self.assertTrue(store.ticket(row)[name][mask].all())

    def test_flops_and_left_are_consistent(self):
        with read.Store(self.path) as store:
            rounds = store.rounds()
            self.assertTrue(np.allclose(rounds["weights_left"], 1 - rounds["sparsity"]))


class Damage(WithStore):
    def refused(self, path, phrase):
        with self.assertRaisesRegex(read.StoreError, phrase):
            read.Store(path)
        done = run_report(path)
        self.assertEqual(done.returncode, 74)
        self.assertRegex(done.stderr, phrase)
        self.assertNotIn("Traceback", done.stderr)

    def test_a_text_file_is_refused(self):
        self.refused(os.path.join(self.folder, "small.yaml"), "not a Sweepstake store")

    def test_a_truncated_store_is_refused(self):
        path = self.copy("cut.h5")
        os.truncate(path, os.path.getsize(path) - 100)
        self.refused(path, "truncated")
        os.truncate(path, 100)
        self.refused(path, "not a Sweepstake store")

    def test_a_damaged_user_block_is_refused(self):
        self.refused(self.changed("block.h5", 17, 1), "user block")

    def test_damaged_metadata_is_refused(self):
        for offset in (4096, 4100, 5000):  # the HDF5 superblock and what follows
            self.refused(self.changed(f"meta{offset}.h5", offset, 0x40), "fixed part")

    def test_damaged_weights_are_named(self):
        with read.Store(self.path) as store:
            dataset = store.file["/weights"]
            offset = dataset.id.get_offset() + 4 * int(store.plan.at[3, "weights_offset"])
        with read.Store(self.changed("weights.h5", offset, 1)) as store:
            with self.assertRaisesRegex(read.StoreError, "/weights of row 3 is damaged"):
                store.weights(3)
            store.weights(2)

    def test_damaged_results_are_named(self):
        with read.Store(self.path) as store:
            dataset = store.file["/rounds"]
            offset = dataset.id.get_offset() + 4 * dataset.dtype.itemsize + dataset.dtype.fields["test_accuracy"][1]
        with read.Store(self.changed("results.h5", offset, 1)) as store:
            with self.assertRaisesRegex(read.StoreError, "/rounds of row 4 is damaged"):
                store.rounds()
            store.curves()

    def test_a_torn_commit_is_not_a_round(self):
        with read.Store(self.path) as store:
            offset = store.file["/commits"].id.get_offset() + 5 * read.COMMIT_BYTES + 40
        with read.Store(self.changed("torn.h5", offset, 1)) as store:
            self.assertNotIn(5, store.rounds().index)
            self.assertEqual(len(store.rounds()), 19)

    def test_extents_outside_the_file_are_refused(self):
        path = self.copy("extent.h5")
        with open(path, "r+b") as file:
            block = bytearray(file.read(4096))
            struct.pack_into("<Q", block, 32, 1 << 60)
            block[4080:4096] = read._digest([bytes(block[:4080])])
            file.seek(0)
            file.write(block)
        self.refused(path, "extent")


class Reporting(WithStore):
    def test_page_and_pictures_are_written(self):
        out = os.path.join(self.folder, "out")
        done = run_report(self.path, "--out", out, "--best", "3")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.strip().splitlines()), 1 + 3 + 1)
        with open(os.path.join(out, "index.html"), encoding="utf-8") as file:
            page = file.read()
        self.assertNotIn("http", page.replace("http-equiv", ""), "self-contained")
        for word in ("optimizer.lr 0.001", "optimizer.lr 0.003", "reinit", "winning", "data:image/png"):
            self.assertIn(word, page)
        for name in ("accuracy.png", "early-stop.png", "layers.png", "curves.png"):
            with open(os.path.join(out, name), "rb") as file:
                self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")

    def test_an_empty_store_gives_a_page_that_says_so(self):
        path = self.copy("empty.h5")
        with read.Store(path) as store:
            commits = store.file["/commits"]
            start, count = commits.id.get_offset(), commits.shape[0]
        with open(path, "r+b") as file:
            file.seek(start)
            file.write(bytes(count * read.COMMIT_BYTES))
        done = run_report(path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("no ticket has finished yet", done.stdout)

    def test_half_a_store_is_reported(self):
        path = self.copy("half.h5")
        with read.Store(path) as store:
            commits = store.file["/commits"]
            start, count = commits.id.get_offset(), commits.shape[0]
        with open(path, "r+b") as file:
            file.seek(start + count // 2 * read.COMMIT_BYTES)
            file.write(bytes((count - count // 2) * read.COMMIT_BYTES))
        done = run_report(path)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_missing_store_is_one_line(self):
        done = run_report(os.path.join(self.folder, "none.h5"))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1)


class Verdicts(unittest.TestCase):
    @staticmethod
    def tickets(rows):
        frame = pd.DataFrame(rows, columns=["trial", "round", "control", "weights_left", "early_stop_step",
                                            "early_stop_test_accuracy"])
        return frame.assign(group="all", status="ok", reach=10.0)

    def test_winning_needs_both_accuracy_and_speed(self):
        table = report.compare_with_dense(self.tickets([
            (0, 0, "ticket", 1.0, 100, 0.80), (0, 1, "ticket", 0.5, 90, 0.81),
            (0, 2, "ticket", 0.25, 110, 0.82), (0, 3, "ticket", 0.1, 80, 0.79)]))
        verdicts = [report.verdict(row) for _, row in table.iterrows()]
        self.assertEqual(verdicts, ["dense", "winning", "not winning", "not winning"])

    def test_margins_are_taken_within_a_seed(self):
        table = report.compare_with_dense(self.tickets([
            (0, 0, "ticket", 1.0, 100, 0.80), (0, 1, "ticket", 0.5, 100, 0.81),
            (1, 0, "ticket", 1.0, 200, 0.90), (1, 1, "ticket", 0.5, 220, 0.93)]))
        row = table[table["round"] == 1].iloc[0]
        self.assertAlmostEqual(row["accuracy_margin"], 2.0)
        self.assertAlmostEqual(row["step_margin"], 10.0)
        self.assertEqual(row["holds"], 1)
        self.assertEqual(report.verdict(row), "not winning")

    def test_reach_is_the_first_step_as_good_as_dense(self):
        tickets = pd.DataFrame({"trial": [0, 0, 0], "round": [0, 1, 2], "control": "ticket", "row": [0, 1, 2],
                                "early_stop_validation_loss": [0.5, 0.4, 0.6]})
        curves = pd.DataFrame({"row": [0, 0, 0, 1, 1, 1, 2, 2], "step": [0, 10, 20, 0, 10, 20, 0, 10],
                               "validation_loss": [1, 0.5, 0.7, 1, 0.49, 0.4, 1, 0.6]})
        self.assertEqual(report.add_reach(tickets, curves)["reach"].fillna(-1).tolist(), [10, 10, -1])

    def test_the_best_ticket_is_the_sparsest_winner(self):
        table = report.compare_with_dense(self.tickets([
            (0, 0, "ticket", 1.0, 100, 0.80), (0, 1, "ticket", 0.5, 90, 0.85), (0, 2, "ticket", 0.2, 90, 0.81),
            (0, 3, "ticket", 0.1, 300, 0.99), (0, 3, "reinit", 0.1, 10, 0.99)]))
        self.assertEqual(report.best_tickets(table, 3)["round"].tolist(), [2, 1, 3])


if __name__ == "__main__":
    unittest.main()
