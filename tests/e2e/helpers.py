"""What the end-to-end tests share: running the program, alone or under mpirun, and ending what they start."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.path.abspath(os.environ.get("SWEEPSTAKE", os.path.join(TOP, "build", "sweepstake")))
SMOKE = os.path.join(TOP, "jobs", "smoke.yaml")

ENVIRONMENT = dict(
    os.environ,
    OMPI_ALLOW_RUN_AS_ROOT="1",
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
    OMPI_MCA_rmaps_base_oversubscribe="1",
    OMPI_MCA_btl="self,vader,tcp",
    OMPI_MCA_btl_tcp_if_include="lo",
    HWLOC_COMPONENTS="-opencl,-cuda,-nvml,-gl",
    TERM="dumb",
)


def command(arguments, ranks=0, mpirun=()):
    """The words of a call; ranks 0 is alone, without mpirun."""
    launcher = ["mpirun", "-n", str(ranks), *mpirun] if ranks else []
    return [*launcher, PROGRAM, *map(str, arguments)]


def run(*arguments, ranks=0, cwd=None, timeout=55, **environment):
    """Run to the end; the result has returncode, stdout, stderr as text."""
    process = start(*arguments, ranks=ranks, cwd=cwd, **environment)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        kill_all(process)
        out, err = process.communicate()
        raise AssertionError(f"{arguments} took longer than {timeout} s\n{out}\n{err}") from None
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def start(*arguments, ranks=0, cwd=None, mpirun=(), output=subprocess.PIPE, **environment):
    """Start in a session of its own, so that everything it starts can be found again."""
    return subprocess.Popen(
        command(arguments, ranks, mpirun), cwd=cwd, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
        text=True, errors="replace", start_new_session=True, env={**ENVIRONMENT, **environment})


def session_of(pid):
    """Session and state of a process, or (None, None) when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None, None
    return int(fields[3]), fields[0].decode()


def members(session):
    """Living processes of a session."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            number, state = session_of(name)
            if number == session and state != "Z":
                found.append(int(name))
    return found


def kill_all(process):
    """kill -9 for every process of the session that `process` leads."""
    for pid in members(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def wait_until(condition, seconds=20, what="it"):
    """Ask again and again; the last answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds} s")


def words_of(store, *sets):
    return [word for one in (f"store={store}", *sets) for word in ("--set", one)]


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def name_of(pid):
    return read(f"/proc/{pid}/comm").decode().strip()


def ranks_of(process):
    """{rank: pid} of the ranks that mpirun started."""
    found = {}
    for pid in members(process.pid):
        number = re.search(rb"(?:^|\0)OMPI_COMM_WORLD_RANK=(\d+)", read(f"/proc/{pid}/environ"))
        if number and name_of(pid) == "sweepstake":
            found[int(number.group(1))] = pid
    return found


def trainers_of(process):
    """Servers and trainers have groups of their own, but the session is that of the run."""
    return [pid for pid in members(process.pid) if name_of(pid) == "sw-trainer"]


class Case(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sweepstake-e2e-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return self.path(name)

    def run_ok(self, *arguments, code=0, **options):
        result = run(*arguments, **options)
        self.assertEqual(result.returncode, code, f"{result.args}\n{result.stdout}\n{result.stderr}")
        return result

    def json_of(self, *arguments, code=0, **options):
        return json.loads(self.run_ok(*arguments, "--json", code=code, **options).stdout)

    def sweep(self, store, *sets, resume=False, code=0, ranks=0, options=(), sweep=SMOKE, **environment):
        """Run the smoke sweep into `store`."""
        words = [word for one in (f"store={store}", *sets) for word in ("--set", one)]
        return self.run_ok("run", sweep, *words, *(["--resume"] if resume else []), *options,
                           code=code, ranks=ranks, **environment)

    def digest(self, store):
        """The digest of a store that verify finds clean and complete."""
        found = self.json_of("verify", store)
        self.assertTrue(found["ok"])
        self.assertEqual(found["missing"], 0)
        return found["digest"]
