"""Kill runs at random for as long as asked, and compare what is finished in the end with an undisturbed run.

    soak.py [--seconds 600] [--seed N]

A life is one store: it is begun, killed one to six times at moments from its creation to its end, taken up again with
--resume each time, and finished. After every kill the store, if it has its name already, opens in h5py, and verify finds
no damaged round. At the end of a life verify finds nothing missing and the digest of the undisturbed run.

What is killed: a training process; a worker rank, rank 0 or mpirun (under --enable-recovery or not); everything at once.
When: while the store is created; while the ranks start up together; while rounds are trained; when a round is being
written; when all rounds are done. Under --enable-recovery a rank that dies during the start-up is waited for by the others
for a quarter of an hour: there everything is killed, as a person would. The moments come from the printed seed, but machines are not clocks: the same seed tells the same story, not the same bytes.
"""

import argparse
import collections
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time

os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")

import h5py

from helpers import kill_all, members, run, session_of, start

SWEEP = """sweep: soak
data: {name: synthetic, shape: [1, 28, 28], classes: 10, train: 400, test: 60, validation: 60}
model: {name: lenet-300-100}
train: {steps: 40, batch: 16, evaluate: {every: 20}, optimizer: {name: adam, lr: 2e-3}}
prune: {rounds: 2}
control: [reinit]
grid: {prune.rate: [0.2, 0.5], seed: [0, 1]}
"""
KINDS = ("trainer", "worker", "rank 0", "mpirun", "everything")
PHASES = ("creation", "start-up", "training", "writing", "finishing")
COMMIT_BYTES = 256
RUN_SECONDS = 120  # the longest that an undisturbed run may take
STUBBORN_SECONDS = 100  # ranks end by themselves when rank 0 or mpirun is gone: silence of 60 s, and some
WAIT_SHARE = 0.15  # of the kills that take half a minute or more to be noticed are waited for


class Failure(Exception):
    """The store or the program broke a promise."""


def demand(condition, text):
    if not condition:
        raise Failure(text)


class Processes:
    """Who is who among the processes of a run."""

    def __init__(self, session):
        self.parent, self.words = {}, {}
        for pid in members(session):
            try:
                with open(f"/proc/{pid}/stat", "rb") as file:
                    self.parent[pid] = int(file.read().rpartition(b")")[2].split()[1])
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    self.words[pid] = file.read().split(b"\0")
            except OSError:
                pass

    def servers(self):
        return [pid for pid, words in self.words.items() if b"--trainer-server" in words]

    def trainers(self):
        servers = set(self.servers())
        return [pid for pid in servers if self.parent[pid] in servers]

    def ranks(self):
        """{rank: pid}; a run without mpirun is rank 0."""
        found = {}
        for pid, words in self.words.items():
            if b"run" not in words[:2] or b"--trainer-server" in words:
                continue
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    values = dict(item.partition(b"=")[::2] for item in file.read().split(b"\0"))
            except OSError:
                continue
            found[int(values.get(b"OMPI_COMM_WORLD_RANK", b"0"))] = pid
        return found


class Watch:
    """Looks at a store from outside, with plain reads."""

    def __init__(self, path, commits_at, rounds):
        self.path, self.commits_at, self.rounds = path, commits_at, rounds
        self.begun, self.found = time.time(), self.committed()

    def changed(self):
        """Time of the last write, None before the store has its name."""
        try:
            return os.stat(self.path).st_mtime_ns
        except FileNotFoundError:
            return None

    def committed(self):
        try:
            with open(self.path, "rb") as file:
                file.seek(self.commits_at)
                table = file.read(COMMIT_BYTES * self.rounds)
        except FileNotFoundError:
            return 0
        return sum(table[at:at + 8] == b"SWCOMMT1" for at in range(0, len(table), COMMIT_BYTES))

    def started(self):
        """The coordinator of this run has found its workers: a round is done, or its lock says so."""
        if self.committed() > self.found:
            return True
        try:
            with open(self.path + ".lock", encoding="utf-8", errors="replace") as file:
                lock = dict(line.partition(" ")[::2] for line in file.read().splitlines() if line)
            return float(lock["started"]) > self.begun and int(lock["workers"]) > 0
        except (OSError, KeyError, ValueError):
            return False

    def phase(self):
        changed = self.changed()
        if changed is None:
            return "creation"
        if time.time_ns() - changed < 2_000_000:
            return "writing"
        if self.committed() == self.rounds:
            return "finishing"
        return "training" if self.started() else "start-up"


class Soak:
    def __init__(self, seed, home):
        self.chance = random.Random(seed)
        self.home = home
        self.sweep = os.path.join(home, "soak.yaml")
        self.shared = os.path.join(home, "shared")
        os.mkdir(self.shared)
        with open(self.sweep, "w", encoding="utf-8") as file:
            file.write(SWEEP)
        self.kills = collections.Counter()
        self.seen = collections.Counter()
        self.creation_seconds = self.run_seconds = 0.0
        self.process = None

    # ---- runs ------------------------------------------------------------------------------------------

    def begin(self, store, ranks, recovery):
        """Start a run; what killed ranks leave in memory stays below our folder."""
        with open(os.path.join(self.home, "log"), "wb") as out:
            self.process = start("run", self.sweep, "--set", f"store={store}", "--resume", ranks=ranks,
                                 mpirun=("--enable-recovery",) if recovery else (), output=out,
                                 OMPI_MCA_btl_vader_backing_directory=self.shared, OMPI_MCA_orte_tmpdir_base=self.home)
        return self.process

    def log(self):
        with open(os.path.join(self.home, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    @staticmethod
    def wait(process, seconds):
        """True when the process ended by itself within its time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if process.poll() is not None and not members(process.pid):
                return True
            time.sleep(0.01)
        return False

    def clear(self, process):
        """Nothing of a run is left."""
        kill_all(process)
        process.wait(timeout=10)
        demand(self.wait(process, 10), "processes that kill -9 does not end")
        shutil.rmtree(self.shared, ignore_errors=True)
        os.makedirs(self.shared, exist_ok=True)

    def verify(self, store):
        done = run("verify", store, "--json")
        demand(done.returncode in (0, 74), f"verify: exit code {done.returncode}\n{done.stderr}")
        return json.loads(done.stdout)

    def undisturbed(self):
        """The digest to reach, and how long things take."""
        store = os.path.join(self.home, "whole.h5")
        begun = time.monotonic()
        process = self.begin(store, 3, False)
        while not os.path.exists(store) and process.poll() is None:
            time.sleep(0.001)
        self.creation_seconds = time.monotonic() - begun
        demand(self.wait(process, RUN_SECONDS) and process.returncode == 0, f"the undisturbed run failed\n{self.log()}")
        self.run_seconds = time.monotonic() - begun
        found = self.verify(store)
        demand(found["ok"] and found["missing"] == 0, f"the undisturbed run: {found}")
        with h5py.File(store, "r") as file:
            self.commits_at, self.rounds = file["/commits"].id.get_offset(), len(file["/commits"])
        return found["digest"]

    # ---- kills -----------------------------------------------------------------------------------------

    def wait_for_moment(self, phase, watch, process, choose):
        """Until the moment that the lot chose, or the end of the run. Returns whom to kill then: looking for them
        takes longer than a write, so for that they are chosen before."""
        delay = self.chance.random()
        if phase == "creation":
            time.sleep(delay * self.creation_seconds * 1.1)
        elif phase == "start-up":
            time.sleep(self.creation_seconds * (0.5 + delay))
        elif phase == "training":
            left = 1 - watch.committed() / self.rounds
            time.sleep(self.creation_seconds + 0.9 * delay * left * (self.run_seconds - self.creation_seconds))
        elif phase == "finishing":
            while process.poll() is None and watch.committed() < self.rounds:
                time.sleep(0.001)
            time.sleep(delay * 0.05)
        else:
            return self.wait_for_write(watch, process, choose)
        return choose()

    def wait_for_write(self, watch, process, choose):
        wanted, last, victims = self.chance.randint(2, 3 * self.rounds), watch.changed(), []
        while process.poll() is None:
            now = watch.changed()
            if now == last:
                continue
            wanted, last = wanted - 1, now
            victims = victims or choose()
            if wanted <= 0 and now == watch.changed():
                time.sleep(self.chance.random() * 0.0005)
                break
        return victims

    def victims(self, kind, process, ranks):
        """Processes to kill; none when there is no such process at this moment."""
        if kind == "everything":
            return members(process.pid)
        table = Processes(process.pid)
        if kind == "trainer":
            found = table.trainers()
        elif kind == "mpirun":
            found = [process.pid] if ranks else []
        else:
            found = [pid for rank, pid in table.ranks().items() if (rank == 0) == (kind == "rank 0")]
        return [self.chance.choice(sorted(found))] if found else []

    @staticmethod
    def kill(victims, process):
        """How many were there to be killed; a number that another process has got meanwhile is left alone."""
        killed = 0
        for pid in victims:
            if session_of(pid)[0] == process.pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    pass
        return killed

    def kill_once(self, store, ranks, recovery, kind, phase):
        """One run with one kill. True when the sweep came to its end all the same."""
        watch = Watch(store, self.commits_at, self.rounds)
        process = self.begin(store, ranks, recovery)
        victims = self.wait_for_moment(phase, watch, process, lambda: self.victims(kind, process, ranks))
        at = watch.phase()
        if process.poll() is None and self.kill(victims, process) > 0:
            self.kills[kind, at] += 1
            self.let_end(process, kind, ranks > 0 and recovery, at)
        else:
            self.seen["nobody to kill, or the run was over"] += 1
            demand(self.wait(process, RUN_SECONDS), f"a run without a kill does not end\n{self.log()}")
        whole = process.poll() == 0 and watch.committed() == self.rounds
        self.clear(process)
        self.check(store, f"{kind} killed in {at}, {ranks} ranks, recovery {recovery}")
        return whole

    def let_end(self, process, kind, recovery, at):
        """Give the run the time that it needs to end by itself; what has to end is not helped."""
        lonely = recovery and kind in ("worker", "rank 0")
        if kind == "everything":
            return
        if lonely and (at in ("creation", "start-up") or self.chance.random() > WAIT_SHARE):
            time.sleep(self.chance.random() * 2)
            self.seen["given up after a lost rank"] += 1
            return
        ended = self.wait(process, STUBBORN_SECONDS + RUN_SECONDS)
        demand(ended, f"{len(members(process.pid))} processes are left after {kind} was killed in {at}\n{self.log()}")
        if kind == "trainer":
            demand(process.returncode == 0, f"exit code {process.returncode} after a trainer was killed in {at}\n{self.log()}")
        if lonely:
            self.seen[f"waited for the end after {kind} was killed"] += 1

    def check(self, store, what):
        if not os.path.exists(store):
            return
        with h5py.File(store, "r") as file:
            demand(len(file["/commits"][()]) == self.rounds, f"{what}: /commits cannot be read")
            file["/rounds"][()], file["/plan/rounds"][()]
        found = self.verify(store)
        demand(found["damaged"] == 0, f"{what}: {found}")
        self.seen["torn commit records"] += found["torn"]

    def live(self, expected):
        """One store from its creation to its end."""
        store = os.path.join(self.home, "store.h5")
        ranks, recovery = self.chance.choice((0, 3, 3, 4)), self.chance.random() < 0.75
        kinds = [kind for kind in KINDS if ranks or kind not in ("worker", "mpirun")]
        for kill in range(self.chance.randint(1, 6)):
            kind = self.chance.choice(kinds)
            # A store is created once, and there are no trainers before the first round.
            first = 2 if kind == "trainer" else 1 if kill > 0 else 0
            if self.kill_once(store, ranks, recovery, kind, self.chance.choice(PHASES[first:])):
                break
        process = self.begin(store, ranks, recovery)
        demand(self.wait(process, RUN_SECONDS), f"the last run does not end\n{self.log()}")
        demand(process.returncode == 0, f"the last run: exit code {process.returncode}\n{self.log()}")
        found = self.verify(store)
        demand(found["ok"] and found["missing"] == 0, f"the last run left {found}")
        demand(found["digest"] == expected, f"digest {found['digest']} is not {expected}")
        left = [name for name in os.listdir(self.home) if name.startswith("store.h5") and name not in ("store.h5", "store.h5.exit")]
        self.seen["files left beside the store"] += len(left)
        for name in os.listdir(self.home):
            if name.startswith("store.h5"):
                os.remove(os.path.join(self.home, name))

    def report(self, lives):
        print(f"{lives} stores, {sum(self.kills.values())} kills")
        print(f"{'':12}" + "".join(f"{phase:>11}" for phase in PHASES))
        for kind in KINDS:
            print(f"{kind:12}" + "".join(f"{self.kills[kind, phase]:11}" for phase in PHASES))
        for what, count in sorted(self.seen.items()):
            print(f"{count:6} {what}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}", flush=True)
    home = tempfile.mkdtemp(prefix="sweepstake-soak-")
    soak, lives = Soak(seed, home), 0
    end = time.monotonic() + options.seconds
    try:
        expected = soak.undisturbed()
        print(f"undisturbed: digest {expected}, {soak.run_seconds:.1f} s", flush=True)
        while time.monotonic() < end or lives == 0:
            soak.live(expected)
            lives += 1
    except Failure as failure:
        kill_all(soak.process)
        soak.report(lives)
        print(f"FAILED with seed {seed} in store {lives + 1}: {failure}\nkept: {home}")
        return 1
    soak.report(lives)
    shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
