"""Write the first inputs of every fuzz harness below a folder: make_seeds.py FOLDER

Sweep files are committed as text; what is binary is made here from its description. A dictionary of the words
of a sweep file goes to FOLDER/sweep.dict."""

import glob
import gzip
import itertools
import os
import re
import shutil
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")
SOURCES = ("src/*/*.c", "src/*/*.def", "src/*/*/*.c", "include/sweepstake/*.def")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def sweeps(folder):
    for path in glob.glob(os.path.join(HERE, "seeds", "sweep", "*")) + glob.glob(os.path.join(TOP, "jobs", "*.yaml")):
        shutil.copy(path, folder)
    write(folder, "settings", b"sweep: s\n\0trial 0\ndata.name: mnist\nbatch\nseed: 0\ntrial 1\ntrain.batch: 7\n\n")


def dictionary(path):
    """Keys and their parts, and the words that they allow."""
    table = read(os.path.join(TOP, "include", "sweepstake", "trial_spec.def")).decode()
    keys = re.findall(r'SW_FIELD\(\w+, \w+, "([^"]+)"', table)
    parts = {part for key in keys for part in key.split(".")}
    text = "".join(read(path).decode() for pattern in SOURCES for path in sorted(glob.glob(os.path.join(TOP, pattern))))
    words = set(re.findall(r'(?:\.name = |SW_\w+\()"?([a-z][a-z0-9-]{2,})"', text))
    marks = ("sweep", "store", "grid", "seed", "null", "~", "true", ".inf", ".nan", "1e308", "[", "]", "{", "}", ": ", ", ",
             "- ", "? ", "|", ">", "&a ", "*a", "!!str ", "%YAML", "---", "...", "<<", "#")
    with open(path, "w", encoding="ascii") as file:
        for word in sorted({*keys, *parts, *words, *marks}):
            file.write('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"\n')


def idx_file(images, count, height=4, width=5):
    """An IDX file that is right; a pixel and a label follow from their place."""
    if images:
        return struct.pack(">4I", 0x803, count, height, width) + bytes(i * 7 % 256 for i in range(count * height * width))
    return struct.pack(">2I", 0x801, count) + bytes(i % 10 for i in range(count))


def idx(folder):
    """First byte as in fuzz_idx.c: labels 1, compress 2, part 4, data set 8, which file 16 * n."""
    good = {f"{kind}-{count}": idx_file(kind == "images", count)
            for kind, count in itertools.product(("images", "labels"), (1, 5, 12))}
    wrong = {"magic": b"\0\0\x0d\x03" + good["images-5"][4:], "short": good["images-5"][:-3], "long": good["images-5"] + b"x",
             "huge": struct.pack(">4I", 0x803, 0x7fffffff, 4096, 4096), "none": struct.pack(">4I", 0x803, 0, 4, 5),
             "label": struct.pack(">2I", 0x801, 3) + b"\1\12\377", "header": b"\0\0\x08\x03\0", "empty": b""}
    packed = {name + "-gz": gzip.compress(bytes_, mtime=0) for name, bytes_ in {**good, **wrong}.items()}
    packed["cut-gz"] = packed["images-12-gz"][:-9]
    packed["two-gz"] = packed["images-5-gz"] + packed["labels-5-gz"]
    for name, content in {**good, **wrong, **packed}.items():
        labels = 1 if name.startswith("label") else 0
        write(folder, name, bytes([labels]) + content)
        if not name.endswith("-gz"):
            write(folder, name + "-compressed", bytes([labels | 2]) + content)
    for which in range(4):
        content = idx_file(which % 2 == 0, 12 if which < 2 else 5)
        write(folder, f"set-{which}", bytes([8 | 16 * which]) + content)
        write(folder, f"set-{which}-gz", bytes([8 | 4 | 16 * which]) + gzip.compress(content, mtime=0))


def write(folder, name, content):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content)


def main():
    out = sys.argv[1]
    for make in (sweeps, idx):
        folder = os.path.join(out, {"sweeps": "sweep"}.get(make.__name__, make.__name__))
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        make(folder)
    dictionary(os.path.join(out, "sweep.dict"))


if __name__ == "__main__":
    main()
