#!/usr/bin/env python3
"""Write files in the binary formats of CIFAR-10 and CIFAR-100 out of Fashion-MNIST, where the real ones are absent.

    write_cifar.py FOLDER [--train N] [--test N]

FOLDER gets data_batch_1.bin ... data_batch_5.bin and test_batch.bin (one label byte: the class of the clothes), train.bin and
test.bin (two: the class, and 10 * class + tint), with N images in each part (1000 and 200). Images are enlarged from 28 to 32
pixels by repeating lines, and tinted in one of ten colours, so that both kinds of labels can be learned.
"""

import argparse
import gzip
import os

import numpy as np

SOURCE = "/usr/share/datasets/fashion-mnist"
TINTS = np.array([[255, 255, 255], [255, 60, 60], [60, 255, 60], [60, 60, 255], [255, 255, 60],
                  [255, 60, 255], [60, 255, 255], [255, 140, 60], [140, 60, 255], [90, 90, 90]])  # fmt: skip


def read(name, count):
    header = 16 if "images" in name else 8
    for path, opener in ((f"{SOURCE}/{name}.gz", gzip.open), (f"{SOURCE}/{name}", open)):
        if os.path.exists(path):
            with opener(path, "rb") as file:
                data = np.frombuffer(file.read(), np.uint8)[header:]
            return data.reshape(-1, 28, 28)[:count] if "images" in name else data[:count]
    raise SystemExit(f"{SOURCE}/{name}.gz: there is no such file; Debian's dataset-fashion-mnist has it")


def tinted(images, tints):
    """uint8 [n, 3, 32, 32]"""
    lines = (np.arange(32) * 28) // 32
    large = images[:, lines][:, :, lines].astype(np.uint16)
    return (large[:, None] * TINTS[tints][:, :, None, None] // 255).astype(np.uint8)


def write(path, labels, images):
    records = np.concatenate([*(column[:, None].astype(np.uint8) for column in labels), images.reshape(len(images), -1)], 1)
    records.tofile(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--test", type=int, default=200)
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    for part, name, count in (("train", "train", args.train), ("test", "t10k", args.test)):
        images, labels = read(f"{name}-images-idx3-ubyte", count), read(f"{name}-labels-idx1-ubyte", count)
        tints = np.arange(len(labels)) * 7 % 10
        images = tinted(images, tints)
        write(f"{args.folder}/{part}.bin", [labels, 10 * labels + tints], images)
        pieces = np.array_split(np.arange(len(labels)), 5 if part == "train" else 1)
        for i, piece in enumerate(pieces):
            write(f"{args.folder}/" + (f"data_batch_{i + 1}.bin" if part == "train" else "test_batch.bin"),
                  [labels[piece]], images[piece])  # fmt: skip


if __name__ == "__main__":
    main()
