"""Sweeps of convolutional networks: images in CIFAR's formats, batch norm, residuals, augmentation; one digest
whatever the ranks, threads, kills and restarts."""

import glob
import os
import signal
import subprocess
import sys

import h5py
import numpy as np

from helpers import TOP, Case, kill_all, start, wait_until, words_of

TEN = """sweep: ten
data: {name: cifar-10, validation: 10, normalize: standard}
model: {name: resnet-20, init: kaiming-normal, norm_scale: uniform}
train:
  steps: 4
  batch: 16
  evaluate: {every: 2}
  augment: {flip: true, shift: 4}
  recalibrate: 2
  optimizer: {name: sgd, lr: 0.1, momentum: 0.9, weight_decay: 1e-4}
prune: {scope: global, rate: 0.9, rounds: 1, output_rate: 0, shortcut_rate: 0}
control: [reinit, random]
grid: {rewind.to: [0, 2]}
"""
HUNDRED = """sweep: hundred
data: {name: cifar-100, validation: 10}
model: {name: lenet-5, init: glorot-normal}
train: {steps: 30, batch: 20, evaluate: {every: 10}, optimizer: {name: adam, lr: 2e-3}}
prune: {rate: 0.7, conv_rate: 0.5, output_rate: 0.5, rounds: 2}
"""


class Conv(Case):
    def setUp(self):
        super().setUp()
        subprocess.run([sys.executable, os.path.join(TOP, "tests", "support", "write_cifar.py"), self.path("cifar"), "--train", "80",
                        "--test", "10"], check=True)  # fmt: skip
        self.ten = self.write("ten.yaml", TEN)
        self.folder_set = f"data.dir={self.path('cifar')}"

    def ten_digest(self, name, ranks=0, threads=1):
        store = self.path(name)
        self.sweep(store, self.folder_set, sweep=self.ten, ranks=ranks, options=("--threads", threads))
        return self.digest(store)

    def test_one_digest_for_ranks_and_threads(self):
        digests = {(ranks, threads): self.ten_digest(f"{ranks}-{threads}.h5", ranks, threads)
                   for ranks, threads in ((0, 1), (0, 3), (3, 1))}  # fmt: skip
        self.assertEqual(len(set(digests.values())), 1, digests)
        with h5py.File(self.path("0-1.h5"), "r") as store:
            rounds = store["rounds"][:]
            params = store["plan/params"][:]
        self.assertEqual(set(rounds["status"]), {b"ok"})
        self.assertEqual(rounds["parameters"][0], 272474)  # with projections on its two wider shortcuts
        self.assertEqual(set(params["role"]), {0, 1, 2, 3, 4, 5})
        self.assertEqual(params["shortcut"].sum(), 2 * 5)  # a weight and four arrays of batch norm each

    def test_killed_inside_rounds_and_resumed(self):
        """With batch norm's statistics, momentum and the order of the images in the checkpoint."""
        sets = (self.folder_set, "train.steps=60", "train.evaluate.every=30", "control=[]", "grid.rewind.to=[2]")
        whole, store = self.path("whole.h5"), self.path("killed.h5")
        self.sweep(whole, *sets, sweep=self.ten, options=("--checkpoint", "0"))
        words = ["run", self.ten, *words_of(store, *sets), "--checkpoint", "0.2"]
        process = start(*words)
        wait_until(lambda: glob.glob(store + ".checkpoints/*"), 30, "a checkpoint")
        process.send_signal(signal.SIGKILL)
        kill_all(process)
        process.communicate()
        self.assertLess(self.json_of("status", store)["rounds_done"], 2)
        self.run_ok(*words, "--resume")
        self.assertEqual(self.digest(store), self.digest(whole))

    def test_a_hundred_classes(self):
        store = self.path("hundred.h5")
        self.sweep(store, self.folder_set, "data.resize=28", sweep=self.write("hundred.yaml", HUNDRED), ranks=3)
        self.digest(store)
        with h5py.File(store, "r") as file:
            rounds = file["rounds"][:]
            shapes = {row["name"].decode(): tuple(row["shape"]) for row in file["plan/params"][:]}
        self.assertEqual(shapes["conv1.weight"], (6, 3, 5, 5))
        self.assertEqual(shapes["fc3.weight"][0], 100)
        self.assertTrue(np.all(rounds["train_loss"] < np.log(100)))

    def test_a_broken_file_is_named(self):
        with open(self.path("cifar/data_batch_2.bin"), "ab") as file:
            file.write(b"x")
        result = self.run_ok("run", self.ten, *words_of(self.path("s.h5"), self.folder_set), code=1)
        self.assertIn("data_batch_2.bin: byte", result.stderr)
        self.assertFalse(os.path.exists(self.path("s.h5")))

