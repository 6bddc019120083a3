"""The command line as a user meets it: help, plans, refusals, a sweep alone, and what status, verify and export say."""

import json
import os
import re
import subprocess

import h5py

from helpers import ENVIRONMENT, PROGRAM, SMOKE, TOP, Case, run

COMMANDS = ("plan", "run", "status", "verify", "retry", "export", "show", "bench")
BASE = open(SMOKE, encoding="utf-8").read()


class Words(Case):
    def test_help_lists_every_command(self):
        text = self.run_ok("--help").stdout
        for name in COMMANDS:
            self.assertRegex(text, rf"(?m)^ +{name} ")

    def test_every_command_has_help(self):
        for name in COMMANDS:
            text = self.run_ok(name, "--help").stdout
            self.assertIn(f"Usage: sweepstake {name}", text)
            self.assertGreater(len(text.splitlines()), 5)

    def test_version(self):
        self.assertRegex(self.run_ok("--version").stdout, r"^sweepstake \d+\.\d+\.\d+\n$")

    def test_unknown_command_names_the_nearest(self):
        error = self.run_ok("stauts", "x.h5", code=1).stderr
        self.assertIn("'status'", error)

    def test_wrong_use_exits_1(self):
        for words in ((), ("plan",), ("run",), ("run", SMOKE, "--threads", "0"), ("run", SMOKE, "--threads", "two"),
                      ("run", SMOKE, "--bogus"), ("run", SMOKE, "--set", "epochs"), ("plan", SMOKE, "--workers", "-1"),
                      ("status",), ("status", self.path("none.h5")), ("verify", self.path("none.h5")),
                      ("run", SMOKE, "--bind", "socket"), ("retry",), ("retry", self.path("none.h5")),
                      ("retry", self.path("none.h5"), "--failed"), ("retry", "a.h5", "--failed", "x"), ("retry", "a.h5", "1"),
                      ("export", "a.h5", "0"), ("export", "a.h5", "x", "b.h5"), ("show", "nothing"), ("show",),
                      ("bench", "lunch"), ("bench", "step", "--model", "nothing"), ("bench", "step", "--backend", "abacus"),
                      ("run", SMOKE, "--backend", "abacus")):
            error = self.run_ok(*words, code=1).stderr
            self.assertTrue(error.startswith("sweepstake"), (words, error))

    def test_show_has_every_topic(self):
        expected = {"backends": "cpu", "models": "lenet-300-100", "data": "fashion-mnist", "criteria": "magnitude",
                    "optimizers": "train.optimizer.beta1", "schedules": "constant", "monitors": "divergence",
                    "schema": "early_stop_step", "keys": "train.optimizer.lr", "inits": "glorot-normal",
                    "controls": "reinit", "scopes": "layer", "granularities": "weight", "formats": "csr"}
        for topic, word in expected.items():
            self.assertIn(word, self.run_ok("show", topic).stdout, topic)

    def test_show_keys_documents_every_key(self):
        keys = set(re.findall(r'SW_FIELD\(\w+, \w+, "([^"]+)"',
                              open(os.path.join(TOP, "include/sweepstake/trial_spec.def"), encoding="utf-8").read()))
        lines = self.run_ok("show", "keys").stdout.splitlines()
        shown = {line.split()[0] for line in lines[1:] if line}
        self.assertGreater(len(keys), 30)
        self.assertLessEqual(keys, shown)

    def test_show_documents_one_thing(self):
        expected = {"synflow": ("dR/d|w|", "2006.05467", "no data", "prune.score_steps", "prune.criterion"),
                    "magnitude": ("|w|", "1803.03635"), "grasp": ("H g", "removed ones never", "prune.score_temperature"),
                    "sgd": ("train.optimizer.name", "train.optimizer.momentum"), "cosine": ("train.schedule.floor",),
                    "mlp-30-20": ("model.name",), "random": ("prune.criterion", "value of control"),
                    "divergence": ("monitor",), "synthetic": ("data.name", "data.classes"), "cpu": ("backend", "usable here"),
                    "prune.rate": ("0.2", "number"), "seed": ("whole number",), "block8": ("prune.granularity",)}
        for name, words in expected.items():
            shown = self.run_ok("show", name).stdout
            for word in words:
                self.assertIn(word, shown, name)
        self.assertNotIn("needs:", self.run_ok("show", "magnitude").stdout)

    def test_show_documents_every_criterion_it_lists(self):
        names = [line.split()[0] for line in self.run_ok("show", "criteria").stdout.splitlines() if line[0] != " "]
        self.assertGreaterEqual(len(names), 18)
        for name in names:
            shown = self.run_ok("show", name).stdout
            self.assertIn("score:", shown, name)
            self.assertIn("source:", shown, name)

    def test_show_names_the_nearest_thing(self):
        for wrong, right in (("synflo", "synflow"), ("criterias", "criteria"), ("prune.rat", "prune.rate")):
            self.assertIn(f"'{right}'", self.run_ok("show", wrong, code=1).stderr)


class BrokenSweeps(Case):
    """Each is refused with exit code 1, its place and a text that helps, and leaves no store."""

    def refuse(self, text, *expected, sets=(), code=1):
        path = self.write("broken.yaml", text)
        words = [word for one in (f"store={self.path('broken.h5')}", *sets) for word in ("--set", one)]
        for name in ("plan", "run"):
            result = self.run_ok(name, path, *words, code=code)
            for part in expected:
                self.assertIn(part, result.stderr)
            self.assertEqual(result.stdout, "")
        self.assertFalse(os.path.exists(self.path("broken.h5")))
        return result.stderr

    def test_unknown_key_names_the_nearest(self):
        error = self.refuse(BASE.replace("batch: 24", "bacth: 24"), "broken.yaml:", "bacth", "batch")
        self.assertRegex(error, r"broken\.yaml:\d+:\d+")
        self.assertIn("^", error)

    def test_unknown_word_lists_the_allowed(self):
        self.refuse(BASE.replace("name: adam", "name: adan"), "adan", "adam", "sgd")

    def test_value_out_of_range(self):
        self.refuse(BASE.replace("[0.2, 0.5]", "[0.2, 1.5]"), "1.5", "prune.rate")

    def test_value_of_another_kind(self):
        self.refuse(BASE.replace("batch: 24", "batch: many"), "many", "train.batch")

    def test_duplicate_key(self):
        self.refuse(BASE + "sweep: again\n", "broken.yaml:", "sweep")

    def test_anchor(self):
        self.refuse(BASE.replace("sweep: smoke", "sweep: &a smoke"), "broken.yaml:", "anchor")

    def test_directive_and_bytes_that_are_no_text(self):
        self.refuse("%\xd9\n".encode("latin-1") + BASE.encode(), "broken.yaml:1:")
        self.refuse(BASE.encode() + b"\xff\xfe\n", "UTF-8")

    def test_syntax_error(self):
        self.refuse(BASE.replace("seed: [0, 1]", "seed: [0, 1"), "broken.yaml:")

    def test_steps_and_epochs_together(self):
        self.refuse(BASE.replace("steps: 60", "steps: 60, epochs: 2"), "train.steps", "train.epochs")

    def test_missing_data_files(self):
        self.refuse("sweep: x\ndata: {name: fashion-mnist, dir: /nowhere}\ntrain: {epochs: 1}\nstore: x.h5\n", "/nowhere", code=74)

    def test_empty_axis(self):
        self.refuse(BASE.replace("seed: [0, 1]", "seed: []"), "seed")

    def test_wrong_set(self):
        self.refuse(BASE, "prune.roundz", "prune.rounds", sets=("prune.roundz=2",))

    def test_all_errors_at_once(self):
        self.refuse(BASE.replace("batch: 24", "bacth: 24").replace("name: adam", "name: adan"), "bacth", "adan")

    def test_no_such_file(self):
        self.assertIn("nothing.yaml", self.run_ok("run", self.path("nothing.yaml"), code=1).stderr)


# What stands in the smoke sweep, what is written there instead (^ marks where the error is), and part of the message.
WRONG = (
    ("seed: [0, 1]", "seed: [0, ^0]", "seed: the value 0 stands twice"),
    ("seed: [0, 1]", "seed: ^3", "seed: got 3; an axis is a list of values"),
    ("seed: [0, 1]", "seed: [^[0], 1]", "seed: got a list; allowed is a whole number"),
    ("seed: [0, 1]\n", "seed: [0, 1]\n  ^prune.rate: [0.3]\n", "key prune.rate occurs twice; first on line"),
    ("grid:", "^gird:", "gird: unknown key; did you mean grid?"),
    ("prune.rate: [0.2, 0.5]", "prune: [^0.2]", "each value of this axis is a map"),
    ("prune.rate: [0.2, 0.5]", "prune: [{rate: 0.2}, {^rat: 0.5}]", "prune.rat: unknown key; did you mean prune.rate?"),
    ("[reinit]", "[reinit, ^reinit]", "control: reinit is listed twice"),
    ("[reinit]", "[^rienit]", "did you mean reinit?"),
    ("{name: mlp-24-12}", "{name: ^mlp-24-x}", "hidden layer 2 must be a whole number of units"),
    ("{name: mlp-24-12}", "^mlp-24-12", "model: got mlp-24-12; a map of settings belongs here"),
    ("validation: 120", "validation: ^480", "allowed is less than the 480 training images"),
    ("shape: [1, 6, 6]", "shape: ^[1, 6]", "data.shape: got a list; allowed is [channels, height, width]"),
    ("name: synthetic", "name: ^sythetic", "did you mean synthetic?"),
    ("train: {steps: 60, ", "^train: {", "give train.epochs or train.steps"),
    ("lr: 3e-3", "lr: ^.nan", "train.optimizer.lr: got .nan; allowed is a number from 1e-12 to 1000"),
    ("lr: 3e-3", "lr: ^1e999", "train.optimizer.lr: got 1e999"),
    ("rounds: 3", "rounds: ^2.5", "prune.rounds: got 2.5; allowed is a whole number"),
    ("rounds: 3", "rounds: ^99999999999999999999", "prune.rounds: got 99999999999999999999"),
    ("store: smoke.h5", "store: ^[a]", "store: a path of 1 to 255 bytes"),
    ("sweep: smoke", "sweep: ^''", "sweep: got \"\"; a name has 1 to 95"),
    ("sweep: smoke", "sweep: ^!!str smoke", "tags (!name) are not allowed"),
    ("store: smoke.h5", "store: ^*x", "aliases (*name) are not allowed"),
    ("sweep: smoke", "sweep: smoke\n^\tx: 1", "indented with a tab"),
    ("sweep: smoke", "sweep: ^\"smoke", "not valid YAML"),
    ("store: smoke.h5\n", "store: smoke.h5\n^---\nx: 1\n", "a second document begins here"),
    ("batch: 24", "batch: ^500", "allowed is at most the 360 training images"),
    ("name: adam", "name: adam, momentum: ^0.9", "train.optimizer.momentum is not used by adam"),
    ("name: adam", "name: sgd, nesterov: ^true", "needs a train.optimizer.momentum above 0"),
    ("train: {steps", "train: {schedule: {name: ^step}, steps", "needs the epochs at which the rate falls"),
    ("every: 20", "every: 20, ^evry: 3", "did you mean train.evaluate.every?"),
)


class WrongSweeps(Case):
    def test_place_and_phrase(self):
        self.assertGreaterEqual(len(WRONG), 25)
        for old, new, phrase in WRONG:
            with self.subTest(new):
                before, found, after = BASE.partition(old)
                self.assertTrue(found, old)
                head, _, tail = new.partition("^")
                head = before + head
                path = self.write("wrong.yaml", head + tail + after)
                line, column = head.count("\n") + 1, len(head) - head.rfind("\n")
                error = self.run_ok("plan", path, code=1).stderr
                self.assertTrue(error.startswith(f"{path}:{line}:{column}: error: "), (line, column, error))
                self.assertIn(phrase, error.splitlines()[0])
                shown = error.splitlines()[2]
                self.assertRegex(shown, r"^ *\^$")


class Sweep(Case):
    PLAN = {"trials", "rounds", "shared_rounds", "store_bytes", "rank_bytes", "flops"}
    STATUS = {"state", "rounds_done", "rounds_total", "trials_failed", "eta_s"}
    VERIFY = {"ok", "digest", "committed", "torn", "missing", "damaged"}

    def setUp(self):
        super().setUp()
        self.store = self.path("smoke.h5")

    def test_plan_matches_what_run_makes(self):
        plan = self.json_of("plan", SMOKE, "--set", f"store={self.store}")
        self.assertLessEqual(self.PLAN, set(plan))
        self.assertEqual(plan["trials"], 4)
        # Two dense trainings, shared by two rates each; three tickets and three controls per trial.
        self.assertEqual(plan["rounds"], 2 + 4 * 3 * 2)
        self.assertEqual(plan["shared_rounds"], 2)
        self.assertFalse(os.path.exists(self.store))
        log = self.sweep(self.store).stdout
        self.assertEqual(os.path.getsize(self.store), plan["store_bytes"])
        status = self.json_of("status", self.store)
        self.assertLessEqual(self.STATUS, set(status))
        self.assertEqual(status["rounds_total"], plan["rounds"])
        self.assertEqual(status["rounds_done"], plan["rounds"])
        self.assertEqual(status["state"], "finished")
        self.assertEqual(status["trials_failed"], 0)
        self.assertEqual(len(re.findall(r"(?m)^\d+/26 row \d+ trial \d+ round \d+ ", log)), 26)
        with open(self.store + ".exit", encoding="ascii") as file:
            self.assertEqual(int(file.read()), 0)
        self.assertFalse(os.path.exists(self.store + ".lock"))

    def test_plan_for_people(self):
        text = self.run_ok("plan", SMOKE, "--set", f"store={self.store}").stdout
        for word in ("26 distinct", "mlp-24-12", "synthetic", "prune.rate: 0.2", "per worker", "FLOP"):
            self.assertIn(word, text)

    def test_plan_of_a_network_too_large_to_try(self):
        text = self.run_ok("plan", SMOKE, "--set", "model.name=mlp-40000-40000").stdout
        self.assertIn("not predicted: too many networks to time, or too large ones", text)
        self.assertIsNone(self.json_of("plan", SMOKE, "--set", "model.name=mlp-40000-40000")["predicted_seconds"])

    def test_nothing_is_overwritten_and_resume_goes_on(self):
        self.sweep(self.store)
        digest = self.digest(self.store)
        error = self.sweep(self.store, code=1).stderr
        self.assertIn("--resume", error)
        self.sweep(self.store, resume=True)
        self.assertEqual(self.digest(self.store), digest)
        error = self.sweep(self.store, "train.batch=30", resume=True, code=1).stderr
        self.assertIn("train.batch", error)
        self.assertIn("24", error)
        self.assertIn("30", error)
        self.sweep(self.store, resume=True, options=("--threads", "2"))
        self.assertEqual(self.digest(self.store), digest)

    def test_resume_without_a_store_makes_it(self):
        result = self.sweep(self.store, "prune.rounds=0", resume=True)
        self.assertIn("creating", result.stderr)
        self.assertEqual(self.json_of("status", self.store)["rounds_done"], 2)

    def test_another_instruction_set_is_refused(self):
        self.sweep(self.store, "prune.rounds=0", SWEEPSTAKE_ISA="generic")
        result = run("run", SMOKE, "--set", f"store={self.store}", "--set", "prune.rounds=0", "--resume")
        if "avx2" in self.run_ok("show", "backends").stdout:
            self.assertEqual(result.returncode, 1)
            self.assertIn("generic", result.stderr)
        else:
            self.assertEqual(result.returncode, 0)

    def test_verify_names_damage_and_resume_repairs_it(self):
        self.sweep(self.store)
        found = self.json_of("verify", self.store)
        self.assertLessEqual(self.VERIFY, set(found))
        self.assertEqual((found["ok"], found["committed"], found["damaged"]), (True, 26, 0))
        with h5py.File(self.store, "r") as file:
            place = file["weights"].id.get_offset()
            self.assertGreater(place, 0)
        with open(self.store, "r+b") as file:
            file.seek(place + 5)
            byte = file.read(1)
            file.seek(place + 5)
            file.write(bytes([byte[0] ^ 1]))
        damaged = self.json_of("verify", self.store, code=74)
        self.assertEqual((damaged["ok"], damaged["damaged"]), (False, 1))
        self.assertEqual(damaged["problems"][0]["row"], 0)
        self.assertEqual(damaged["problems"][0]["section"], "weights")
        self.assertIn("row 0", self.run_ok("verify", self.store, code=74).stdout)
        self.sweep(self.store, resume=True)
        self.assertEqual(self.digest(self.store), found["digest"])

    def test_damaged_header_is_refused(self):
        self.sweep(self.store, "prune.rounds=0")
        size = os.path.getsize(self.store)
        os.truncate(self.store, size - 1)
        for name in ("status", "verify"):
            self.assertIn("smoke.h5", self.run_ok(name, self.store, code=74).stderr)
        self.assertFalse(self.json_of("verify", self.store, code=74)["ok"])
        self.write("text.h5", "no store at all\n" * 1000)
        self.run_ok("verify", self.path("text.h5"), code=74)

    def test_export(self):
        self.sweep(self.store)
        out = self.path("ticket.h5")
        self.assertIn("round 3", self.run_ok("export", self.store, "1", out).stdout)
        with h5py.File(out, "r") as file:
            self.assertGreater(len(file), 0)
        self.run_ok("export", self.store, "1:2:reinit", self.path("control.h5"))
        self.run_ok("export", self.store, "1", out, code=74)
        for ticket in ("9", "0:9", "0:0:reinit", "0:1:nothing", "-1", "0:x"):
            self.run_ok("export", self.store, ticket, self.path("other.h5"), code=1)
        self.assertFalse(os.path.exists(self.path("other.h5")))

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([PROGRAM, "show", "keys"], stdout=full, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False)
        self.assertEqual(done.returncode, 74)


class Bench(Case):
    KEYS = {"model", "batch", "sparsity", "threads", "backend", "step_ms", "us_per_sample", "gflops", "peak_bytes"}

    def test_step_keys(self):
        found = self.json_of("bench", "step", "--model", "mlp-64-32", "--batch", "16", "--sparsity", "0.9", "--steps", "5")
        self.assertLessEqual(self.KEYS, set(found))
        self.assertEqual((found["batch"], found["sparsity"]), (16, 0.9))
        self.assertGreater(found["step_ms"], 0)
        self.assertAlmostEqual(found["us_per_sample"], found["step_ms"] * 1000 / 16, delta=found["us_per_sample"] / 100)

    def test_step_of_every_structure(self):
        for granularity, low, high in (("weight", 0.9, 0.9), ("block8", 0.85, 0.95), ("neuron", 0.9, 0.99)):
            found = self.json_of("bench", "step", "--sparsity", "0.9", "--granularity", granularity, "--steps", "3")
            self.assertEqual((found["sparsity"], found["granularity"]), (0.9, granularity))
            self.assertTrue(low - 1e-3 <= found["weight_sparsity"] <= high + 1e-3, found)
        self.assertIn("granularities", self.run_ok("bench", "step", "--granularity", "block5", code=1).stderr)

    def test_kernels_in_every_format(self):
        text = self.run_ok("bench", "kernels", "--batch", "8", "--sparsity", "0.9", "--json").stdout
        lines = [json.loads(line) for line in text.splitlines()]
        formats = ["dense", "csr", "csc", "coo", "bsr4", "bsr8", "bsr16"]
        self.assertEqual([line["format"] for line in lines], formats * 9)
        self.assertEqual({line["kernel"] for line in lines}, {"forward", "backward_data", "backward_weights"})
        for line in lines:
            # Three numbers of ten digits each.
            self.assertAlmostEqual(line["ratio"] / (line["gflops"] / line["sgemm_gflops"]), 1, delta=2e-9)
            # As near as whole blocks, which the edges cut, can be.
            self.assertAlmostEqual(line["nnz"], 0.1 * line["out"] * line["in"], delta=0.01 * line["out"] * line["in"])
        table = self.run_ok("bench", "kernels", "--batch", "8", "--sparsity", "0").stdout
        self.assertEqual(len(table.splitlines()), 3 + 9)

    def test_sparse_networks_take_less_memory(self):
        text = self.run_ok("bench", "step", "--sparsity", "0,0.9", "--steps", "3", "--json").stdout
        dense, sparse = map(json.loads, text.splitlines())
        names = ("bytes_weights", "bytes_gradients", "bytes_optimizer")
        self.assertLess(sum(sparse[name] for name in names), 0.25 * sum(dense[name] for name in names))
