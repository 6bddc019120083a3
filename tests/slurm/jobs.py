"""Jobs of slurm/sweep.sbatch on a private Slurm, and what is done to them."""

import json
import os
import shutil
import subprocess
import tempfile
import time

from cluster import Cluster, command_of, environment_of, parent_of

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILT = os.path.join(TOP, "build", "sweepstake")
PROGRAM = os.path.abspath(os.environ.get("SWEEPSTAKE", BUILT))
SCRIPT = os.path.join(TOP, "slurm", "sweep.sbatch")
# States of a job, as scontrol calls them.
RUNNING = ("RUNNING", "SIGNALING")
OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")


def words_of(store, sets):
    """The --set words of a sweep into `store`."""
    return [word for one in (f"store={store}", *sets) for word in ("--set", one)]


def run_program(*words, timeout=60):
    """What sweepstake prints."""
    result = subprocess.run([PROGRAM, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=timeout, check=False)
    if result.returncode != 0:
        raise AssertionError(f"{words}: exit code {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def digest_of(store):
    """The digest of a store that is whole."""
    found = json.loads(run_program("verify", "--json", store))
    if found["missing"] != 0:
        raise AssertionError(f"{found['missing']} rounds are missing in {store}")
    return found["digest"]


def status_of(store):
    """What `status` says; nothing while there is no store."""
    result = subprocess.run([PROGRAM, "status", "--json", store], capture_output=True, text=True, check=False)
    return json.loads(result.stdout) if result.returncode == 0 else {"state": None, "rounds_done": 0}


class Jobs:
    """A cluster, and a folder for the stores and logs of its jobs; the job NAME has NAME.h5 and NAME.log."""

    def __init__(self, nodes, cpus):
        self.slurm = Cluster(nodes, cpus)
        # Several nodes on one host: Open MPI's shared memory would take them for one.
        self.slurm.environment.update(OMPI_MCA_btl="self,tcp", OMPI_MCA_btl_tcp_if_include="lo")
        self.folder = tempfile.mkdtemp(prefix="sweepstake-jobs-")

    def start(self):
        self.slurm.start()

    def stop(self):
        self.slurm.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    # ---- one job ------------------------------------------------------------------------------------------

    def submit(self, name, options, words, program=PROGRAM, **environment):
        """Job number of SCRIPT with sbatch's `options` and the script's `words`."""
        if program != BUILT: # otherwise the script has to find it by itself
            environment["SWEEPSTAKE"] = program
        return self.slurm.command("sbatch", "--parsable", f"--output={self.path(name)}.log",
                                  f"--job-name={name}", *options, SCRIPT, *words, **environment)

    def state(self, job):
        return self.slurm.job(job)["JobState"]

    def log(self, name):
        try:
            with open(self.path(name) + ".log", encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def rank(self, job, number):
        """Process of an MPI rank of a job."""
        for pid in self.slurm.processes(job):
            words = command_of(pid)
            if (len(words) > 1 and words[1] == "run" and "mpirun" not in words[0]
                    and environment_of(pid).get("OMPI_COMM_WORLD_RANK") == str(number)):
                return pid
        raise AssertionError(f"job {job} has no rank {number}")

    def mpirun(self, job):
        for pid in self.slurm.processes(job):
            if os.path.basename(command_of(pid)[0]) == "mpirun":
                return pid
        raise AssertionError(f"job {job} has no mpirun")

    def trainers(self, job):
        """Processes that train: the fork servers' children."""
        def serves(pid):
            return "--trainer-server" in command_of(pid)
        return [pid for pid in self.slurm.processes(job) if serves(pid) and serves(parent_of(pid))]

    # ---- waiting ------------------------------------------------------------------------------------------

    def wait_for_rounds(self, store, count, seconds=30):
        self.slurm.wait_until(lambda: status_of(store)["rounds_done"] >= count, seconds, f"{count} rounds in {store}")

    def wait_for_line(self, name, text, seconds=20):
        self.slurm.wait_until(lambda: text in self.log(name), seconds, f"'{text}' in {name}.log")

    def wait_for_requeue(self, job, count, seconds=45):
        """Until Slurm has put the job back into the queue for the `count`th time."""
        def is_back():
            found = self.slurm.job(job)
            return found if int(found["Restarts"]) >= count and found["JobState"] != "COMPLETING" else None
        return self.slurm.wait_until(is_back, seconds, f"requeue {count} of job {job}")

    def wait_for_restart(self, job, count):
        """Until the job runs again. Slurm lets a requeued job wait; most of that is left out, but not all: within
        the second of its end, or while one of its processes is left, the nodes would refuse it."""
        found = self.wait_for_requeue(job, count)
        self.all_gone(job, 20)
        if found["JobState"] == "PENDING":
            time.sleep(1.5)
            self.slurm.command("scontrol", "update", f"jobid={job}", "StartTime=now", check=False)
        self.slurm.wait_until(lambda: self.state(job) != "PENDING", 20, f"restart {count} of job {job}")

    def wait_for_end(self, job, seconds=45):
        """What scontrol says of a job that is over."""
        def is_over():
            found = self.slurm.job(job)
            return found if found["JobState"] in OVER else None
        return self.slurm.wait_until(is_over, seconds, f"end of job {job}")

    def all_gone(self, job, seconds):
        self.slurm.wait_until(lambda: not self.slurm.processes(job), seconds, f"end of all processes of job {job}")
