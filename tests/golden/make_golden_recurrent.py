#!/usr/bin/python3
"""As make_golden_layers.py, for lstm and gru.

    /usr/bin/python3 tests/golden/make_golden_recurrent.py > tests/golden/golden_recurrent.json

A dense layer makes the samples long enough to be read as steps. Truncation is a detach()
of the state before every k-th step.
"""

import torch
from torch import nn

import make_golden as base
import make_golden_layers as layers_base

STEPS, WIDTH = 7, 3
MODULES = {"lstm": nn.LSTM, "gru": nn.GRU}


class Recurrent(nn.Module):
    """torch's layer with one number of units, in pieces of `truncate` steps."""

    def __init__(self, layer, width):
        super().__init__()
        self.steps = layer.get("truncate", 0)
        self.sequences = layer.get("return_sequences", False)
        self.width = layer["units"]
        self.inner = MODULES[layer["type"]](width, self.width, batch_first=True,
                                            bias=layer.get("use_bias", True))

    def forward(self, x):
        outputs, state = [], None
        for piece in x.split(self.steps or x.shape[1], dim=1):
            output, state = self.inner(piece, state)
            outputs.append(output)
            state = tuple(s.detach() for s in state) if isinstance(state, tuple) \
                else state.detach()
        return torch.cat(outputs, dim=1) if self.sequences else outputs[-1][:, -1]


def build(layers, outputs):
    modules, width = [], base.FEATURES
    for layer in layers:
        kind = layer["type"]
        if kind in MODULES:
            modules.append(Recurrent(layer, width))
            width = modules[-1].width
        else:
            made = layers_base.make_modules([layer], width, outputs)[0]
            modules += made
            width = layer["shape"][-1] if kind == "reshape" \
                else layers_base.width_after(made, width)
    return nn.Sequential(*modules)


def cases():
    start = [{"type": "dense", "units": STEPS * WIDTH, "activation": "tanh"},
             {"type": "reshape", "shape": [STEPS, WIDTH]}]
    last = {"type": "dense", "units": "auto"}
    for kind in MODULES:
        one = {"type": kind, "units": 6}
        first = {**one, "return_sequences": True}
        yield kind, start + [one, last]
        yield kind + " without biases", start + [{**one, "use_bias": False}, last]
        yield kind + " of one step", [
            {"type": "reshape", "shape": [1, base.FEATURES]}, one, last]
        yield kind + " of the input", [
            {"type": "reshape", "shape": [base.FEATURES, 1]}, one, last]
        yield kind + " in two layers", start + [first, one, last]
        yield kind + " in two layers of other widths", start + [
            {**first, "units": 11}, {**one, "units": 17}, last]
        for steps in (1, 2, 3, 7):
            yield f"{kind} in two layers truncated at {steps}", start + [
                {**first, "truncate": steps}, {**one, "truncate": steps}, last]
    yield "lstm, then gru", start + [
        {"type": "lstm", "units": 5, "return_sequences": True, "truncate": 4},
        {"type": "dense", "units": 4, "activation": "gelu"},
        {"type": "gru", "units": 4}, last]


if __name__ == "__main__":
    layers_base.write(cases(), build)
