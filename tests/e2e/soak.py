"""Kill runs at random, as often as asked, and compare what is finished in the end with an undisturbed run.

    soak.py [--seconds 600 | --kills 300] [--seed N] [--json FILE]

A life is one store: it is begun, killed some times at moments from its creation to its end, taken up again with --resume
each time, and finished. After every kill the store, if it has its name already, opens in h5py, and verify finds no
damaged round. At the end of a life verify finds nothing missing and the digest of the undisturbed run.

What is killed: a training process; the server that starts these; a worker rank and rank 0, under --enable-recovery or
not; mpirun; everything at once. When: while the store is created (from the start of the processes on); while the ranks
start up together on a store that exists; while rounds are trained; while a round is being written; when all rounds are
done. Of what was killed least often the next is chosen. A run that outlives its kill is killed again.

A rank that dies under --enable-recovery is known by its silence only. Such runs are left alone until they have ended by
themselves, and another life goes on meanwhile. The moments come from the printed seed, but machines are not clocks: the
same seed tells the same story, not the same bytes.
"""

import argparse
import collections
import json
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")

import h5py

from helpers import kill_all, members, name_of, ranks_of, read, run, session_of, start, trainers_of

SWEEP = """sweep: soak
data: {name: synthetic, shape: [1, 28, 28], classes: 10, train: 400, test: 60, validation: 60}
model: {name: lenet-300-100}
train: {steps: 40, batch: 16, evaluate: {every: 20}, optimizer: {name: adam, lr: 2e-3}}
prune: {rounds: 2}
control: [reinit]
grid: {prune.rate: [0.2, 0.5], seed: [0, 1]}
store: store.h5
"""
# A lost rank is noticed after that many seconds, the silence of rank 0 after twice as many. A round is tried until
# nobody kills its trainer.
OPTIONS = ("--resume", "--lost-timeout", "3", "--attempts", "99")
KINDS = ("trainer", "server", "worker", "worker, recovery", "rank 0", "rank 0, recovery", "mpirun", "everything")
PHASES = ("creation", "start-up", "training", "writing", "finishing")
IMPOSSIBLE = {("trainer", "creation"): "a trainer is started with the first round, when the store exists",
              ("trainer", "start-up"): "a trainer is started with the first round, after the start-up"}
SECTIONS = ("theta0", "theta_k", "masks", "weights")  # in the order in which they are written
COMMIT_BYTES = 280
PROBE_BYTES = 64
RUN_SECONDS = 120  # the longest that a run may take to its end
START_SECONDS = 150  # MPI waits two minutes for a rank that does not come
SHORT_SECONDS = 1.5  # a run that is not over then is left alone
LIVES = 16  # at once, of which one is looked at and the others wait
GAVE_UP = 70  # exit code


class Failure(Exception):
    """The store or the program broke a promise."""


def demand(condition, text):
    if not condition:
        raise Failure(text)


class Layout:
    """Where a finished store has what tells how far a round is."""

    def __init__(self, path):
        with h5py.File(path, "r") as file:
            self.commits = file["/commits"].id.get_offset()
            plan, used = file["/plan/rounds"][()], file["/commits"][()]
            self.rounds = len(plan)
            self.probes = [self.probe(file, plan[row], used[row]) for row in range(self.rounds)]

    @staticmethod
    def probe(file, plan, commit):
        """Bytes of the first section of a round: they are zero until it is written."""
        for section in SECTIONS:
            if commit[section + "_length"] > 0:
                table = file[section]
                return table.id.get_offset() + int(plan[section + "_offset"]) * table.dtype.itemsize
        raise Failure("a round without a section")


class Watch:
    """Looks at a store from outside."""

    def __init__(self, path, layout):
        self.path, self.layout, self.map, self.old = path, layout, None, ()
        self.begun = time.time()
        self.found = self.committed()
        self.old = self.half_written()  # by an earlier run: what stands there tells nothing about this one

    def exists(self):
        if self.map is None and os.path.exists(self.path):
            with open(self.path, "rb") as file:
                self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self.map is not None

    def is_committed(self, row):
        at = self.layout.commits + COMMIT_BYTES * row
        return self.map[at:at + 8] == b"SWCOMMT1"

    def committed(self):
        return sum(map(self.is_committed, range(self.layout.rounds))) if self.exists() else 0

    def half_written(self):
        """Rows whose first bytes are there, and whose commit record is not."""
        if not self.exists():
            return ()
        return [row for row, at in enumerate(self.layout.probes) if row not in self.old
                and not self.is_committed(row) and self.map[at:at + PROBE_BYTES] != bytes(PROBE_BYTES)]

    def started(self):
        """The coordinator of this run has found its workers: a round is done, or its lock says so."""
        if self.committed() > self.found:
            return True
        lock = dict(line.partition(b" ")[::2] for line in read(self.path + ".lock").splitlines())
        try:
            return float(lock[b"started"]) > self.begun and int(lock[b"workers"]) > 0
        except (KeyError, ValueError):
            return False

    def phase(self):
        if not self.exists():
            return "creation"
        if self.half_written():
            return "writing"
        if not self.started():
            return "start-up"
        return "finishing" if self.committed() == self.layout.rounds else "training"


# victims: pids; worker: pid of the rank that cannot train without them; others: how many workers then still can
Aim = collections.namedtuple("Aim", "victims worker others")
NOBODY = Aim([], None, 0)


class Tally:
    """What was killed when, and what came of it."""

    def __init__(self):
        self.kills = collections.Counter()  # (kind, phase)
        self.tried = collections.Counter()  # the same, whether or not it came so
        self.seen = collections.Counter()
        self.stores = 0  # finished
        self.outlived = {}  # (kind, phase): [ended without a restart, all], where another worker was left

    def choose(self, cells, chance):
        """The cell that needs it most; one that is never met does not keep the others waiting."""
        def need(cell):
            return self.kills[cell] + 0.1 * (self.tried[cell] - self.kills[cell])
        least = min(map(need, cells))
        cell = chance.choice([one for one in cells if need(one) <= least + 0.5])
        self.tried[cell] += 1
        return cell

    def count_kill(self, aimed, cell):
        if cell != aimed:
            self.tried[cell] += 1
        self.kills[cell] += 1

    def count_end(self, cell, whole):
        counts = self.outlived.setdefault(cell, [0, 0])
        counts[0] += whole
        counts[1] += 1

    def total(self):
        return sum(self.kills.values())

    @staticmethod
    def place(item):
        return KINDS.index(item[0][0]), PHASES.index(item[0][1])

    def print(self):
        print(f"{'':18}" + "".join(f"{phase:>11}" for phase in PHASES) + f"{'all':>7}")
        for kind in KINDS:
            cells = ["-" if (kind, phase) in IMPOSSIBLE else str(self.kills[kind, phase]) for phase in PHASES]
            print(f"{kind:18}" + "".join(f"{cell:>11}" for cell in cells) + f"{sum(self.kills[kind, p] for p in PHASES):7}")
        for (kind, phase), why in IMPOSSIBLE.items():
            print(f"  - {kind}, {phase}: {why}")
        for (kind, phase), (whole, total) in sorted(self.outlived.items(), key=self.place):
            print(f"{kind} killed in {phase}, another worker left: {whole} of {total} sweeps ended without a restart")
        for what, count in sorted(self.seen.items()):
            print(f"{count:6} {what}")

    def describe(self):
        return {"kills": {kind: {phase: self.kills[kind, phase] for phase in PHASES if (kind, phase) not in IMPOSSIBLE}
                          for kind in KINDS},
                "impossible": {f"{kind}, {phase}": why for (kind, phase), why in IMPOSSIBLE.items()},
                "outlived": {f"{kind}, {phase}": {"without_restart": whole, "all": total}
                             for (kind, phase), (whole, total) in sorted(self.outlived.items(), key=self.place)},
                "seen": dict(self.seen)}


class Reference:
    """An undisturbed run: the digest to reach, and how long things take."""

    def __init__(self, home):
        self.sweep = os.path.join(home, "soak.yaml")
        with open(self.sweep, "w", encoding="utf-8") as file:
            file.write(SWEEP)
        folder = os.path.join(home, "whole")
        os.mkdir(folder)
        store = os.path.join(folder, "store.h5")
        begun = time.monotonic()
        process = start("run", self.sweep, *OPTIONS, ranks=3, cwd=folder, output=subprocess.DEVNULL)
        while not os.path.exists(store) and process.poll() is None:
            time.sleep(0.001)
        self.creation_seconds = time.monotonic() - begun
        changed = begun
        while process.poll() is None:
            demand(time.monotonic() - begun < RUN_SECONDS, "the undisturbed run does not end")
            if os.path.exists(store) and time.time_ns() - os.stat(store).st_mtime_ns < 5_000_000:
                changed = time.monotonic()
            time.sleep(0.001)
        demand(process.returncode == 0, "the undisturbed run failed")
        self.run_seconds, self.end_seconds = time.monotonic() - begun, time.monotonic() - changed
        found = verify(store)
        demand(found["ok"] and found["missing"] == 0, f"the undisturbed run: {found}")
        self.digest, self.layout = found["digest"], Layout(store)


def verify(store):
    done = run("verify", store, "--json")
    demand(done.returncode in (0, 74), f"verify: exit code {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout)


class Life:
    """One store from its creation to its end."""

    def __init__(self, number, seed, home, reference, tally):
        self.number, self.reference, self.tally = number, reference, tally
        self.chance = random.Random(f"{seed} {number}")
        self.folder = os.path.join(home, str(number))
        self.shared = os.path.join(self.folder, "shared")
        os.makedirs(self.shared)
        self.store = os.path.join(self.folder, "store.h5")
        self.ranks = self.chance.choice((0, 2, 3, 3, 3, 4, 4))
        self.recovery = self.ranks > 0 and self.chance.random() < 0.6
        self.durable = self.chance.random() < 0.3
        self.left = self.chance.randint(3, 10)  # kills
        self.process = self.watch = None
        self.outlived = []  # kills that the present run should survive
        self.story = []

    # ---- runs ------------------------------------------------------------------------------------------

    def begin(self):
        """Start a run, as slurm/sweep.sbatch does; what killed ranks leave in memory stays below our folder."""
        if os.path.exists(self.store + ".exit"):
            os.remove(self.store + ".exit")
        self.watch = Watch(self.store, self.reference.layout)
        with open(os.path.join(self.folder, "log"), "wb") as out:
            self.process = start(
                "run", self.reference.sweep, *OPTIONS, *(["--durable"] if self.durable else []), ranks=self.ranks,
                cwd=self.folder, mpirun=("--enable-recovery",) if self.recovery else (), output=out,
                OMPI_MCA_btl_vader_backing_directory=self.shared, OMPI_MCA_orte_tmpdir_base=self.shared)

    def log(self):
        return read(os.path.join(self.folder, "log")).decode(errors="replace")

    def is_over(self):
        return self.process.poll() is not None and not members(self.process.pid)

    def wait(self, seconds):
        """Until the run has ended; others may go on meanwhile. False when it does not end in time."""
        now = time.monotonic()
        while not self.is_over():
            waited = time.monotonic() - now
            if waited > seconds:
                return False
            if waited > SHORT_SECONDS:
                yield
            else:
                time.sleep(0.01)
        return True

    def clear(self):
        """Nothing of a run is left."""
        kill_all(self.process)
        end = time.monotonic() + 20
        while not self.is_over():
            demand(time.monotonic() < end, "processes that kill -9 does not end")
            time.sleep(0.01)
        shutil.rmtree(self.shared, ignore_errors=True)
        os.makedirs(self.shared)

    def exit_code(self):
        """mpirun's own code says nothing under --enable-recovery."""
        if not self.recovery:
            return self.process.returncode
        text = read(self.store + ".exit").strip()
        return int(text) if text else None

    # ---- whom to kill ----------------------------------------------------------------------------------

    def workers(self):
        """A run without mpirun is rank 0, and its own worker."""
        if self.ranks == 0:
            return [self.process.pid]
        return [pid for rank, pid in ranks_of(self.process).items() if rank > 0]

    def servers(self):
        """{pid: pid of its worker}"""
        found, workers = {}, self.workers()
        for pid in members(self.process.pid):
            fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
            if name_of(pid) == "sw-server" and int(fields[1]) in workers:
                found[pid] = int(fields[1])
        return found

    def candidates(self, kind):
        if kind == "trainer":
            return trainers_of(self.process)
        if kind == "server":
            return list(self.servers())
        if kind == "mpirun" or self.ranks == 0:
            return [self.process.pid]
        if kind.startswith("worker"):
            return self.workers()
        return [pid for rank, pid in ranks_of(self.process).items() if rank == 0]

    def aim(self, kind):
        """Whom to kill; nobody when there is no such process now."""
        if kind == "everything":
            return Aim(members(self.process.pid), None, 0)
        found = sorted(self.candidates(kind))
        if not found:
            return NOBODY
        victim = self.chance.choice(found)
        worker = self.servers().get(victim, victim)
        others = len(set(self.workers()) - self.hurt - {worker})
        return Aim([victim], worker, others) if others > 0 or not self.outlived or kind == "trainer" else NOBODY

    def kinds(self):
        if self.ranks == 0:
            return ["trainer", "server", "rank 0", "everything"]
        if self.recovery:
            return ["trainer", "server", "worker, recovery", "rank 0, recovery", "mpirun", "everything"]
        return ["trainer", "server", "worker", "rank 0", "mpirun", "everything"]

    def cells(self, fresh):
        """What may be tried now. When the run should live through what was killed, nothing worse comes."""
        kinds = self.kinds()
        if self.outlived:
            kinds = [kind for kind in kinds if kind in ("trainer", "server", "worker, recovery")]
        phases = ["finishing"]
        if self.watch.committed() < self.watch.layout.rounds:
            phases += ["training", "writing"]
        if fresh:
            phases.append("start-up" if self.watch.exists() else "creation")
        return [(kind, phase) for kind in kinds for phase in phases if (kind, phase) not in IMPOSSIBLE]

    # ---- when ------------------------------------------------------------------------------------------

    def pause(self, kind, phase):
        """Until the phase is there and a random part of it is over, or the run is. Returns whom to kill then: looking
        for them takes longer than a write or the end of a run, so for these they are chosen before."""
        if phase == "writing":
            return self.pause_until_writing(kind)
        if phase == "finishing":
            return self.pause_until_finishing(kind)
        reference, watch = self.reference, self.watch
        while phase == "training" and self.process.poll() is None and not watch.started():
            time.sleep(0.001)
        seconds = 1.1 * reference.creation_seconds
        if phase == "training":
            left = 1 - watch.committed() / watch.layout.rounds
            seconds = 0.9 * left * (reference.run_seconds - reference.creation_seconds)
        time.sleep(self.chance.random() * seconds)
        return self.aim(kind)

    def pause_until_finishing(self, kind):
        watch, aim, end = self.watch, NOBODY, self.reference.end_seconds
        while self.process.poll() is None and not (watch.committed() == watch.layout.rounds and watch.started()):
            if watch.committed() >= watch.layout.rounds - 2 and watch.started() and not self.are_alive(aim.victims):
                aim = self.aim(kind)
            time.sleep(0.0001)
        time.sleep(self.chance.random() * {"trainer": 0.001, "server": 0.005}.get(kind, end))  # these end first
        return aim

    def pause_until_writing(self, kind):
        writes, last, aim = self.chance.randint(1, self.watch.layout.rounds // 2), (), NOBODY
        while self.process.poll() is None:
            now = self.watch.half_written()
            writes -= bool(now) and now != last
            last = now
            if writes <= 0 and now and aim.victims:
                time.sleep(self.chance.choice((0, 0.0002)))
                if self.watch.half_written():
                    break
            if writes <= 1 and not now and self.watch.started() and not self.are_alive(aim.victims):
                aim = self.aim(kind)
            time.sleep(0.00005)
        return aim

    # ---- kills -----------------------------------------------------------------------------------------

    def are_alive(self, pids):
        """A number that another process has got meanwhile is not ours."""
        return bool(pids) and all(session_of(pid)[0] == self.process.pid for pid in pids)

    def kill(self, victims):
        """How many were there to be killed."""
        killed = 0
        for pid in victims:
            if self.are_alive([pid]):
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    pass
        return killed

    def kill_once(self, fresh):
        """One kill in the present run; false when there was nobody to kill."""
        kind, phase = aimed = self.tally.choose(self.cells(fresh), self.chance)
        aim = self.pause(kind, phase)
        at = self.watch.phase()
        if self.process.poll() is not None or self.kill(aim.victims) == 0:
            self.tally.seen["times that nobody was there to be killed"] += 1
            return False
        self.tally.count_kill(aimed, (kind, at))
        self.story.append(f"{kind} in {at}")
        self.left -= 1
        self.early |= at in ("creation", "start-up")
        if kind in ("server", "worker, recovery"):
            self.hurt.add(aim.worker)
            self.outlived.append(((kind, at), aim.others))
        self.deadly = kind != "trainer" and (self.early or aim.others == 0 or not self.outlived)
        return True

    def kill_some(self):
        """One run with its kills. True when the sweep came to its end all the same."""
        self.begin()
        self.hurt, self.outlived, self.early, self.deadly, fresh = set(), [], False, False, True
        while self.left > 0 and not self.deadly and self.process.poll() is None:
            if self.kill_once(fresh):
                if not self.deadly:
                    self.look("while it goes on")
            elif self.watch.committed() == self.watch.layout.rounds:
                break
            fresh = False
        if not (yield from self.wait(START_SECONDS if self.early else RUN_SECONDS)):
            self.forgive()
        code = self.exit_code()
        whole = code == 0 and self.watch.committed() == self.watch.layout.rounds
        self.story.append(f"exit code {code}")
        self.judge(code, whole)
        self.clear()
        self.look("afterwards")
        self.tally.seen["rounds whose write was cut short"] += len(self.watch.half_written())
        return whole

    def forgive(self):
        """mpirun waits for its own lock when a rank dies while it connects to it (PMIx 4.2.2: one thread holds the lock
        that the answer to the connection takes again). What is ours has to end all the same."""
        left = [(pid, name_of(pid)) for pid in members(self.process.pid)]
        demand(self.early and left == [(self.process.pid, "mpirun")], f"{self}: left are {left}\n{self.log()}")
        self.story.append("mpirun hangs")
        self.tally.seen["times that mpirun hung for good after a rank had died in MPI_Init, and was killed"] += 1

    def judge(self, code, whole):
        """Is this how a run may end after what was killed in it?"""
        if not self.deadly and not self.outlived:  # trainers only
            demand(whole, f"{self}\n{self.log()}")
        elif self.outlived:
            demand(code in (0, GAVE_UP) or (code is None and self.early), f"{self}\n{self.log()}")
        for (kind, phase), others in self.outlived:
            if others > 0:
                self.tally.count_end((kind, phase), whole)
            else:
                self.tally.seen[f"{kind} killed that was the only one: sweeps that stopped"] += not whole

    def look(self, when):
        """What must be true of a store at any time."""
        if not os.path.exists(self.store):
            return
        with h5py.File(self.store, "r") as file:
            demand(len(file["/commits"][()]) == self.watch.layout.rounds, f"{self}, {when}: /commits cannot be read")
            file["/rounds"][()], file["/plan/rounds"][()]
        found = verify(self.store)
        demand(found["damaged"] == 0, f"{self}, {when}: {found}")
        self.tally.seen[f"looks at a store {when}"] += 1
        self.tally.seen["torn commit records"] += found["torn"]

    def live(self):
        begun = time.monotonic()
        while self.left > 0 and not (yield from self.kill_some()):
            pass
        self.outlived = []
        self.begin()
        demand((yield from self.wait(RUN_SECONDS)), f"{self}: the last run does not end\n{self.log()}")
        demand(self.exit_code() == 0, f"{self}: the last run: exit code {self.exit_code()}\n{self.log()}")
        found = verify(self.store)
        demand(found["ok"] and found["missing"] == 0, f"{self}: the last run left {found}")
        demand(found["digest"] == self.reference.digest, f"{self}: digest {found['digest']} is not {self.reference.digest}")
        self.tally.stores += 1
        left = [name for name in os.listdir(self.folder) if name not in ("store.h5", "store.h5.exit", "log", "shared")]
        self.tally.seen["files left beside a store"] += len(left)
        print(f"{self}; same digest, {time.monotonic() - begun:.1f} s" + (f"; left: {left}" if left else ""), flush=True)
        shutil.rmtree(self.folder)

    def __str__(self):
        words = [f"{self.ranks} ranks" if self.ranks else "alone"]
        words += ["recovery"] * self.recovery + ["durable"] * self.durable
        return f"store {self.number} ({', '.join(words)}): {'; '.join(self.story) or 'nothing killed'}"


def soak(options, seed, home, tally):
    """Lives until it is enough; while runs are waited for, others go on."""
    reference = Reference(home)
    print(f"undisturbed: digest {reference.digest}, {reference.run_seconds:.1f} s, of which {reference.creation_seconds:.2f} s "
          f"until the store is there and {reference.end_seconds:.2f} s after the last round", flush=True)
    end = time.monotonic() + options.seconds
    lives, begun = {}, 0
    try:
        while True:
            enough = tally.total() >= options.kills or time.monotonic() >= end
            if enough and begun > 0 and not lives:
                return
            if len(lives) < LIVES and (not enough or begun == 0):
                begun += 1
                life = Life(begun, seed, home, reference, tally)
                lives[life] = life.live()
            for life, steps in list(lives.items()):
                life.left = 0 if enough else life.left
                if next(steps, lives) is lives:
                    del lives[life]
            time.sleep(0.02)
    finally:
        for life in lives:
            if life.process is not None:
                kill_all(life.process)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=None)
    parser.add_argument("--kills", type=int, default=None)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--json", default=None, help="file for the table")
    options = parser.parse_args()
    if options.seconds is None:
        options.seconds = float("inf") if options.kills else 600.0
    options.kills = options.kills or float("inf")
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}", flush=True)
    home, tally, failure = tempfile.mkdtemp(prefix="sweepstake-soak-"), Tally(), None
    begun = time.monotonic()
    try:
        soak(options, seed, home, tally)
        shutil.rmtree(home, ignore_errors=True)
    except Failure as found:
        failure = found
    seconds = time.monotonic() - begun
    print(f"{tally.stores} stores, {tally.total()} kills, {seconds:.0f} s")
    tally.print()
    if failure is not None:
        print(f"FAILED with seed {seed}: {failure}\nkept: {home}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"seed": seed, "seconds": seconds, "stores": tally.stores, "all": tally.total(), "ok": failure is None,
                       **tally.describe()}, file, indent=1)
    return 0 if failure is None else 1


if __name__ == "__main__":
    sys.exit(main())
