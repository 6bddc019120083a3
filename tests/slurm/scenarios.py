"""What disturbances of a job cost: one run of slurm/sweep.sbatch per scenario on three simulated nodes, and one
that is preempted again and again. Prints Markdown tables; slurm/README.md shows such tables. See --help."""

import argparse
import os
import platform
import random
import signal
import statistics
import sys
import threading
import time

import h5py

import cluster
import jobs
from jobs import OVER, RUNNING, TOP, digest_of, words_of

SWEEP = os.path.join(TOP, "jobs", "lenet-300-100-fashion.yaml")
SHORT = ("train.epochs=null", "train.steps=3000", "train.evaluate.every=500", "prune.rounds=3",
         "grid.seed=[0, 1, 2, 3]")  # 4 dense rounds, 12 tickets, 12 controls
LONG = ("train.epochs=null", "train.steps=6000", "train.evaluate.every=1000", "prune.rounds=3",
        "grid.seed=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]")  # 98 rounds
PATIENCE = 3600  # seconds for a whole job
LOOK = 0.2  # seconds between two looks at the state of a job

NOTES = """\
- restarts: how often Slurm started the job again.
- down: seconds from the disturbance until the job runs again; most of it is Slurm's own wait before it starts a
  requeued job, here 5 s and the turn of its scheduler (cred_expire=5), by default about 2 minutes.
- to training: seconds from there (without a restart: from the disturbance) until a disturbed round was handed to a
  worker again. To a result: from the restart until the first round was finished.
- saved, lost: rounds in training when it happened that went on where they were, and that began again.
- repeated: rounds that were finished before and trained again.
- useful: seconds of training steps and evaluations whose result is in the store / (workers x seconds in which Slurm
  called the job running).
- digest: `verify` prints that of the undisturbed job."""


# ---- looking on ---------------------------------------------------------------------------------------------


class Watch(threading.Thread):
    """When Slurm called a job running: [[from, to], ...], and its last state."""

    def __init__(self, slurm, job):
        super().__init__(daemon=True)
        self.slurm, self.job = slurm, job
        self.spans, self.state, self.begin, self.end = [], "PENDING", time.time(), None
        self.restarts = self.looks = 0
        self.ending = threading.Event()
        self.start()

    def run(self):
        while not self.ending.wait(LOOK):
            found = self.slurm.job(self.job)
            now, state = time.time(), found["JobState"]
            if state in RUNNING and (self.state not in RUNNING or int(found["Restarts"]) != self.restarts):
                self.spans.append([now, now])
            if state in RUNNING:
                self.spans[-1][1] = now
            self.state, self.restarts = state, int(found["Restarts"])
            # On its way back into the queue a job may have failed for a moment.
            self.looks = self.looks + 1 if state in OVER else 0
            if self.looks == 10:
                self.end = now - 10 * LOOK
                return

    def stop(self):
        self.ending.set()
        self.join()

    def running(self):
        return sum(end - begin for begin, end in self.spans)


def rounds_of(store):
    """{row: record} of the finished rounds."""
    with h5py.File(store, "r") as file:
        return {row: record for row, record in enumerate(file["rounds"][()]) if record["status"]}


def useful_seconds(rounds):
    """Training whose result is kept; what was saved and went on counts once, what was thrown away does not."""
    return sum(float(record["train_seconds"] + record["evaluate_seconds"]) for record in rounds.values())


def after(rounds, moment, value):
    """Seconds from `moment` to the first round with a later `value`."""
    later = [value(record) - moment for record in rounds.values() if value(record) >= moment]
    return min(later) if later else None


def started(record):
    return float(record["started"])


def ended(record):
    return float(record["started"] + record["total_seconds"])


# ---- one scenario -------------------------------------------------------------------------------------------


class Scenario:
    """A job with a worker on each of `nodes`; `hit` is done to it in the middle."""

    def __init__(self, bench, name, sets=SHORT, nodes=3, options=(), words=()):
        self.bench, self.name, self.sets, self.nodes = bench, name, sets, nodes
        self.slurm = bench.slurm
        self.store = bench.path(name + ".h5")
        self.options = ["-w", f"n[0-{nodes - 1}]", "-N", nodes, "--ntasks-per-node=1", *options]
        self.words = [SWEEP, *words_of(self.store, sets), *words]
        self.submit()

    def submit(self):
        self.job = self.bench.submit(self.name, self.options, self.words)
        self.watch = Watch(self.slurm, self.job)

    def wait_for_middle(self):
        """A fifth of the rounds is finished, and the others have been trained for a while."""
        total = 28 if self.sets is SHORT else 98
        self.bench.wait_for_rounds(self.store, total // 5, seconds=600)
        time.sleep(2)

    def wait_for_line(self, text, seconds=300):
        self.bench.wait_for_line(self.name, text, seconds)

    def hit(self, what):
        """Do it; remember when, and what was there."""
        self.before = rounds_of(self.store)
        self.training = self.nodes
        self.log_before = self.bench.log(self.name)
        self.moment = time.time()
        what()

    def finish(self):
        self.slurm.wait_until(lambda: self.watch.end is not None, PATIENCE, f"the end of {self.name}")
        state = self.watch.state
        if state != "COMPLETED":
            raise AssertionError(f"{self.name} is {state}\n{self.bench.log(self.name)[-3000:]}")
        self.bench.all_gone(self.job, 20)
        self.rounds = rounds_of(self.store)
        self.digest = digest_of(self.store)

    def share(self):
        return useful_seconds(self.rounds) / (self.nodes * self.watch.running())

    def row(self, hit_rounds, recovered=None):
        """Cells of the table. `recovered`: when the work went on, if it did without a restart."""
        repeated = sum(self.before[row]["started"] != self.rounds[row]["started"] for row in self.before)
        saved = self.bench.log(self.name)[len(self.log_before):].count(": resumes at step")
        again = next((begin for begin, _ in self.watch.spans if begin > self.moment), None)
        origin = again or self.moment
        training = recovered - self.moment if recovered else after(self.rounds, origin, started)
        return (self.watch.restarts, seconds(again - self.moment if again else None), seconds(training),
                seconds(after(self.rounds, again, ended) if again else None), saved, hit_rounds - saved, repeated,
                f"{100 * self.share():.0f} %", "equal" if self.digest == self.bench.digest else "DIFFERENT")


def seconds(value):
    return "" if value is None else f"{value:.1f}"


def print_row(*cells):
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


# ---- the scenarios ------------------------------------------------------------------------------------------


def undisturbed(bench):
    scenario = Scenario(bench, "undisturbed")
    scenario.finish()
    bench.digest = scenario.digest
    return 0, "", "", "", "", "", "", f"{100 * scenario.share():.0f} %", "the measure"


def time_limit(bench):
    scenario = Scenario(bench, "limit", options=["--time=3"])
    scenario.wait_for_line("stopping: SIGUSR1")
    scenario.hit(lambda: None)
    scenario.finish()
    return scenario.row(3 * scenario.watch.restarts)


def without_restart(name, victim, line, words=()):
    """kill -9 of a process; the log's `line` tells when the round was given out again."""
    def go(bench):
        scenario = Scenario(bench, name, words=words)
        scenario.wait_for_middle()
        pid = victim(bench, scenario.job)
        scenario.hit(lambda: os.kill(pid, signal.SIGKILL))
        scenario.wait_for_line(line)
        recovered = time.time()
        scenario.finish()
        return scenario.row(1, recovered)
    return go


def with_restart(name, victim):
    """kill -9 of a process that the job cannot do without."""
    def go(bench):
        scenario = Scenario(bench, name)
        scenario.wait_for_middle()
        pid = victim(bench, scenario.job)
        scenario.hit(lambda: os.kill(pid, signal.SIGKILL))
        scenario.finish()
        return scenario.row(3)
    return go


def node_down(name, node):
    """Slurm takes the job from its nodes, and starts it again when there are enough."""
    def go(bench):
        scenario = Scenario(bench, name)
        scenario.wait_for_middle()
        scenario.hit(lambda: bench.set_node(node, "down"))
        bench.all_gone(scenario.job, 40)
        time.sleep(1)
        bench.set_node(node, "resume")
        scenario.finish()
        return scenario.row(3)
    return go


def node_down_no_kill(bench):
    scenario = Scenario(bench, "others", options=["--no-kill"])
    scenario.wait_for_middle()
    scenario.hit(lambda: bench.set_node("n1", "down"))
    scenario.wait_for_line("rank 2 was not heard")
    recovered = time.time()
    scenario.finish()
    bench.set_node("n1", "resume")
    return scenario.row(1, recovered)


def cancelled(bench):
    scenario = Scenario(bench, "cancelled")
    scenario.wait_for_middle()
    scenario.hit(lambda: bench.slurm.command("scancel", scenario.job))
    bench.all_gone(scenario.job, 20)
    scenario.watch.stop()
    spans = scenario.watch.spans
    scenario.submit()
    scenario.finish()
    scenario.watch.spans = spans + scenario.watch.spans
    return scenario.row(3)


def stopped(bench):
    scenario = Scenario(bench, "stopped")
    scenario.wait_for_middle()
    scenario.hit(lambda: bench.slurm.command("scancel", "--signal=USR1", "--batch", scenario.job))
    scenario.finish()
    return scenario.row(3)


SCENARIOS = {
    "nothing": undisturbed,
    "time limit of 3 minutes, USR1 2 minutes ahead": time_limit,
    "training process killed": without_restart("child", lambda bench, job: bench.trainers(job)[0], "(attempt 1 of 3)"),
    "worker rank killed": without_restart("worker", lambda bench, job: bench.rank(job, 2), "rank 2 was not heard"),
    "rank 0 killed": with_restart("head", lambda bench, job: bench.rank(job, 0)),
    "mpirun killed": with_restart("mpirun", lambda bench, job: bench.mpirun(job)),
    "a node down": node_down("node", "n1"),
    "the first node down": node_down("first", "n0"),
    "a node down, with sbatch --no-kill": node_down_no_kill,
    "scancel, and submitted again": cancelled,
    "scancel --signal=USR1 --batch": stopped,
}


def run_scenarios(bench, only):
    print(f"\nsweep: {os.path.relpath(SWEEP, TOP)} with {', '.join(SHORT)}: 28 rounds; 3 nodes, one worker each, "
          "run with default options\n")
    print_row("scenario", "restarts", "down s", "to training s", "to a result s", "saved", "lost", "repeated",
              "useful", "digest")
    print("|---" * 10 + "|")
    for name, go in SCENARIOS.items():
        if name == "nothing" or only in name:
            print_row(name, *go(bench))
    print("\n" + NOTES)


# ---- preempted again and again ------------------------------------------------------------------------------


def stop_softly(scenario):
    scenario.slurm.command("scancel", "--signal=USR1", "--batch", scenario.job)


def requeue(scenario):
    scenario.slurm.command("scontrol", "requeue", scenario.job)


def kill_and_requeue(scenario):
    """Nothing gets the time to save itself."""
    for pid in scenario.slurm.processes(scenario.job):
        if not "".join(cluster.command_of(pid)[:1]).startswith("slurmstepd"):
            scenario.slurm.kill(pid)
    requeue(scenario)


SOFT, HARD = (stop_softly,), (requeue, kill_and_requeue)


def preempt(scenario, chance, gaps):
    """20 to 60 s after each start of the job something ends it, until it is done."""
    counts = {}
    watch = scenario.watch
    while watch.end is None:
        n, gap = len(watch.spans), chance.uniform(20, 60)
        kind = chance.choice(chance.choice((SOFT, HARD)))
        scenario.slurm.wait_until(lambda: watch.end is not None or watch.state in RUNNING, 300, "the next start")
        begin = watch.spans[-1][0]
        scenario.slurm.wait_until(lambda: watch.end is not None or time.time() > begin + gap, 120, "the next blow")
        if watch.end is not None:
            break
        moment = time.time()
        kind(scenario)
        counts[kind.__name__] = counts.get(kind.__name__, 0) + 1
        scenario.slurm.wait_until(lambda: watch.end is not None or len(watch.spans) > n, 300, "a restart")
        if len(watch.spans) > n:
            gaps.append(watch.spans[-1][0] - moment)
    return counts


def report_shares(label, scenario):
    useful, workers = useful_seconds(scenario.rounds), scenario.nodes
    ran, existed = scenario.watch.running(), scenario.watch.end - scenario.watch.begin
    print(f"{label}: useful {useful:.0f} s of {workers} x {ran:.0f} s in which the job ran: "
          f"{100 * useful / (workers * ran):.1f} %; of {workers} x {existed:.0f} s from sbatch to the end: "
          f"{100 * useful / (workers * existed):.1f} %", flush=True)


def run_preempted(bench, seed):
    print(f"\nsweep: {os.path.relpath(SWEEP, TOP)} with {', '.join(LONG)}: 98 rounds; 2 nodes, one worker each; "
          f"seed {seed}\n", flush=True)
    plain = Scenario(bench, "plain", LONG, nodes=2)
    plain.finish()
    report_shares("undisturbed", plain)
    scenario, gaps = Scenario(bench, "preempted", LONG, nodes=2), []
    counts = preempt(scenario, random.Random(seed), gaps)
    scenario.finish()
    log = bench.log("preempted")
    report_shares("preempted", scenario)
    lengths = [ended(record) - started(record) for record in plain.rounds.values()]
    print(f"blows: {', '.join(f'{n} {name}' for name, n in sorted(counts.items()))}; restarts: "
          f"{scenario.watch.restarts}; from a blow to the next start {statistics.median(gaps):.1f} s (median)")
    print(f"rounds: {statistics.median(lengths):.1f} s each (median, undisturbed); went on where they had been saved: "
          f"{log.count(': resumes at step')} times")
    print(f"digest: {'equal' if scenario.digest == plain.digest else 'DIFFERENT'} ({scenario.digest})")


# ---- program ------------------------------------------------------------------------------------------------


class Bench(jobs.Jobs):
    digest = None  # of the undisturbed job

    def set_node(self, node, state):
        self.slurm.command("scontrol", "update", f"nodename={node}", f"state={state}", "reason=test")


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "?")
    return f"{model}, {len(os.sched_getaffinity(0))} cores, {platform.platform()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="scenarios whose name holds TEXT")
    parser.add_argument("--preempt", action="store_true", help="instead: preempt one job again and again")
    parser.add_argument("--seed", type=int, default=random.randrange(10000), help="of what happens when")
    arguments = parser.parse_args()
    absent = cluster.missing()
    if absent:
        sys.exit(f"Slurm is not installed (slurm-wlm, munge): no {', '.join(absent)}")
    print(f"machine: {machine()}; load when it began: {os.getloadavg()[0]:.1f}")
    bench = Bench(3, 4)
    try:
        bench.start()
        if arguments.preempt:
            run_preempted(bench, arguments.seed)
        else:
            run_scenarios(bench, arguments.only)
    finally:
        bench.stop()


if __name__ == "__main__":
    main()
