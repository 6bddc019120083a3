"""Write the first inputs of every fuzz harness below a folder: make_seeds.py FOLDER

Sweep files are committed as text; what is binary is made here from its description. A dictionary of the words
of a sweep file goes to FOLDER/sweep.dict."""

import glob
import gzip
import itertools
import os
import re
import shutil
import socket
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


def cifar(folder):
    """First byte as in fuzz_cifar.c: CIFAR-100 1, raw 2, data set 4, part 8, which file 16 * n."""
    for hundred, part in itertools.product((0, 1), (0, 8)):
        labels = bytes((3, 42)) if hundred else b"\x03"
        record = labels + bytes(range(256)) * 12
        for name, content in (("whole", record * 3), ("empty", b""), ("short", record[:-1]), ("long", record + b"x")):
            write(folder, f"raw-{name}-{hundred}-{part}", bytes([2 | hundred | part]) + content)
        for records, beyond, value in itertools.product((0, 1, 12), (0, 1), (3, 255)):
            made = bytes([records]) + struct.pack("<H", beyond) + bytes([value]) * 2 * records + b"\1\2\3"
            write(folder, f"made-{records}-{beyond}-{value}-{hundred}-{part}", bytes([hundred | part]) + made)
            for which in range(6):
                write(folder, f"set-{which}-{records}-{beyond}-{value}-{hundred}-{part}",
                      bytes([4 | hundred | part | 16 * which]) + made)


def edit(where, offset, content=None, number=None):
    """One edit as in fuzz_store.c."""
    if number is not None:
        return struct.pack("<BHBq", where, offset, 0x80, number)
    return struct.pack("<BHB", where, offset, len(content)) + content


def lock_of_this_machine(pid):
    """A lock file whose owner can be looked for: as that of a harness on this machine."""
    boot = read("/proc/sys/kernel/random/boot_id").decode().strip()
    lines = (f"host {socket.gethostname()}", f"pid {pid}", "started 1.5", "heartbeat 2e9", f"boot {boot}",
             f"namespace {os.readlink('/proc/self/ns/pid')}", "start 9")
    return "\n".join(lines).encode() + b"\n"


def store(folder):
    """First byte as in fuzz_store.c: seal block 1, commits 2, sections 4, export 8, lock file 16, row 32 * n."""
    write(folder, "whole", b"\0")
    for row in range(7):
        write(folder, f"whole-export-{row}", bytes([8 | 32 * row]))
    write(folder, "two-edits", b"\0" + edit(13, 100, b"\x7f") + edit(18, 5, b"\x01"))
    for where, sealed in itertools.product(range(22), (0, 7, 15)):
        write(folder, f"bytes-{where}-{sealed}", bytes([sealed]) + edit(where, 8, b"\xff\x01"))
        write(folder, f"number-{where}-{sealed}", bytes([sealed]) + edit(where, 3, number=-1))
    for number, offset in itertools.product((0, 1, 2**31, 2**62, -2**63), (0, 4, 12, 20)):
        write(folder, f"plan-{number}-{offset}", b"\7" + edit(6, offset, number=number))
        write(folder, f"commit-{number}-{offset}", b"\6" + edit(18, offset, number=number))
    write(folder, "lock-mine", b"\x10" + lock_of_this_machine(os.getpid()))
    write(folder, "lock-dead", b"\x10" + lock_of_this_machine(1 << 22))
    text = "host n1\npid 77\njob 5\nstarted 1.5\nheartbeat 2e9\nrounds_done 3\nworkers 2\nboot x\nnamespace pid:[1]\nstart 9\n"
    write(folder, "lock", b"\x10" + text.encode() + b"\n" * 40)
    write(folder, "lock-wrong", b"\x10pid 99999999999999999999\nheartbeat nan\nhost " + b"h" * 200 + b"\njob\n \n")


HEAR, SPEAK, DONE, FAIL, BEAT, NOTICE, STEP, TIME, KILL, LEAVE, FULL, STOP = range(12)


def protocol(folder):
    """First byte as in fuzz_protocol.c: any messages 0, a sweep 1, a trainer's memory 2."""
    write(folder, "nothing", b"")
    for kind in range(12):
        write(folder, f"message-{kind}", bytes([0, kind]) + struct.pack("<HB", 24, 8) + struct.pack("<q", 1))
    talk = bytes((SPEAK, 1, STEP, 0, HEAR, 1))
    sweeps_ = {"whole": b"", "slow": talk + bytes((TIME, 130, STEP, 0, BEAT, 1, SPEAK, 1, STEP, 0, HEAR, 1, DONE, 1, SPEAK, 1)),
               "killed": talk + bytes((KILL, 1, TIME, 200)), "failed": talk + bytes((FAIL, 1, SPEAK, 1)),
               "leaves": talk + bytes((LEAVE, 1, SPEAK, 1)), "full": talk + bytes((FULL, 1, SPEAK, 1)),
               "stopped": talk + bytes((STOP, 20, STEP, 0, DONE, 1)), "notice": talk + bytes((NOTICE, 1, SPEAK, 1))}
    for name, events in sweeps_.items():
        for setting in range(4):
            write(folder, f"sweep-{name}-{setting}", bytes([1, setting, 0, 0]) + events)
    two = ((SPEAK, 0), (STEP, 0), (TIME, 100), (SPEAK, 2), (STEP, 0), (TIME, 30), (STEP, 0), (HEAR, 2), (DONE, 2), (SPEAK, 2),
           (STEP, 0), (BEAT, 0), (SPEAK, 0), (STEP, 0), (HEAR, 0), (DONE, 0), (SPEAK, 0))
    write(folder, "sweep-two-rounds", bytes([1, 2, 0, 0, *itertools.chain(*two)])) # was waited for for ever
    write(folder, "resumed", bytes([1, 1, 0b0100011, 0b0000001]) + talk)
    for row, lengths in itertools.product(range(3), ((0,) * 7, (1 << 20,) * 7, (8, 8, 8, 112, 80, 128, 1000), (-1,) * 7)):
        write(folder, f"parcel-{row}-{lengths[0]}", bytes([2, row]) + struct.pack("<7q", *lengths) + b"\1")


def write(folder, name, content):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content)


def main():
    out = sys.argv[1]
    for name, make in (("sweep", sweeps), ("idx", idx), ("cifar", cifar), ("store", store), ("protocol", protocol)):
        folder = os.path.join(out, name)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        make(folder)
    dictionary(os.path.join(out, "sweep.dict"))


if __name__ == "__main__":
    main()
