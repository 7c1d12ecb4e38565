#!/usr/bin/python3
"""As make_golden.py, for convolutions and what goes with them.

    /usr/bin/python3 tests/golden/make_golden_windows.py > tests/golden/golden_windows.json

Samples are 4 x 6 images of 3 channels, [height, width, channels] in the engine and
[channels, height, width] in PyTorch, so a case begins with a reshape.
"""

import json
import sys

import torch
from torch import nn

import make_golden as base
import make_golden_layers as layers_base

HEIGHT, WIDTH, CHANNELS = 4, 6, 3
FEATURES, OUTPUTS = HEIGHT * WIDTH * CHANNELS, 3
IMAGE = {"type": "reshape", "shape": [HEIGHT, WIDTH, CHANNELS]}
SEQUENCE = {"type": "reshape", "shape": [HEIGHT * WIDTH, CHANNELS]}
LAST = {"type": "dense", "units": "auto"}


class ChannelsFirst(nn.Module):
    """From the engine's order of axes to PyTorch's."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.reshape(-1, *self.shape).movedim(-1, 1)


class Same(nn.Module):
    """Pads as "same" does: the odd one of the padding comes after."""

    def __init__(self, kernel, strides, dilation):
        super().__init__()
        self.kernel, self.strides, self.dilation = kernel, strides, dilation

    def forward(self, x):
        padding = []
        for axis in reversed(range(len(self.kernel))):
            size, stride = x.shape[2 + axis], self.strides[axis]
            reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1
            total = max(0, (-(-size // stride) - 1) * stride + reach - size)
            padding += [total // 2, total - total // 2]
        return nn.functional.pad(x, padding)


def per_axis(value, dimensions):
    return list(value) if isinstance(value, list) else [value] * dimensions


def convolution(layer, dimensions, channels):
    kernel = per_axis(layer["kernel_size"], dimensions)
    strides = per_axis(layer.get("strides", 1), dimensions)
    dilation = per_axis(layer.get("dilation_rate", 1), dimensions)
    padding, before = layer.get("padding", "valid"), []
    if padding == "same":
        before, padding = [Same(kernel, strides, dilation)], 0
    padding = per_axis(0 if padding == "valid" else padding, dimensions)
    module = nn.Conv1d if dimensions == 1 else nn.Conv2d
    return before + [module(channels, layer["filters"], kernel, strides, padding, dilation,
                            layer.get("groups", 1), layer.get("use_bias", True)),
                     base.ACTIVATIONS[layer.get("activation", "linear")]()]


class Residual(nn.Module):
    def __init__(self, layers, shape, activation):
        super().__init__()
        self.layers = nn.Sequential(*make_modules(layers, shape))
        out = shape_after([self.layers], shape)
        self.projection = nn.Identity()
        if out != shape:
            strides = [-(-a // b) for a, b in zip(shape, out[:-1])]
            module = nn.Conv1d if len(shape) == 2 else nn.Conv2d
            self.projection = module(shape[-1], out[-1], 1, strides)
        self.activation = base.ACTIVATIONS[activation]()

    def forward(self, x):
        return self.activation(self.layers(x) + self.projection(x))


def pooling(layer, dimensions):
    kernel = per_axis(layer.get("pool_size", 2), dimensions)
    strides = per_axis(layer.get("strides", kernel), dimensions)
    padding = layer.get("padding", 0)
    if layer["type"].startswith("max"):
        return [(nn.MaxPool1d if dimensions == 1 else nn.MaxPool2d)(kernel, strides, padding)]
    module = nn.AvgPool1d if dimensions == 1 else nn.AvgPool2d
    return [module(kernel, strides, padding,
                   count_include_pad=layer.get("count_include_pad", True))]


def make_modules(layers, shape):
    modules, first = [], shape
    for layer in layers:
        kind = layer["type"]
        channels, dimensions = shape[-1], len(shape) - 1
        if kind == "reshape":
            made = [ChannelsFirst(layer["shape"])]
        elif kind in ("conv1d", "conv2d"):
            made = convolution(layer, dimensions, channels)
        elif kind[:-2] in ("max_pool", "average_pool"):
            made = pooling(layer, dimensions)
        elif kind[:-2] == "global_average_pool":
            made = [nn.Flatten(2), nn.AdaptiveAvgPool1d(1), nn.Flatten()]
        elif kind == "upsample2d":
            size = per_axis(layer.get("size", 2), 2)
            made = [nn.Upsample(scale_factor=tuple(size))]
        elif kind == "group_norm":
            made = [nn.GroupNorm(layer["groups"], channels)]
        elif kind == "residual":
            made = [Residual(layer["layers"], shape, layer.get("activation", "linear"))]
        elif kind == "flatten":
            made = [nn.Flatten()]
        elif kind == "dense":
            made = [nn.Linear(channels, OUTPUTS if layer["units"] == "auto" else layer["units"]),
                    base.ACTIVATIONS[layer.get("activation", "linear")]()]
        elif kind == "batch_norm":
            made = [(nn.BatchNorm1d if dimensions == 1 else nn.BatchNorm2d)(channels)]
        else:
            made = [base.ACTIVATIONS[kind]()]
        modules += made
        shape = shape_after(modules, first)
    return modules


def shape_after(modules, shape):
    """Of a sample, channels last, and so is the shape that comes in."""
    with torch.no_grad():
        x = torch.zeros(1, *shape).movedim(-1, 1)
        y = nn.Sequential(*modules).eval()(x)
    return list(y.movedim(1, -1).shape[1:])


def cases():
    def conv(**keys):
        return {"type": "conv2d", "filters": 5, "kernel_size": 3, **keys}

    def image(*layers):
        return [IMAGE, *layers, {"type": "flatten"}, LAST]

    def sequence(**keys):
        return [SEQUENCE, {"type": "conv1d", "filters": 6, "kernel_size": 3, **keys},
                {"type": "tanh"}, {"type": "flatten"}, LAST]

    yield "conv2d", image(conv(activation="relu"))
    yield "conv2d, same", image(conv(padding="same", activation="tanh"),
                                conv(padding="same", filters=17))
    yield "conv2d, same with strides", image(conv(padding="same", strides=2))
    yield "conv2d, same with an even kernel", image(conv(padding="same", kernel_size=[2, 4]))
    yield "conv2d, explicit padding", image(conv(padding=[2, 1], strides=[2, 1]))
    yield "conv2d, dilated", image(conv(padding="same", dilation_rate=2, activation="gelu"))
    yield "conv2d, in groups", image(conv(filters=6, groups=3), {"type": "silu"})
    yield "conv2d, depthwise", image(
        conv(filters=3, groups=3, padding="same", use_bias=False),
        conv(filters=8, kernel_size=1, activation="relu"))
    yield "conv2d, batch_norm", image(conv(use_bias=False, padding=1), {"type": "batch_norm"},
                                      {"type": "relu"}, conv(strides=2))
    yield "conv1d", sequence()
    yield "conv1d, dilated", sequence(dilation_rate=3, padding="same")
    yield "conv1d, strides", sequence(strides=2, padding=2, kernel_size=5)
    first = conv(filters=6, activation="tanh", padding="same")
    yield "max_pool2d", image(first, {"type": "max_pool2d"})
    yield "max_pool2d, overlapping", image(first, {
        "type": "max_pool2d", "pool_size": 3, "strides": 2, "padding": 1})
    yield "average_pool2d", image(first, {"type": "average_pool2d", "pool_size": [2, 3]})
    yield "average_pool2d, padded", image(
        first, {"type": "average_pool2d", "pool_size": 3, "strides": 1, "padding": 1},
        {"type": "average_pool2d", "padding": 1, "count_include_pad": False})
    yield "global_average_pool2d", [IMAGE, first, {"type": "global_average_pool2d"}, LAST]
    yield "pools of sequences", [
        SEQUENCE, {"type": "conv1d", "filters": 17, "kernel_size": 3, "activation": "gelu"},
        {"type": "max_pool1d"}, {"type": "average_pool1d", "pool_size": 3, "strides": 2},
        {"type": "global_average_pool1d"}, LAST]
    yield "upsample2d", image({"type": "average_pool2d"}, first, {"type": "upsample2d"},
                              conv(strides=2), {"type": "tanh"})
    yield "group_norm", image(first, {"type": "group_norm", "groups": 3}, conv(filters=18),
                              {"type": "group_norm", "groups": 1}, {"type": "relu"})
    yield "residual, identity", image(first, {
        "type": "residual", "activation": "relu", "layers": [
            conv(filters=6, padding="same", use_bias=False), {"type": "batch_norm"},
            {"type": "relu"}, conv(filters=6, padding="same", use_bias=False),
            {"type": "batch_norm"}]})
    yield "residual, projection", image({
        "type": "residual", "activation": "relu", "layers": [
            conv(filters=8, padding=1, strides=2, use_bias=False), {"type": "batch_norm"},
            {"type": "relu"}, conv(filters=8, padding=1), {"type": "batch_norm"}]})
    yield "residual of sequences", [
        SEQUENCE, {"type": "residual", "layers": [
            {"type": "conv1d", "filters": 6, "kernel_size": 3, "padding": 1, "strides": 3},
            {"type": "tanh"}]}, {"type": "flatten"}, LAST]


def make_data():
    generator = torch.Generator().manual_seed(20240603)
    x = torch.randn(base.ROWS, FEATURES, generator=generator, dtype=torch.float64)
    x = x.to(torch.float32).to(torch.float64)
    direction = torch.randn(FEATURES, generator=generator, dtype=torch.float64)
    score = x @ direction / FEATURES ** 0.5
    return x, torch.bucketize(score, torch.tensor([-0.5, 0.5], dtype=torch.float64))


def build(layers):
    torch.manual_seed(3)
    return nn.Sequential(*make_modules(layers, [FEATURES]))


def train(optimizer_spec, layers, data, initial, dtype):
    model = build(layers)
    tensors = layers_base.tensors(model)
    with torch.no_grad():
        for value, first in zip(tensors, initial):
            value.copy_(first)
    model.to(dtype).train()
    optimizer = base.make_optimizer(optimizer_spec, model)
    losses = []
    for _ in range(base.STEPS):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(data[0].to(dtype)), data[1])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, [t.detach().to(torch.float64) for t in layers_base.tensors(model)]


def make_case(name, layers, data):
    spec = {"model": {"layers": layers}, "loss": "cross_entropy",
            "optimizer": {"type": "sgd", "learning_rate": 0.02, "momentum": 0.9}}
    initial = [t.detach().clone() for t in layers_base.tensors(build(layers))]
    losses, final = train(spec["optimizer"], layers, data, initial, torch.float64)
    rough, _ = train(spec["optimizer"], layers, data, initial, torch.float32)
    deviation = max(abs(a - b) / max(1, abs(a)) for a, b in zip(losses, rough))
    return {"name": name, "target": "classes", "spec": spec, "initial": base.flat(initial),
            "losses": [float("%.10g" % loss) for loss in losses], "final": base.flat(final),
            "float32_deviation": float("%.2g" % deviation)}


def main():
    torch.set_num_threads(1)
    data = make_data()
    golden = {"rows": base.ROWS, "features": FEATURES, "steps": base.STEPS,
              "x": base.flat([data[0]]), "classes": data[1].tolist()}
    made = [make_case(name, layers, data) for name, layers in cases()]
    sys.stdout.write(json.dumps(golden)[:-1] + ', "cases": [\n')
    sys.stdout.write(",\n".join(json.dumps(case) for case in made) + "\n]}\n")


if __name__ == "__main__":
    main()
