#!/usr/bin/python3
"""As make_golden.py, for networks of other layers than dense ones, and that are no chain.

    /usr/bin/python3 tests/golden/make_golden_layers.py > tests/golden/golden_layers.json

The parameters of a case are all tensors of its network in the order of the engine's
export, running statistics included.
"""

import json
import sys

import torch
from torch import nn

import make_golden as base


class RMSNorm(nn.Module):
    """torch.nn.RMSNorm, which torch 1.13 does not have yet."""

    def __init__(self, width, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


class Residual(nn.Module):
    def __init__(self, layers, width, activation):
        super().__init__()
        self.layers = nn.Sequential(*layers)
        out = width_after(layers, width)
        self.projection = nn.Linear(width, out) if out != width else nn.Identity()
        self.activation = base.ACTIVATIONS[activation]()
        self.width = out

    def forward(self, x):
        return self.activation(self.layers(x) + self.projection(x))


def width_after(modules, width):
    for module in modules:
        width = getattr(module, "out_features", getattr(module, "width", width))
    return width


def make_modules(layers, width, outputs):
    """A list of lists of modules, one for each layer, and what comes out is how wide."""
    made = []
    for layer in layers:
        kind, activation = layer["type"], layer.get("activation", "linear")
        if kind == "dense":
            units = outputs if layer["units"] == "auto" else layer["units"]
            modules = [nn.Linear(width, units), base.ACTIVATIONS[activation]()]
        elif kind == "residual":
            nested = sum(make_modules(layer["layers"], width, outputs), [])
            modules = [Residual(nested, width, activation)]
        elif kind == "layer_norm":
            modules = [nn.LayerNorm(width, eps=layer.get("epsilon", 1e-5))]
        elif kind == "rms_norm":
            modules = [RMSNorm(width, layer.get("epsilon", 1e-5))]
        elif kind == "batch_norm":
            modules = [nn.BatchNorm1d(width, eps=layer.get("epsilon", 1e-5),
                                      momentum=layer.get("momentum", 0.1))]
        elif kind == "reshape":
            modules = [nn.Unflatten(1, layer["shape"])]
            width = layer["shape"][-1]
        elif kind == "flatten":
            modules = [nn.Flatten()]
            width = layer["width"]
        else:
            modules = [base.ACTIVATIONS[kind]()]
        made.append(modules)
        width = width_after(modules, width)
    return made


class Joined(nn.Module):
    """Three dense layers a, b, c; concat(a + b, a * c), then a dense layer."""

    def __init__(self, outputs):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(base.FEATURES, 6) for _ in range(3))
        self.last = nn.Linear(12, outputs)

    def forward(self, x):
        a, b, c = torch.tanh(self.a(x)), self.b(x), self.c(x)
        return self.last(torch.cat([a + b, a * c], dim=-1))


JOINED = [{"type": "dense", "units": 6, "name": "a", "activation": "tanh"},
          {"type": "dense", "units": 6, "name": "b", "inputs": ["input"]},
          {"type": "dense", "units": 6, "name": "c", "inputs": ["input"]},
          {"type": "add", "name": "sum", "inputs": ["a", "b"]},
          {"type": "multiply", "name": "product", "inputs": ["a", "c"]},
          {"type": "concat", "inputs": ["sum", "product"]},
          {"type": "dense", "units": "auto"}]


def tensors(model):
    """Parameters and running statistics, in the order of export."""
    return [value for name, value in model.state_dict(keep_vars=True).items()
            if not name.endswith("num_batches_tracked")]


def build(layers, outputs):
    if layers is JOINED:
        return Joined(outputs)
    return nn.Sequential(*sum(make_modules(layers, base.FEATURES, outputs), []))


def start(model):
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for value in model.parameters():
            value += torch.randn(value.shape, generator=generator) * 0.3
    return [value.detach().clone() for value in tensors(model)]


def train(spec, layers, data, initial, dtype, make=build):
    torch.manual_seed(3)
    model = make(layers, 3)
    initial = initial or start(model)
    with torch.no_grad():
        for value, first in zip(tensors(model), initial):
            value.copy_(first)
    model.to(dtype).train()
    optimizer = base.make_optimizer(spec["optimizer"], model)
    x, losses = data["x"].to(dtype), []
    for _ in range(base.STEPS):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), data["classes"])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return initial, losses, [value.detach().to(torch.float64) for value in tensors(model)]


def cases():
    dense = {"type": "dense", "units": 8}
    last = {"type": "dense", "units": "auto"}
    yield "joins", JOINED
    for kind in ("layer_norm", "rms_norm", "batch_norm"):
        yield kind, [dense, {"type": kind}, {"type": "tanh"}, last]
        yield kind + " of the input", [
            {"type": kind, "epsilon": 0.01}, {**dense, "activation": "gelu"}, last]
    yield "batch_norm with momentum", [
        {"type": "batch_norm", "momentum": 0.4}, dense, {"type": "silu"}, last]
    yield "residual", [dense, {"type": "residual", "activation": "tanh", "layers": [
        {"type": "layer_norm"}, {"type": "dense", "units": 11, "activation": "gelu"},
        {"type": "dense", "units": 8}]}, last]
    yield "residual with projection", [{"type": "residual", "layers": [
        {"type": "dense", "units": 7, "activation": "tanh"},
        {"type": "residual", "activation": "silu", "layers": [
            {"type": "dense", "units": 7}]}]}, last]
    yield "reshape", [
        dense, {"type": "reshape", "shape": [2, 4]},
        {"type": "dense", "units": 3, "activation": "tanh"},
        {"type": "flatten", "width": 6}, last]


def without_width(layers):
    return [{key: value for key, value in layer.items() if key != "width"}
            for layer in layers]


def write(cases, make):
    """The JSON of the cases, pairs of a name and layers, of which `make` makes a model."""
    torch.set_num_threads(1)
    data = base.make_data()
    golden = {"rows": base.ROWS, "features": base.FEATURES, "steps": base.STEPS,
              "x": base.flat([data["x"]]), "classes": data["classes"].tolist(),
              "cases": []}
    for name, layers in cases:
        spec = {"model": {"layers": without_width(layers)}, "loss": "cross_entropy",
                "optimizer": {"type": "sgd", "learning_rate": 0.05, "momentum": 0.9}}
        initial, losses, final = train(spec, layers, data, None, torch.float64, make)
        _, rough, _ = train(spec, layers, data, initial, torch.float32, make)
        deviation = max(abs(a - b) / max(1, abs(a)) for a, b in zip(losses, rough))
        golden["cases"].append({
            "name": name, "target": "classes", "spec": spec, "initial": base.flat(initial),
            "losses": [float("%.10g" % loss) for loss in losses],
            "final": base.flat(final), "float32_deviation": float("%.2g" % deviation)})
    text = json.dumps({key: value for key, value in golden.items() if key != "cases"})
    sys.stdout.write(text[:-1] + ', "cases": [\n')
    sys.stdout.write(",\n".join(json.dumps(case) for case in golden["cases"]))
    sys.stdout.write("\n]}\n")


if __name__ == "__main__":
    write(cases(), build)
