"""A private Slurm on this machine: munged, slurmctld and several slurmd, all in one temporary folder and on
the loopback interface. Nothing outside the folder is read or written, and only its own daemons are ended."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time

SBIN = "/usr/sbin:/usr/local/sbin:/sbin"
DAEMONS = ("munged", "slurmctld", "slurmd")

CONFIGURATION = """\
ClusterName=sweepstake
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# A requeued job waits for its old credential to expire: 2 minutes by default.
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n/spool
TmpFS={folder}/%n/tmp
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=2,sched_min_interval=0,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=0
InactiveLimit=0
KillWait=3
MinJobAge=600
SlurmctldTimeout=30
SlurmdTimeout=30
MailProg=/bin/true
JobRequeue=1
"""


def find(name):
    """Path of a program that may lie where only root looks."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":" + SBIN)


def missing():
    """The needed programs that this machine lacks."""
    return [name for name in (*DAEMONS, "sbatch", "scontrol", "scancel", "squeue", "sinfo") if not find(name)]


def free_ports(count):
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def environment_of(pid):
    """Variables of a process; none when it is gone."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            items = file.read().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(item.split("=", 1) for item in items if "=" in item)


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode(errors="replace").split("\0")
    except OSError:
        return []


def parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


class Cluster:
    """`nodes` nodes n0, n1, ... that claim `cpus` processors each, whatever the machine has."""

    def __init__(self, nodes, cpus):
        self.folder = tempfile.mkdtemp(prefix="sweepstake-slurm-")
        self.nodes = [f"n{i}" for i in range(nodes)]
        self.cpus = cpus
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.daemons = [] # (process, name)
        self.configuration = os.path.join(self.folder, "slurm.conf")
        self.environment = {
            **{key: value for key, value in os.environ.items()
               if not key.startswith(("SLURM_", "SBATCH_", "OMPI_"))},
            "SLURM_CONF": self.configuration,
            "HWLOC_COMPONENTS": "-opencl,-cuda,-nvml,-gl",
        }

    # ---- start and end ----------------------------------------------------------------------------------

    def start(self):
        os.chmod(self.folder, 0o755) # munged wants every folder above its socket to be open
        self._start_munged()
        self._write_configuration()
        self._start_daemon("slurmctld", "-D", "-c", "-f", self.configuration)
        for node in self.nodes:
            self._start_daemon("slurmd", "-D", "-N", node, "-f", self.configuration)
        self.wait_until(lambda: self.states() == ["idle"] * len(self.nodes), 20, "all nodes idle")

    def stop(self):
        """End the jobs that a failed test has left, then the daemons, munged last; remove the folder."""
        self.command("scancel", "--state=PENDING,RUNNING,SUSPENDED", "--user", self.user, check=False)
        for _ in range(100):
            if not self.processes():
                break
            time.sleep(0.1)
        for process, _ in self.daemons[1:] + self.daemons[:1]: # the others need munged to end
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process, _ in self.daemons:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in self.processes():
            self.kill(pid)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start_daemon(self, name, *arguments):
        with open(os.path.join(self.folder, f"{name}.out"), "ab") as output:
            process = subprocess.Popen([find(name), *arguments], env=self.environment, stdout=output,
                                       stderr=output, stdin=subprocess.DEVNULL, start_new_session=True)
        self.daemons.append((process, name))

    def _start_munged(self):
        folder = os.path.join(self.folder, "munge")
        os.makedirs(folder, 0o755)
        key = os.path.join(folder, "key")
        with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(secrets.token_bytes(128))
        socket_path = os.path.join(folder, "socket")
        self._start_daemon("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={socket_path}",
                           f"--pid-file={folder}/pid", f"--log-file={folder}/log", f"--seed-file={folder}/seed",
                           "--origin=127.0.0.1")
        self.wait_until(lambda: os.path.exists(socket_path), 10, "munged's socket")

    def _write_configuration(self):
        host = socket.gethostname().split(".")[0]
        ports = free_ports(len(self.nodes) + 2)
        text = CONFIGURATION.format(host=host, ports=ports, user=self.user, folder=self.folder)
        for node, port in zip(self.nodes, ports[2:]):
            os.makedirs(os.path.join(self.folder, node, "spool"))
            os.makedirs(os.path.join(self.folder, node, "tmp"))
            text += (f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={self.cpus} "
                     f"Boards=1 SocketsPerBoard=1 CoresPerSocket={self.cpus} ThreadsPerCore=1 "
                     "RealMemory=1000 State=UNKNOWN\n")
        text += "PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"
        os.makedirs(os.path.join(self.folder, "state"))
        with open(self.configuration, "w", encoding="ascii") as file:
            file.write(text)

    # ---- commands -----------------------------------------------------------------------------------------

    def command(self, *words, check=True, **environment):
        """Output of one of Slurm's commands."""
        for _ in range(3):
            result = subprocess.run([find(words[0]), *map(str, words[1:])], env={**self.environment, **environment},
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                    text=True, timeout=30, check=False)
            if result.returncode != -signal.SIGPIPE:  # a busy slurmctld may close a connection: ask again
                break
        if check and result.returncode != 0:
            raise AssertionError(f"{words}: exit code {result.returncode}\n{result.stdout}")
        return result.stdout.strip()

    def states(self):
        """State of every node, in order; what does not answer yet has none."""
        return self.command("sinfo", "-h", "-N", "-o", "%T", check=False).split("\n")

    def job(self, number):
        """What scontrol says of a job, as a dictionary of its KEY=value words."""
        words = self.command("scontrol", "show", "job", "-o", number).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def processes(self, job=None):
        """Those that belong to a job (or to any) of this cluster, and Slurm's own that watch over them. A job's
        processes have its number in their environment; the watchers have it in their title."""
        def belongs(pid):
            variables = environment_of(pid)
            if variables.get("SLURM_CONF") != self.configuration:
                return False
            title = "".join(command_of(pid)[:1])
            if job is None:
                return "SLURM_JOB_ID" in variables or title.startswith("slurmstepd: ")
            return variables.get("SLURM_JOB_ID") == str(job) or title.startswith(f"slurmstepd: [{job}.")
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and belongs(name)]

    @staticmethod
    def kill(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def wait_until(self, condition, seconds, what):
        """Ask until it is true; the last answer."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = condition()
            if answer:
                return answer
            for process, name in self.daemons:
                if process.poll() is not None:
                    raise AssertionError(f"{name} ended with code {process.returncode}\n{self.logs()}")
            time.sleep(0.1)
        raise AssertionError(f"{what}: not within {seconds} s\n{self.logs()}")

    def logs(self):
        """The ends of all logs, for a failure's report."""
        found = []
        for folder, _, names in os.walk(self.folder):
            for name in names:
                if name.endswith((".log", ".out")):
                    with open(os.path.join(folder, name), errors="replace", encoding="utf-8") as file:
                        found.append(f"---- {name}\n" + "".join(file.readlines()[-15:]))
        return "\n".join(found)
