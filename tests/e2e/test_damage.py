"""A finished store with damage: every changed byte is found and named, or lies where nothing was ever written; nothing
crashes or hangs; a truncated store is refused; --resume makes just the damaged rounds again.

SWEEPSTAKE_FULL=1 tries more places, SWEEPSTAKE_SEED=N other ones.
"""

import collections
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")

import h5py

from helpers import SMOKE, TOP, Case, run

sys.path.insert(0, os.path.join(TOP, "analysis"))
import read

FULL = os.environ.get("SWEEPSTAKE_FULL", "") not in ("", "0")
SEED = int(os.environ.get("SWEEPSTAKE_SEED", "1"))
FLIPS = 300 if FULL else 60
CUTS = 100 if FULL else 20
PAGES = 60 if FULL else 15
SAMPLES = 40 if FULL else 10
SECONDS = 20
SETS = ("prune.rounds=2",)
SECTIONS = ("theta0", "masks", "weights", "layers", "curves", "alerts", "rounds")
BLOCK_BYTES = 4096


def counts(counter):
    return ", ".join(f"{name} {count}" for name, count in counter.most_common()) or "none"


class Map:
    """What every byte of an undamaged store belongs to, from its own tables."""

    def __init__(self, path):
        self.size = os.path.getsize(path)
        with h5py.File(path, "r") as file:
            self.plan = file["/plan/rounds"][()]
            self.commits = file["/commits"][()]
            self.place = {name: (file[name].id.get_offset() or 0, file[name].dtype.itemsize, file[name].size)
                          for name in (*SECTIONS, "commits")}
            self.tables = []  # (first byte, end) of what creation wrote
            file.visititems(self.add_table)
        self.used = []  # (first byte, end, row, section)
        for row, commit in enumerate(self.commits):
            self.add(row, "commits", row, 1)
            for section in SECTIONS:
                self.add(row, section, int(self.plan[row][section + "_offset"]), int(commit[section + "_length"]))

    def add_table(self, name, item):
        if isinstance(item, h5py.Dataset) and name not in self.place and item.id.get_offset() is not None:
            self.tables.append((item.id.get_offset(), item.id.get_offset() + item.id.get_storage_size()))

    def add(self, row, section, first, count):
        start, item, _ = self.place[section]
        if count > 0:
            self.used.append((start + first * item, start + (first + count) * item, row, section))

    def slab(self, at):
        return next(name for name, (start, item, count) in self.place.items() if start <= at < start + item * count)

    def owner(self, at):
        """(row, section); ("fixed", None) for what creation wrote; None where no round wrote anything."""
        for start, end, row, section in self.used:
            if start <= at < end:
                return row, section
        for start, item, count in self.place.values():
            if start <= at < start + item * count:
                return None
        return "fixed", None

    def part(self, at, owner):
        """What a byte is, for a table of counts."""
        if owner is None:
            return "/" + self.slab(at)
        if owner[0] != "fixed":
            return "/" + owner[1]
        if at < BLOCK_BYTES:
            return "user block"
        return "plan" if any(start <= at < end for start, end in self.tables) else "HDF5 metadata"

    def records_within(self, start, end):
        """Rows whose whole commit record lies there: without it a round counts as never run."""
        return {row for first, last, row, section in self.used if section == "commits" and start <= first and last <= end}

    def any_place(self, chance):
        """A byte; half of them from the whole file, half from a dataset or the first page by lot, so that small
        parts get their share."""
        places = [(start, item * count) for start, item, count in self.place.values() if count] + [(0, 4096)]
        start, size = chance.choice(places) if chance.random() < 0.5 else (0, self.size)
        return start + chance.randrange(size)

    def byte_of(self, row, section, chance):
        start, end = next((s, e) for s, e, r, name in self.used if (r, name) == (row, section))
        return chance.randrange(start, end)


class Damage(Case):
    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory(prefix="sweepstake-damage-")
        cls.addClassCleanup(cls.home.cleanup)
        cls.whole = os.path.join(cls.home.name, "whole.h5")
        words = [word for one in (f"store={cls.whole}", *SETS) for word in ("--set", one)]
        done = run("run", SMOKE, *words)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        cls.map = Map(cls.whole)
        cls.expected = json.loads(run("verify", cls.whole, "--json").stdout)["digest"]

    def setUp(self):
        super().setUp()
        self.store = self.path("store.h5")
        shutil.copy(self.whole, self.store)
        self.chance = random.Random(f"{SEED} {self.id()}")

    def change(self, at, new=None):
        """Change a byte (one bit of it unless `new` is given); returns what brings it back."""
        with open(self.store, "r+b") as file:
            file.seek(at)
            old = file.read(len(new) if new else 1)
            file.seek(at)
            file.write(new if new else bytes([old[0] ^ 1 << self.chance.randrange(8)]))
        return at, old

    def call(self, *arguments):
        """Run to the end, within its time and without a crash."""
        result = run(*arguments, timeout=SECONDS)
        self.assertIn(result.returncode, (0, 1, 2, 74, 75), f"{arguments}\n{result.stdout}\n{result.stderr}")
        return result

    def verify(self):
        result = self.call("verify", self.store, "--json")
        return result.returncode, json.loads(result.stdout)

    def resume(self):
        """Rows that --resume ran."""
        log = self.sweep(self.store, *SETS, resume=True, timeout=SECONDS).stdout
        return sorted(int(row) for row in re.findall(r"(?m)^\d+/\d+ row (\d+) ", log))

    def check_found(self, at, owner):
        """The damage at a byte is found and blamed on what it belongs to."""
        code, found = self.verify()
        where = f"byte {at} of {owner}: {found}"
        if owner is None:
            self.assertEqual((code, found["ok"], found["digest"]), (0, True, self.expected), where)
            return
        self.assertEqual((code, found["ok"]), (74, False), where)
        self.assertEqual(len(found["problems"]), 1, where)
        problem = found["problems"][0]
        self.assertTrue(problem["detail"], where)
        if owner[0] == "fixed":
            self.assertEqual(problem["kind"], "store", where)
            self.assertIn(self.store, problem["detail"])
        else:
            self.assertEqual((problem["row"], problem["section"]), owner, where)
            self.assertEqual(problem["kind"], "torn" if owner[1] == "commits" else "damaged", where)
            self.assertEqual((found["torn"], found["damaged"]), (1, 0) if owner[1] == "commits" else (0, 1), where)


class Flips(Damage):
    def test_every_flip_is_found_or_lies_where_nothing_was_written(self):
        found, idle = collections.Counter(), collections.Counter()
        for _ in range(FLIPS):
            at = self.map.any_place(self.chance)
            owner = self.map.owner(at)
            (idle if owner is None else found)[self.map.part(at, owner)] += 1
            old = self.change(at)
            self.check_found(at, owner)
            self.check_python(at, owner)
            self.change(*old)
        self.assertEqual(self.verify()[1]["digest"], self.expected)
        print(f"{FLIPS} flipped bits, {found.total()} found and named: {counts(found)}\n"
              f"{idle.total()} in slabs where no round had written: {counts(idle)}", flush=True)
        self.assertGreaterEqual(len(found), 5, found)

    def check_python(self, at, owner):
        """The Python reader refuses a store whose fixed part is damaged, before h5py sees it, and opens any other."""
        if owner == ("fixed", None):
            with self.assertRaises(read.StoreError, msg=f"byte {at}"):
                read.Store(self.store)
        else:
            read.Store(self.store).close()

    def test_every_section_and_record(self):
        """Each kind of place at least once, whatever the lot says."""
        for section in (*SECTIONS, "commits"):
            rows = sorted({row for _, _, row, name in self.map.used if name == section})
            for row in rows[:1] + rows[-1:]:
                at = self.map.byte_of(row, section, self.chance)
                old = self.change(at)
                self.check_found(at, (row, section))
                self.change(*old)

    def test_lost_pages_are_found(self):
        """Whole pages of zeros, as a file system may leave them behind."""
        for _ in range(PAGES):
            at = self.map.any_place(self.chance) // 4096 * 4096
            with open(self.whole, "rb") as file:
                file.seek(at)
                page = file.read(4096)
            old = self.change(at, bytes(len(page)))
            lost = {self.map.owner(at + i) for i, byte in enumerate(page) if byte} - {None}
            code, found = self.verify()
            if ("fixed", None) in lost:
                self.assertEqual((code, found["problems"][0]["kind"]), (74, "store"), f"page {at}: {found}")
            else:
                gone = self.map.records_within(at, at + len(page))
                self.assertEqual(found["missing"], len(gone), f"page {at}: {found}")
                self.assertEqual({problem["row"] for problem in found["problems"]}, {row for row, _ in lost} - gone,
                                 f"page {at}: {found}")
                self.assertEqual(code, 74 if found["problems"] else 0)
            self.change(*old)


class Commands(Damage):
    def test_others_stand_it(self):
        for _ in range(SAMPLES):
            at = self.map.any_place(self.chance)
            owner = self.map.owner(at)
            old = self.change(at)
            fixed = owner == ("fixed", None)
            self.assertEqual(self.call("status", self.store, "--json").returncode, 74 if fixed else 0)
            self.export(owner)
            self.read_it(owner)
            self.change(*old)

    def export(self, owner):
        """The round that is damaged, or any one."""
        hurt = owner is not None and owner[0] != "fixed"
        row = owner[0] if hurt else self.chance.randrange(len(self.map.plan))
        plan = self.map.plan[row]
        control = ":reinit" if plan["control"] else ""
        out = self.path("ticket.h5")
        result = self.call("export", self.store, f"{plan['trial']}:{plan['round']}{control}", out)
        if owner == ("fixed", None) or (hurt and owner[1] in ("theta0", "masks", "weights", "rounds")):
            self.assertEqual(result.returncode, 74, result.stderr)
        if owner is None:
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(os.path.exists(out), result.returncode == 0)
        if os.path.exists(out):
            os.remove(out)

    def read_it(self, owner):
        """The Python reader gives every array and table, or says StoreError."""
        failed = set()
        try:
            with read.Store(self.store) as store:
                for name in ("rounds", "layers", "curves", "alerts", "trials", "tickets"):
                    try:
                        getattr(store, name)()
                    except read.StoreError:
                        failed.add(name)
                for row in range(len(self.map.plan)):
                    try:
                        store.weights(row)
                        store.ticket(row)
                    except read.StoreError:
                        failed.add(row)
        except read.StoreError:
            failed.add("store")
        if owner is None:
            self.assertEqual(failed, set())
        elif owner[0] == "fixed":
            self.assertEqual(failed, {"store"})
        elif owner[1] in ("theta0", "masks", "weights"):
            self.assertIn(owner[0], failed)
        elif owner[1] != "commits":
            self.assertIn(owner[1], failed, owner)

    def test_damaged_fixed_part_is_not_resumed(self):
        for at in (9, 5000, self.map.size - 1):
            if self.map.owner(at) != ("fixed", None):
                continue
            old = self.change(at)
            with open(self.store, "rb") as file:
                before = file.read()
            words = [word for one in (f"store={self.store}", *SETS) for word in ("--set", one)]
            self.assertEqual(self.call("run", SMOKE, *words, "--resume").returncode, 74)
            with open(self.store, "rb") as file:
                self.assertEqual(file.read(), before, "a store that was refused must stay as it is")
            self.change(*old)

    @unittest.skipUnless(FULL, "drawing takes long")
    def test_report_stands_it(self):
        """The report of a store with a damaged round ends with an error text, or leaves the round out."""
        self.change(self.map.byte_of(1, "weights", self.chance))
        done = subprocess.run([sys.executable, os.path.join(TOP, "analysis", "report.py"), self.store, "--out", self.path("report")],
                              capture_output=True, text=True, timeout=55, check=False)
        self.assertIn(done.returncode, (0, 1, 74), done.stderr)
        self.assertNotIn("Traceback", done.stderr)


class Cuts(Damage):
    def test_truncated_stores_are_refused(self):
        sizes = [0, 1, 7, 4095, 4096, 4097, self.map.size // 2, self.map.size - 1]
        sizes += [self.chance.randrange(self.map.size) for _ in range(CUTS - len(sizes))]
        for i, size in enumerate(sizes):
            shutil.copy(self.whole, self.store)
            os.truncate(self.store, size)
            code, found = self.verify()
            self.assertEqual((code, found["ok"]), (74, False), size)
            if i % 5 == 0:
                self.assertEqual(self.call("status", self.store).returncode, 74)
                self.assertEqual(self.call("export", self.store, "0", self.path("ticket.h5")).returncode, 74)
                self.assertFalse(os.path.exists(self.path("ticket.h5")))
                with self.assertRaises(read.StoreError):
                    read.Store(self.store)
        words = [word for one in (f"store={self.store}", *SETS) for word in ("--set", one)]
        self.assertEqual(self.call("run", SMOKE, *words, "--resume").returncode, 74)
        print(f"{len(sizes)} truncated stores, all refused", flush=True)

    def test_longer_stores_are_refused(self):
        for extra in (1, 4096):
            shutil.copy(self.whole, self.store)
            os.truncate(self.store, self.map.size + extra)
            self.assertEqual(self.verify()[0], 74)


class Resume(Damage):
    def test_just_the_damaged_rounds_run_again(self):
        rows = len(self.map.plan)
        for hurt in ({0: "weights"}, {1: "masks"}, {rows - 1: "commits"}, {2: "rounds", 4: "theta0", 5: "layers", 7: "commits"}):
            hurt = {row: section for row, section in hurt.items() if any(used[2:] == (row, section) for used in self.map.used)}
            for row, section in hurt.items():
                self.change(self.map.byte_of(row, section, self.chance))
            self.assertEqual(self.verify()[0], 74)
            self.assertEqual(self.resume(), sorted(hurt))
            code, found = self.verify()
            self.assertEqual((code, found["digest"], found["missing"]), (0, self.expected, 0))

    def test_random_damage_is_repaired(self):
        for _ in range(12 if FULL else 3):
            hurt = {}
            for _ in range(self.chance.randint(2, 12)):
                start, end, row, section = self.chance.choice(self.map.used)
                at = self.chance.randrange(start, end)
                if (row, section) not in hurt.values():
                    hurt[at] = (row, section)
                    self.change(at)
            self.assertEqual(self.resume(), sorted({row for row, _ in hurt.values()}))
            self.assertEqual(self.digest(self.store), self.expected)

    def test_under_mpirun(self):
        for row in (0, 3, len(self.map.plan) - 2):
            self.change(self.map.byte_of(row, "weights", self.chance))
        self.sweep(self.store, *SETS, resume=True, ranks=3)
        self.assertEqual(self.digest(self.store), self.expected)


if __name__ == "__main__":
    unittest.main()
