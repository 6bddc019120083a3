"""Broken sweep files and exactly what is said about them: broken_sweeps.txt is read, and every input tried.
`test_broken_sweeps.py --write` writes the file anew with today's messages, for a person to read."""

import os
import re
import sys
import unittest

from helpers import Case, run

LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "broken_sweeps.txt")
HEAD = """\
Sweep files that are wrong, and what `sweepstake plan sweep.yaml` says about them: a title, the file, the message.
The first line "..." of a file stands for these four, which are right; \\xNN stands for a byte that cannot be shown.

sweep: t
data: {name: synthetic, train: 120, test: 40, validation: 20}
model: {name: mlp-8}
train: {epochs: 1, batch: 20}

The exit code is 1, or 74 where the title says so.

"""
GOOD = "".join(HEAD.splitlines(keepends=True)[3:7])


def read_list():
    """[(title, input as written, message), ...]"""
    with open(LIST, encoding="utf-8") as file:
        parts = re.split(r"(?m)^==== (.*)\n", file.read())
    cases = []
    for title, body in zip(parts[1::2], parts[2::2]):
        text, _, message = body.partition("----\n")
        cases.append((title, text, message))
    return cases


def bytes_of(text):
    """The file that a case stands for."""
    if text.startswith("...\n"):
        text = GOOD + text[4:]
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), text.encode())


def plan(folder, text):
    with open(os.path.join(folder, "sweep.yaml"), "wb") as file:
        file.write(bytes_of(text))
    return run("plan", "sweep.yaml", cwd=folder)


def known(message):
    """Without the names that this build has: a new criterion makes no message wrong."""
    return re.sub(r"(unknown (?:word|key).* allowed[^:]*:).*", r"\1", message)


class BrokenSweeps(Case):
    def test_messages(self):
        cases = read_list()
        self.assertGreaterEqual(len(cases), 25)
        for title, text, message in cases:
            with self.subTest(title):
                result = plan(self.folder, text)
                self.assertEqual((result.stdout, known(result.stderr)), ("", known(message)))
                self.assertEqual(result.returncode, 74 if "(74)" in title else 1)

    def test_files_that_are_none(self):
        large = self.write("large.yaml", "#" * 2000000)
        for path, phrase in ((self.path("none.yaml"), "there is no sweep file"), (self.folder, "is not a regular file"),
                             (large, "has 2000000 bytes; at most 1048576 are allowed")):
            result = self.run_ok("plan", path, code=1 if path != self.folder else 74)
            self.assertEqual(result.stdout, "")
            self.assertIn(path, result.stderr)
            self.assertIn(phrase, result.stderr)


def write_list(folder):
    with open(LIST + ".new", "w", encoding="utf-8") as file:
        file.write(HEAD)
        for title, text, _ in read_list():
            file.write(f"==== {title}\n{text}----\n{plan(folder, text).stderr}")
    os.replace(LIST + ".new", LIST)


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        unittest.main()
    case = BrokenSweeps("test_messages")
    case.setUp()
    write_list(case.folder)
    case.doCleanups()
