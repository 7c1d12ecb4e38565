"""The networks of the benchmark workloads, as a PyTorch user would write them."""
import dataclasses
import functools
import math
import typing

import torch
from torch import nn
from torch.nn import functional as F

VOCABULARY = 65  # of the language models


class WithLoss(nn.Module):
    """A network and its loss, so that both can be traced as one."""

    def __init__(self, network, classifies):
        super().__init__()
        self.network, self.classifies = network, classifies

    def forward(self, x, y):
        output = self.network(x)
        if not self.classifies:
            return F.mse_loss(output, y)
        return F.cross_entropy(output.flatten(0, -2), y.flatten())


def perceptron(*widths):
    layers = []
    for before, after in zip(widths, widths[1:]):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(7 * 7 * 64, 256), nn.ReLU(), nn.Linear(256, 10))


class ResidualBlock(nn.Module):
    """He et al. 2016 for CIFAR-10, with the shortcut without parameters ("option A")."""

    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(filters)
        self.shrinks, self.extra = stride > 1, (filters - channels) // 2

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.shrinks:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.extra, self.extra))
        return F.relu(y + x)


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False),
                                   nn.BatchNorm2d(16), nn.ReLU())
        blocks, channels = [], 16
        for filters in (16, 32, 64):
            for which in range(3):
                stride = 2 if which == 0 and filters > 16 else 1
                blocks.append(ResidualBlock(channels, filters, stride))
                channels = filters
        self.blocks, self.last = nn.Sequential(*blocks), nn.Linear(64, 10)

    def forward(self, x):
        return self.last(self.blocks(self.first(x)).mean((2, 3)))


class TransformerBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def attend(self, x, mask):
        rows, length, width = x.shape
        split = (rows, length, self.heads, width // self.heads)
        q, k, v = (part.reshape(split).transpose(1, 2)
                   for part in self.qkv(x).split(width, 2))
        scores = q @ k.transpose(2, 3) / math.sqrt(width // self.heads) + mask
        mixed = F.softmax(scores, -1) @ v
        return self.out(mixed.transpose(1, 2).reshape(rows, length, width))

    def forward(self, x, mask):
        x = x + self.attend(self.norm1(x), mask)
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self, length=128, width=128, heads=4, depth=4):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList([TransformerBlock(width, heads) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY, bias=False)
        self.register_buffer("mask", torch.full((length, length), -math.inf).triu(1))

    def forward(self, x):
        x = self.tokens(x) + self.positions.weight
        for block in self.blocks:
            x = block(x, self.mask)
        return self.head(self.norm(x))


class CharacterLSTM(nn.Module):
    def __init__(self, units=128):
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, units)
        self.lstm = nn.LSTM(units, units, 2, batch_first=True)
        self.head = nn.Linear(units, VOCABULARY)

    def forward(self, x):
        return self.head(self.lstm(self.tokens(x))[0])


adam = functools.partial(torch.optim.Adam, lr=1e-3)
adamw = functools.partial(torch.optim.AdamW, lr=1e-3)
momentum = functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=1e-4)


@dataclasses.dataclass
class Workload:
    network: typing.Callable
    shape: tuple  # of a sample; one of a text: tokens
    rows: int
    batch: int
    epochs: int
    optimizer: typing.Callable = adam
    classes: int = 10  # 0: one number to predict
    is_text: bool = False

    @property
    def classifies(self):
        return self.classes > 0

    @property
    def samples_per_row(self):
        return self.shape[0] if self.is_text else 1

    def data(self):
        if self.is_text:
            tokens = torch.randint(0, self.classes, (self.rows, self.shape[0] + 1))
            return tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
        x = torch.randn(self.rows, *self.shape)
        if self.classifies:
            return x, torch.randint(0, self.classes, (self.rows,))
        return x, torch.randn(self.rows, 1)


WORKLOADS = {
    "W1": Workload(lambda: perceptron(13, 64, 64, 1), (13,), 20000, 32, 4, classes=0),
    "W2": Workload(lambda: perceptron(784, 256, 128, 10), (784,), 60000, 128, 4),
    "W3": Workload(lambda: perceptron(784, 1024, 1024, 1024, 10), (784,), 15360, 256, 4),
    "W4": Workload(lenet, (1, 28, 28), 3840, 64, 4),
    "W5": Workload(ResNet20, (3, 32, 32), 1920, 64, 3, momentum),
    "W6": Workload(Transformer, (128,), 480, 16, 4, adamw, VOCABULARY, True),
    "W7": Workload(CharacterLSTM, (64,), 1280, 32, 4, adam, VOCABULARY, True),
}
