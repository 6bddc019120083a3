"""The same sweep gives the same bits for any number of ranks and threads."""

from helpers import Case


class Sameness(Case):
    def test_one_digest(self):
        digests = {}
        for ranks, threads in ((0, 1), (1, 1), (1, 2), (2, 1), (2, 2), (4, 1), (4, 2)):
            store = self.path(f"smoke-{ranks}-{threads}.h5")
            self.sweep(store, ranks=ranks, options=("--threads", threads))
            digests[ranks, threads] = self.digest(store)
        self.assertEqual(len(set(digests.values())), 1, digests)

    def test_other_seeds_give_another_digest(self):
        first, second = self.path("first.h5"), self.path("second.h5")
        self.sweep(first, "prune.rounds=0")
        self.sweep(second, "prune.rounds=0", "data.seed=1")
        self.assertNotEqual(self.digest(first), self.digest(second))
