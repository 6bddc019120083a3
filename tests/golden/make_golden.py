#!/usr/bin/env python3
"""Make the golden values of test_parity: what PyTorch computes, in double precision, for our networks.

    make_golden.py [MODEL ...]        needs PyTorch; writes tests/golden/MODEL.txt

Weights, images, labels and masks come from a hash of their position (see `uniform`), so that the C test makes the same ones
bit by bit and the files hold summaries only. A network is trained for five steps on one batch (SGD, learning rate 0.001,
momentum 0.9), once dense and once with nine of ten weights removed. Per parameter stand: the Euclidean norm, the dot product
with a fixed vector of +-1, and four elements, of the gradient of the first step and of the values after the fifth; running
statistics of batch norm are parameters, too, without gradient.
"""

import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS, RATE, MOMENTUM, KEPT = 5, 0.001, 0.9, 0.1


# ---- numbers from positions ---------------------------------------------------------------------


def mix(stream, count):
    """32 random bits per position: the finaliser of MurmurHash3 over stream * 0x9e3779b9 + position."""
    x = (np.arange(count, dtype=np.uint64) + np.uint64(stream * 0x9E3779B9 & 0xFFFFFFFF)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(16)
    x = x * np.uint64(0x85EBCA6B) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(13)
    x = x * np.uint64(0xC2B2AE35) & np.uint64(0xFFFFFFFF)
    return x ^ x >> np.uint64(16)


def uniform(stream, count):
    """Multiples of 2^-24 in 0..1, exact in float."""
    return (mix(stream, count) >> np.uint64(8)).astype(np.float64) / 2**24


# ---- networks: parameters named as in torchvision ------------------------------------------------


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class Conv2(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 64, 3, padding=1), nn.Conv2d(64, 64, 3, padding=1)
        self.fc1, self.fc2, self.fc3 = nn.Linear(64 * 256, 256), nn.Linear(256, 256), nn.Linear(256, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout)
        self.conv2, self.bn2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False), nn.BatchNorm2d(cout)
        self.downsample = None
        if stride != 1 or cin != cout:
            self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        other = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + other)


class ResNet(nn.Module):
    def __init__(self, widths, blocks):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0])
        cin = widths[0]
        for stage, width in enumerate(widths):
            layers = []
            for block in range(blocks):
                layers.append(Block(cin, width, 2 if stage and not block else 1))
                cin = width
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))
        self.stages = len(widths)
        self.fc = nn.Linear(cin, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))


class VGG16(nn.Module):
    def __init__(self):
        super().__init__()
        layers, cin = [], 3
        for width in [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0]:
            layers += [nn.Conv2d(cin, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()] if width else [nn.MaxPool2d(2)]
            cin = width or cin
        self.features, self.classifier = nn.Sequential(*layers), nn.Linear(512, 10)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


# Network, samples of the batch, shape of one.
MODELS = {
    "lenet-5": (LeNet5, 5, (1, 28, 28)),
    "conv-2": (Conv2, 3, (3, 32, 32)),
    "resnet-20": (lambda: ResNet([16, 32, 64], 3), 8, (3, 32, 32)),
    "resnet-18": (lambda: ResNet([64, 128, 256, 512], 2), 8, (3, 32, 32)),
    "vgg-16": (VGG16, 8, (3, 32, 32)),
}


# ---- values -------------------------------------------------------------------------------------


def arrays(net):
    """Name and tensor of everything that is part of our parameter vector, in its order."""
    return [(name, tensor) for name, tensor in net.state_dict(keep_vars=True).items() if not name.endswith("num_batches_tracked")]


def is_weight(tensor):
    return tensor.dim() > 1


def fill(net, masked):
    """Starting values; and the mask of every weight."""
    masks = {}
    for number, (name, tensor) in enumerate(arrays(net)):
        u = uniform(number, tensor.numel())
        if is_weight(tensor):
            fan_in = tensor[0].numel()
            # A power of two near the deviation that keeps signals alive, so that products are exact in float.
            scale = 2.0 ** round(np.log2(np.sqrt(6 / fan_in / (KEPT if masked else 1))))
            values = (u - 0.5) * 2 * scale
            kept = uniform(1000 + number, tensor.numel()) < KEPT
            if masked:
                values = values * kept
                masks[name] = torch.from_numpy(kept.reshape(tensor.shape)).double()
        elif name.endswith("running_mean"):
            values = np.zeros(tensor.numel())
        elif name.endswith("running_var"):
            values = np.ones(tensor.numel())
        elif name.endswith("weight"):
            values = 0.75 + u / 2  # batch-norm scales
        else:
            values = (u - 0.5) / 4
        tensor.data.copy_(torch.from_numpy(values.reshape(tensor.shape)))
    return masks


def summarise(kind, number, name, values):
    values = values.detach().numpy().ravel()
    signs = np.where(mix(2000 + number, values.size) & np.uint64(1), 1.0, -1.0)
    places = mix(3000 + number, 4) % np.uint64(values.size)
    numbers = [np.linalg.norm(values), float(values @ signs)] + [values[int(place)] for place in places]
    return f"{kind} {name} " + " ".join(f"{number:.9e}" for number in numbers)


def run(net, samples, shape, masked):
    masks = fill(net, masked)
    pixels = (mix(5000, samples * int(np.prod(shape))) & np.uint64(255)).astype(np.float64)
    x = torch.from_numpy(pixels.reshape(samples, *shape) / 255)
    y = torch.from_numpy((mix(5001, samples) % np.uint64(10)).astype(np.int64))
    optimizer = torch.optim.SGD(net.parameters(), RATE, momentum=MOMENTUM)
    lines = [f"masked {int(masked)} {samples}"]
    net.train()
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        lines.append(f"loss step{step} {loss.item():.9e}")
        for number, (name, tensor) in enumerate(arrays(net)):
            if name in masks:
                tensor.grad.mul_(masks[name])
            if step == 0 and tensor.requires_grad:
                lines.append(summarise("gradient", number, name, tensor.grad))
        optimizer.step()
    lines += [summarise("value", number, name, tensor) for number, (name, tensor) in enumerate(arrays(net))]
    net.eval()
    lines.append(f"loss evaluated {F.cross_entropy(net(x), y).item():.9e}")
    return lines


def main():
    torch.set_num_threads(2)
    for model in sys.argv[1:] or MODELS:
        make, samples, shape = MODELS[model]
        lines = [f"# {model}: made by tests/golden/make_golden.py with PyTorch {torch.__version__.split('+')[0]}, double precision",
                 "# kind name norm dot element element element element"]
        for masked in (False, True):
            lines += run(make().double(), samples, shape, masked)
        with open(os.path.join(HERE, f"{model}.txt"), "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        print(f"{model}: {len(lines)} lines")


if __name__ == "__main__":
    main()
