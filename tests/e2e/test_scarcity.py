"""What a user sees when something is missing or breaks: disk, memory, data, clocks, workers, trainings."""

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time
import unittest

from helpers import (PROGRAM, SMOKE, Case, kill_all, members, name_of, ranks_of, read, run, start, trainers_of,
                     wait_until, words_of)

WIDE = ("model.name=mlp-300-100",)  # rounds of 170 KB
LONG = ("train.steps=12000", "train.evaluate.every=500", "prune.rounds=1")
ENDLESS = ("train.steps=100000000", "train.evaluate.every=100000000", "prune.rounds=0", "seed=0", "prune.rate=0.2")
HEAVY = ("train.steps=60000", "train.evaluate.every=2000", "prune.rounds=1", "seed=0", "prune.rate=0.2")  # 3 rounds
RECOVER = ("--enable-recovery",)
FASHION = "/usr/share/datasets/fashion-mnist"


def mount(*words):
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise unittest.SkipTest(f"needs to mount: {done.stderr.strip() or 'refused'}")


class Scarcity(Case):
    def state(self, store):
        result = run("status", store, "--json")
        return json.loads(result.stdout) if result.returncode == 0 else {"state": None, "rounds_done": 0}

    def finish(self, process, code, timeout=40):
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            kill_all(process)
            out, err = process.communicate()
            self.fail(f"did not end within {timeout} s\n{out}\n{err}")
        self.assertEqual(process.returncode, code, f"{out}\n{err}")
        return out + err

    def launch(self, store, *sets, ranks=0, options=(), mpirun=()):
        process = start("run", SMOKE, *words_of(store, *sets), *options, ranks=ranks, mpirun=mpirun)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        kill_all(process)
        process.communicate()

    def expected(self, *sets):
        """Digest of an undisturbed run."""
        whole = self.path("whole.h5")
        self.sweep(whole, *sets)
        return self.digest(whole)


class Disk(Scarcity):
    def mount_tmpfs(self, size):
        folder = self.path("disk")
        os.makedirs(folder, exist_ok=True)
        mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
        self.addCleanup(subprocess.run, ["umount", "-l", folder], stderr=subprocess.DEVNULL, check=False)
        return folder

    def test_full_at_creation(self):
        folder = self.mount_tmpfs("64k")
        store = os.path.join(folder, "full.h5")
        error = self.sweep(store, *WIDE, code=74).stderr
        self.assertIn(store, error)
        self.assertIn("No space left on device", error)
        self.assertRegex(error, r"it takes [\d.]+ [KM]iB at first, [\d.]+ (B|KiB) are free")
        self.assertEqual(os.listdir(folder), ["full.h5.exit"])
        mount("-o", "remount,size=16m", folder)
        self.sweep(store, *WIDE)

    def test_full_at_commit(self):
        expected = self.expected(*WIDE)
        for ranks in (0, 3):
            folder = self.mount_tmpfs("1500k")
            store = os.path.join(folder, "full.h5")
            result = self.sweep(store, *WIDE, code=74, ranks=ranks)
            self.assertIn("not committed", result.stderr)
            self.assertIn(store, result.stderr)
            self.assertIn("--resume", result.stderr)
            self.assertEqual(read(store + ".exit"), b"74\n")
            found = self.json_of("verify", store)
            self.assertTrue(found["ok"])
            self.assertGreater(found["committed"], 0)
            self.assertGreater(found["missing"], 0)
            self.assertEqual(self.state(store)["state"], "stopped")
            mount("-o", "remount,size=16m", folder)
            self.sweep(store, *WIDE, resume=True, ranks=ranks)
            self.assertEqual(self.digest(store), expected)
            subprocess.run(["umount", "-l", folder], check=False)

    def test_read_only(self):
        folder = self.mount_tmpfs("4m")
        store = os.path.join(folder, "stays.h5")
        self.sweep(store)
        digest = self.digest(store)
        mount("-o", "remount,ro", folder)
        for words in ((store,), (os.path.join(folder, "new.h5"),)):
            error = self.sweep(*words, resume=True, code=74).stderr
            self.assertIn("Read-only file system", error)
            self.assertIn(folder, error)
        self.assertIn("Read-only", self.run_ok("retry", store, "--failed", code=74).stderr)
        self.assertEqual(self.digest(store), digest)
        self.assertEqual(self.state(store)["state"], "finished")

    def test_no_such_folder(self):
        error = self.sweep(self.path("none/x.h5"), code=74).stderr
        self.assertIn("No such file or directory", error)

    def test_file_size_limit(self):
        store = self.path("limited.h5")
        done = subprocess.run(["prlimit", "--fsize=20000000", PROGRAM, "run", SMOKE, *words_of(store, "model.name=mlp-1000-1000")],
                              capture_output=True, text=True, timeout=50, check=False)
        self.assertEqual(done.returncode, 74, done.stderr)
        self.assertIn("limited.h5", done.stderr)

    def test_full_shared_memory(self):
        """MPI-IO needs a semaphore in /dev/shm; our own shared memory is not there."""
        store = self.path("shm.h5")
        script = ("mount -t tmpfs -o size=4k tmpfs /dev/shm && ! head -c 8192 /dev/zero > /dev/shm/fill 2>/dev/null; "
                  'exec "$@"')

        def starve(*options):
            done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", PROGRAM, "run", SMOKE, *words_of(store),
                                   *options], capture_output=True, text=True, timeout=50, check=False)
            if "unshare" in done.stderr or "mount:" in done.stderr:
                self.skipTest("needs a mount namespace")
            self.assertEqual(done.returncode, 74, done.stdout + done.stderr)
            self.assertIn("/dev/shm", done.stderr)
            return done.stderr

        # That comes after the store was made: an empty one does not stay.
        self.assertIn("shm.h5 has no round in it and was removed again", starve())
        self.assertEqual(os.listdir(self.folder), ["shm.h5.exit"])
        # One that was there before does.
        process = self.launch(store, *ENDLESS)
        wait_until(lambda: self.state(store)["state"] == "running", 20, "the run")
        kill_all(process)
        process.communicate()
        starve("--resume", *(word for one in ENDLESS for word in ("--set", one)))
        self.assertTrue(os.path.exists(store))


class Memory(Scarcity):
    def test_more_planned_than_there_is(self):
        store = self.path("huge.h5")
        huge = ("model.name=mlp-40000-40000",)
        for ranks in (0, 3):
            error = self.sweep(store, *huge, code=1, ranks=ranks).stderr
            self.assertRegex(error, r"has [\d.]+ [KMG]iB of free memory.*but [\d.]+ [GT]iB are planned")
            self.assertIn(socket.gethostname(), error)
        self.assertFalse(os.path.exists(store))

    def test_address_limit(self):
        store = self.path("narrow.h5")
        done = subprocess.run(["prlimit", "--as=900000000", PROGRAM, "run", SMOKE,
                               *words_of(store, "model.name=mlp-6000-6000", "prune.rounds=0")],
                              capture_output=True, text=True, timeout=50, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"a process may have [\d.]+ MiB of memory \(ulimit -v\), but a training needs")
        self.assertFalse(os.path.exists(store))

    def test_trainer_that_gets_no_memory(self):
        """The limit is put on a server and its trainer only: their rank goes on and tells."""
        store = self.path("starved.h5")
        process = self.launch(store, *LONG, options=("--attempts", "2"))
        server = wait_until(lambda: [p for p in members(process.pid) if name_of(p) == "sw-server"], 20, "a server")[0]
        wait_until(lambda: self.state(store)["rounds_done"] >= 1, 20, "a round")
        for pid in (server, *trainers_of(process)):
            resource.prlimit(pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))
        text = self.finish(process, 2)
        self.assertRegex(text, r"out of memory|killed by signal|no memory|Cannot allocate")
        self.assertIn("attempt 1 of 2", text)
        self.assertGreater(self.state(store)["trials_failed"], 0)
        self.run_ok("retry", store, "--failed")
        self.sweep(store, *LONG, resume=True)
        self.assertEqual(self.digest(store), self.expected(*LONG))


class Data(Scarcity):
    SWEEP = ("sweep: data\ndata: {{name: fashion-mnist, dir: {dir}, limit: 500, validation: 100}}\n"
             "model: {{name: mlp-16-12}}\ntrain: {{steps: 20, batch: 20}}\nprune: {{rounds: 1}}\n")

    def setUp(self):
        super().setUp()
        self.dir = self.path("data")
        os.mkdir(self.dir)
        for name in os.listdir(FASHION):
            if name.endswith("ubyte.gz"):
                done = subprocess.run(["gzip", "-dc", os.path.join(FASHION, name)], capture_output=True, check=True)
                with open(os.path.join(self.dir, name[:-3]), "wb") as file:
                    file.write(done.stdout)
        self.yaml = self.write("data.yaml", self.SWEEP.format(dir=self.dir))
        self.store = self.path("data.h5")

    def go(self, code=0, resume=False):
        return self.sweep(self.store, resume=resume, code=code, sweep=self.yaml).stderr

    def spoil(self, name, offset):
        with open(os.path.join(self.dir, name), "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([(byte + 1) % 10]))

    def test_missing_damaged_and_changed(self):
        labels = "train-labels-idx1-ubyte"
        path = os.path.join(self.dir, labels)
        os.rename(path, path + ".away")
        self.assertIn(labels, self.go(code=74))
        os.rename(path + ".away", path)
        size = os.path.getsize(path)
        shutil.copy(path, path + ".whole")
        os.truncate(path, 300)
        error = self.go(code=74)
        self.assertIn(labels, error)
        self.assertRegex(error, r"\b300\b|offset|truncated")
        os.replace(path + ".whole", path)
        self.assertEqual(os.path.getsize(path), size)
        self.spoil(labels, 3)  # the magic number
        self.assertIn(labels, self.go(code=1))
        self.spoil(labels, 3)
        for _ in range(8):
            self.spoil(labels, 3)
        self.assertFalse(os.path.exists(self.store))
        self.go()
        self.spoil(labels, 50)  # one label of those that are used
        error = self.go(code=1, resume=True)
        self.assertIn("fashion-mnist", error)
        self.assertRegex(error, r"checksum|changed")


class Clocks(Scarcity):
    def edit_lock(self, store, **fields):
        path = store + ".lock"
        text = read(path).decode()
        for key, value in fields.items():
            text = re.sub(rf"(?m)^{key} .*$", f"{key} {value}", text)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)

    def test_locks_of_dead_runs_and_odd_clocks(self):
        store = self.path("clock.h5")
        process = self.launch(store, *ENDLESS)
        wait_until(lambda: self.state(store)["state"] == "running", 20, "the run")
        shutil.copy(store + ".lock", self.path("lock"))
        # The clock of the owner jumped, for one beat: it is on this host and lives.
        for shift in (-7200, 7200):
            self.edit_lock(store, heartbeat=time.time() + shift)
            self.assertEqual(self.state(store)["state"], "running")
        kill_all(process)
        process.communicate()
        self.assertEqual(self.state(store)["state"], "dead")
        # A lock from another host: its heartbeat is all there is, and it does not move.
        for shift, expected in ((-5, "running"), (-7200, "dead"), (86400, "dead")):
            shutil.copy(self.path("lock"), store + ".lock")
            self.edit_lock(store, host="elsewhere", pid=1, heartbeat=time.time() + shift)
            self.assertEqual(self.state(store)["state"], expected, shift)
        self.write("clock.h5.exit", "0\n")
        # Stale, with a stale exit file: taken over, and the exit file is gone while the run lives.
        process = self.launch(store, *ENDLESS, options=("--resume",))
        wait_until(lambda: self.state(store)["state"] == "running", 20, "the run")
        self.assertFalse(os.path.exists(store + ".exit"))
        process.send_signal(signal.SIGTERM)
        self.finish(process, 75)
        self.assertEqual(read(store + ".exit"), b"75\n")
        self.assertFalse(os.path.exists(store + ".lock"))


class Workers(Scarcity):
    def test_kill_of_a_worker(self):
        store = self.path("killed.h5")
        process = self.launch(store, *LONG, ranks=3, mpirun=RECOVER, options=("--lost-timeout", "2"))
        wait_until(lambda: self.state(store)["rounds_done"] >= 1, 20, "a round")
        os.kill(ranks_of(process)[2], signal.SIGKILL)
        text = self.finish(process, 0)
        self.assertRegex(text, r"rank 2 was not heard for [\d.]+ s")
        self.assertEqual(read(store + ".exit"), b"0\n")
        self.assertEqual(self.digest(store), self.expected(*LONG))

    def test_a_slow_worker(self):
        """Stopped nine tenths of the time: taken for lost, back again, and never harmful."""
        store = self.path("slow.h5")
        process = self.launch(store, *LONG, ranks=3, mpirun=RECOVER, options=("--lost-timeout", "1"))
        wait_until(lambda: self.state(store)["rounds_done"] >= 1, 20, "a round")
        slow = ranks_of(process)[1]
        while process.poll() is None:
            try:
                os.kill(slow, signal.SIGSTOP)
                time.sleep(1.8)
                os.kill(slow, signal.SIGCONT)
                time.sleep(0.2)
            except ProcessLookupError:
                break
        text = self.finish(process, 0)
        self.assertIn("rank 1 was not heard for", text)
        self.assertEqual(self.digest(store), self.expected(*LONG))

    def kill_and_resume(self, victim, seconds):
        """Kill rank 0 or mpirun; everything ends by itself, and --resume goes on."""
        store = self.path("ended.h5")
        process = self.launch(store, *HEAVY, ranks=3, mpirun=RECOVER, options=("--lost-timeout", "2"))
        wait_until(lambda: self.state(store)["rounds_done"] >= 1, 20, "a round")
        for pid in trainers_of(process):
            os.kill(pid, signal.SIGSTOP)  # nothing is finished meanwhile
        os.kill(victim(process), signal.SIGKILL)
        begin = time.monotonic()
        process.communicate(timeout=seconds)
        wait_until(lambda: not members(process.pid), seconds, "the end of all processes")
        self.assertLess(time.monotonic() - begin, seconds)
        self.assertEqual(self.state(store)["state"], "dead")
        self.assertFalse(os.path.exists(store + ".exit"))
        self.sweep(store, *HEAVY, resume=True)
        self.assertEqual(self.digest(store), self.expected(*HEAVY))

    def test_kill_of_rank_0(self):
        """The workers wait twice the time-out for it, and a little for each other."""
        self.kill_and_resume(lambda process: ranks_of(process)[0], 20)

    def test_kill_of_mpirun(self):
        self.kill_and_resume(lambda process: process.pid, 10)


class Trainings(Scarcity):
    def test_divergence(self):
        store = self.path("diverged.h5")
        lr = ("train.optimizer.lr=1000", "prune.rounds=1")
        result = self.sweep(store, *lr, code=2)
        self.assertIn("failed: training diverged", result.stdout)
        self.assertIn("retry", result.stdout)
        status = self.state(store)
        self.assertEqual((status["state"], status["trials_failed"], status["rounds_failed"]), ("finished", 4, 2))
        # Not tried again by itself; after retry it is, and diverges again.
        self.assertNotIn("failed:", self.sweep(store, *lr, code=2, resume=True).stdout)
        taken = self.json_of("retry", store, "--failed", "1")
        self.assertEqual(taken["taken_back"], 1)
        self.assertIn("diverged", taken["rounds"][0]["reason"])
        status = self.state(store)
        self.assertEqual((status["state"], status["rounds_failed"]), ("stopped", 1))
        self.assertEqual(self.json_of("retry", store, "--failed", "1")["taken_back"], 0)
        self.assertIn("1 failed rounds taken back", self.run_ok("retry", store, "--failed").stdout)
        self.assertEqual(self.sweep(store, *lr, code=2, resume=True).stdout.count("failed: training diverged"), 2)
        self.assertIn("no trial 4", self.run_ok("retry", store, "--failed", "4", code=1).stderr)

    def test_retry_is_refused_while_a_run_holds_the_store(self):
        store = self.path("held.h5")
        process = self.launch(store, *ENDLESS)
        wait_until(lambda: self.state(store)["state"] == "running", 20, "the run")
        self.assertIn(f"pid {process.pid}", self.run_ok("retry", store, "--failed", code=74).stderr)
        process.send_signal(signal.SIGTERM)
        self.finish(process, 75)

    def hit(self, store, number, options, code):
        process = self.launch(store, *LONG, options=options)
        for pid in wait_until(lambda: trainers_of(process), 20, "a trainer"):
            os.kill(pid, number)
        return self.finish(process, code)

    def test_a_crash_is_tried_again(self):
        store = self.path("crashed.h5")
        text = self.hit(store, signal.SIGSEGV, (), 0)
        self.assertIn("the trainer was killed by signal 11 (Segmentation fault) (attempt 1 of 3)", text)
        self.assertEqual(self.digest(store), self.expected(*LONG))

    def test_a_hang_is_ended(self):
        store = self.path("hung.h5")
        text = self.hit(store, signal.SIGSTOP, ("--hang-timeout", "1"), 0)
        self.assertIn("the trainer made no progress for 1 s (attempt 1 of 3)", text)
        self.assertEqual(self.digest(store), self.expected(*LONG))

    def test_theta0_of_a_crashed_round_is_there_for_others(self):
        """Two trials share their initial weights; the one whose round owns them fails for good."""
        with open(SMOKE, encoding="utf-8") as file:
            text = re.sub("grid:.*", "grid: {train.optimizer.lr: [3.0e-3, 2.0e-3]}\nstore: s.h5\n", file.read(), flags=re.S)
        words = ("run", self.write("shared.yaml", text), *(word for one in LONG for word in ("--set", one)))
        for name in ("whole", "crashed"):
            os.mkdir(self.path(name))
        self.run_ok(*words, cwd=self.path("whole"))
        process = start(*words, "--attempts", "1", cwd=self.path("crashed"))
        self.addCleanup(self.end, process)
        for pid in wait_until(lambda: trainers_of(process), 20, "a trainer"):
            os.kill(pid, signal.SIGSEGV)
        self.finish(process, 2)
        for name in ("whole", "crashed"):
            self.run_ok("export", "s.h5", "1:1", "ticket.h5", cwd=self.path(name))
        self.assertTrue(self.json_of("verify", self.path("crashed/s.h5"))["ok"])
        self.assertEqual(read(self.path("crashed/ticket.h5")), read(self.path("whole/ticket.h5")))

    def test_a_round_that_always_crashes(self):
        store = self.path("crash.h5")
        sets = ("train.steps=1000000", "prune.rounds=1", "seed=0", "prune.rate=0.2")
        process = self.launch(store, *sets, options=("--attempts", "2"))
        while process.poll() is None:
            for pid in trainers_of(process):
                os.kill(pid, signal.SIGSEGV)
            time.sleep(0.02)
        self.assertIn("killed by signal 11 (Segmentation fault), 2 times", self.finish(process, 2))
        self.run_ok("retry", store, "--failed")
        self.assertEqual(self.state(store)["rounds_failed"], 0)
