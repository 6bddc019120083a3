"""What happens to a run whose ranks die, are slow, or are told to stop before the first training."""

import os
import signal
import time

from helpers import SMOKE, Case, kill_all, members, ranks_of, read, start, wait_until, words_of

# Seconds of one processor to read.
SLOW_DATA = ("data.train=2000000", "data.shape=[1,4,4]", "data.classes=256", "train.steps=60", "prune.rounds=0",
             "seed=0", "prune.rate=0.2")
RECOVER = ("--enable-recovery",)


def cpu_seconds(pid):
    fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0


class Start(Case):
    def launch(self, store, *sets, ranks=0, options=(), mpirun=()):
        process = start("run", SMOKE, *words_of(store, *sets), *options, ranks=ranks, mpirun=mpirun)
        self.addCleanup(process.communicate)
        self.addCleanup(kill_all, process)
        return process

    def kill_while_rank_0_reads(self, victim):
        """All of it ends within the least patience, ten seconds; the output, and the seconds it took."""
        store = self.path("killed.h5")
        process = self.launch(store, *SLOW_DATA, ranks=3, mpirun=RECOVER, options=("--lost-timeout", "2"))

        def find():
            found = ranks_of(process)
            return found if len(found) == 3 else None

        ranks = wait_until(find, 20, "the start of the ranks")
        wait_until(lambda: cpu_seconds(ranks[0]) > 1, 20, "the reading of the data")
        os.kill(ranks[victim], signal.SIGKILL)
        out, err = process.communicate(timeout=40)
        wait_until(lambda: not members(process.pid), 10, "the end of all processes")
        self.assertFalse(os.path.exists(store))
        self.assertFalse(os.path.exists(store + ".lock"))
        return store, out + err

    def test_kill_of_a_worker(self):
        store, text = self.kill_while_rank_0_reads(2)
        self.assertRegex(text, r"sweepstake: rank 2 was not heard for 1\d\.?\d* s while the sweep started")
        self.assertEqual(text.count("was not heard"), 1, text)
        self.assertEqual(read(store + ".exit"), b"70\n")

    def test_kill_of_rank_0(self):
        _, text = self.kill_while_rank_0_reads(0)
        self.assertRegex(text, r"sweepstake: rank 0 was not heard for 1\d\.?\d* s while the sweep started")
        self.assertEqual(text.count("was not heard"), 1, text)

    def stop_early(self, ranks, number):
        """A signal within the first milliseconds after the program has started itself again."""
        store = self.path("early.h5")
        process = self.launch(store, ranks=ranks)
        mark = (b"\0OMPI_COMM_WORLD_RANK=1\0", b"\0OPENBLAS_CORETYPE=") if ranks else (b"\0OPENBLAS_CORETYPE=",)

        def find():
            for pid in members(process.pid) if ranks else [process.pid]:
                environment = read(f"/proc/{pid}/environ")
                if all(part in b"\0" + environment for part in mark):
                    return pid
            return None

        end = time.monotonic() + 20
        while not (pid := find()) and time.monotonic() < end:
            pass
        os.kill(pid, number)
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 75, out + err)
        self.assertIn(f"stopped by {number.name} before the first round", err)
        self.assertEqual(read(store + ".exit"), b"75\n")
        self.assertFalse(os.path.exists(store))

    def test_stops_alone(self):
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
            self.stop_early(0, number)

    def test_stop_of_a_rank(self):
        self.stop_early(3, signal.SIGUSR1)
