"""The benchmarks that write files, start ranks or read a store: their keys and whether the figures can be true. No
limits on times: the machine may be busy."""

import json
import os

from helpers import SMOKE, Case


class Refusals(Case):
    def test_options_of_other_benchmarks_are_refused(self):
        for words in (("step", "--megabytes", "1"), ("store", "--model", "mlp-8"), ("kernels", "--rounds", "3"),
                      ("dispatch", "--batch", "3"), ("inference", "--dir", "."), ("inference", "--batch", "3"),
                      ("step", "--tune"), ("step", "--conv"), ("kernels", "--tune", "--json"), ("store", "more"), ("store", "--rounds", "0"), ("dispatch", "--idle", "0"),
                      ("inference", "a.h5"), ("inference", "a.h5", "0", "1"), ("inference", "a.h5", "0", "--model", "mlp-8"),
                      ("inference", "none.h5", "0"), ("inference", "--model", "nothing"), ("inference", "--backend", "abacus")):
            error = self.run_ok("bench", *words, code=1).stderr
            self.assertTrue(error.startswith("sweepstake"), (words, error))

    def test_folders_that_are_not_there(self):
        for name in ("store", "dispatch"):
            error = self.run_ok("bench", name, "--dir", self.path("none"), code=74).stderr
            self.assertIn("none", error)

    def test_help_documents_every_benchmark(self):
        text = self.run_ok("bench", "--help").stdout
        for name in ("kernels", "step", "store", "dispatch", "inference"):
            self.assertRegex(text, rf"(?m)^{name}: ")


class Documented(Case):
    """What --help says of the JSON is what comes."""

    def keys_of(self, name):
        lines = self.run_ok("bench", "--help").stdout.split("\n\n")
        text = next(part for part in lines if part.startswith(f"{name}: "))
        return text, text.partition("JSON:")[2].replace("\n", " ")

    def check(self, name, found):
        text, keys = self.keys_of(name)
        for key in found:
            if not key.startswith("durable_"):
                self.assertIn(key, keys, text)

    def test_store(self):
        found = self.json_of("bench", "store", "--dir", self.folder, "--megabytes", "1", "--rounds", "3")
        self.check("store", found)
        self.assertEqual(found["rounds"], 3)
        self.assertAlmostEqual(found["payload_bytes"], 1e6, delta=5e4)
        self.assertEqual(found["calls"], 8)
        for prefix in ("", "durable_"):
            self.assertAlmostEqual(found[prefix + "ratio"], found[prefix + "raw_ms"] / found[prefix + "commit_ms"], places=6)
            for who in ("commit", "raw"):
                megabytes = found[f"{prefix}{who}_mbs"] * found[f"{prefix}{who}_ms"] / 1e3
                self.assertAlmostEqual(megabytes, found["payload_bytes"] / 1e6, places=6)
        self.assertLess(found["small_bytes"], 50_000)
        for key in ("small_us", "small_durable_us", "read_mbs"):
            self.assertGreater(found[key], 0, key)
        self.assertEqual([one["rounds"] for one in found["create"]], [10, 1000, 10000])
        for one in found["create"]:
            self.assertLess(one["disk_bytes"], one["bytes"])
        self.assertGreater(found["create"][2]["bytes"], 9 * found["create"][1]["bytes"])
        self.assertEqual(os.listdir(self.folder), [])

    def check_dispatch(self, found, workers, rounds):
        self.check("dispatch", found)
        self.assertEqual((found["workers"], found["rounds"]), (workers, rounds))
        # A worker's first round follows no result; a late worker may get none.
        self.assertTrue(rounds - workers <= found["dispatches"] < rounds)
        self.assertAlmostEqual(found["rounds_per_second"] * found["seconds"], rounds, places=6)
        self.assertTrue(0 < found["coordinator_ms"] <= found["rank0_ms"])
        self.assertTrue(0 < found["dispatch_ms"] <= found["dispatch_p99_ms"] <= found["dispatch_worst_ms"])
        self.assertGreaterEqual(found["idle_seconds"], 0.5)
        self.assertTrue(0 < found["rank0_share"] < 1)
        self.assertEqual(os.listdir(self.folder), [])

    def test_dispatch_alone(self):
        found = self.json_of("bench", "dispatch", "--dir", self.folder, "--rounds", "12", "--idle", "0.5")
        self.check_dispatch(found, 1, 12)
        self.assertIsNone(found["idle_share"])

    def test_dispatch_starts_its_workers(self):
        found = self.json_of("bench", "dispatch", "--dir", self.folder, "--rounds", "40", "--idle", "0.5", "--workers", "2")
        self.check_dispatch(found, 2, 40)
        self.assertTrue(0 < found["idle_share"] < 1)

    def test_dispatch_under_mpirun(self):
        words = ("bench", "dispatch", "--dir", self.folder, "--rounds", "20", "--idle", "0.5")
        self.check_dispatch(self.json_of(*words, ranks=2), 1, 20)
        self.assertIn("--workers 3", self.run_ok(*words, "--workers", "3", ranks=2, code=1).stderr)

    def check_inference(self, lines, sparsity):
        self.assertEqual([(one["batch"], one["format"]) for one in lines],
                         [(batch, name) for batch in (1, 64) for name in ("dense", "csr", "chosen")])
        for one in lines:
            self.check("inference", one)
            self.assertAlmostEqual(one["sparsity"], sparsity, delta=0.02)
            self.assertGreater(one["us"], 0)
            self.assertLess(one["difference"], 1e-4)
            dense = next(other for other in lines if other["batch"] == one["batch"])
            self.assertAlmostEqual(one["ratio"], dense["us"] / one["us"], places=6)

    def test_inference_of_random_tickets(self):
        text = self.run_ok("bench", "inference", "--sparsity", "0.5,0.9", "--steps", "3", "--json").stdout
        lines = [json.loads(line) for line in text.splitlines()]
        self.check_inference(lines[:6], 0.5)
        self.check_inference(lines[6:], 0.9)
        self.assertLess(lines[7]["bytes_weights"], 0.5 * lines[6]["bytes_weights"])
        self.assertIsNone(lines[0]["store"])

    def test_inference_of_a_ticket(self):
        store = self.path("smoke.h5")
        self.run_ok("run", SMOKE, "--set", f"store={store}")
        for ticket, sparsity in (("2:3", 0.865), ("2:3:reinit", 0.865), ("0:0", 0), ("2", 0.865)):
            text = self.run_ok("bench", "inference", store, ticket, "--steps", "3", "--json").stdout
            lines = [json.loads(line) for line in text.splitlines()]
            self.check_inference(lines, sparsity)
            self.assertEqual((lines[0]["ticket"], lines[0]["model"]), (ticket, "mlp-24-12"))
        self.run_ok("bench", "inference", store, "9", code=1)
        self.run_ok("bench", "inference", store, "0:x", code=1)
