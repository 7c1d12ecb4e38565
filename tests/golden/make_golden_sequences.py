#!/usr/bin/python3
"""As make_golden.py, for layers over sequences of tokens.

    /usr/bin/python3 tests/golden/make_golden_sequences.py > tests/golden/golden_sequences.json

Tensors are listed by the names that the modules' state_dict() has, and the engine must
have the same names. A sequence has one of three classes.
"""

import json
import math
import sys

import torch
from torch import nn

import make_golden as base

ROWS, TOKENS, VOCABULARY, UNITS, CLASSES = 24, 6, 7, 8, 3


class Sinusoidal(nn.Module):
    def forward(self, x):
        table = torch.zeros(TOKENS, UNITS, dtype=torch.float64)
        for position in range(TOKENS):
            for i in range(0, UNITS, 2):
                angle = position / 10000 ** (i / UNITS)
                table[position, i], table[position, i + 1] = math.sin(angle), math.cos(angle)
        return x + table.to(x.dtype)


class Positions(nn.Embedding):
    def forward(self, x):
        return x + self.weight


class Attention(nn.MultiheadAttention):
    def __init__(self, heads, causal, bias):
        super().__init__(UNITS, heads, bias=bias, batch_first=True)
        self.causal = causal

    def forward(self, x):
        return super().forward(x, x, x, need_weights=False, attn_mask=mask(self.causal))[0]


class Block(nn.TransformerEncoderLayer):
    def __init__(self, layer):
        super().__init__(
            UNITS, layer["num_heads"], layer.get("feed_forward_dim", 4 * UNITS), dropout=0.0,
            activation=layer.get("activation", "gelu"), batch_first=True,
            norm_first=layer.get("norm_first", True))
        self.causal = layer.get("causal", False)

    def forward(self, x):
        return super().forward(x, src_mask=mask(self.causal))


def mask(causal):
    """True hides."""
    return torch.triu(torch.ones(TOKENS, TOKENS, dtype=torch.bool), 1) if causal else None


def make_module(layer, width, made):
    kind = layer["type"]
    if kind == "embedding":
        module = nn.Embedding(VOCABULARY, UNITS)
        nn.init.normal_(module.weight, std=0.3)
        return module
    if kind == "position_embedding":
        return Positions(TOKENS, UNITS)
    if kind == "sinusoidal_positions":
        return Sinusoidal()
    if kind == "multi_head_attention":
        return Attention(layer["num_heads"], layer["causal"], layer["use_bias"])
    if kind == "transformer_block":
        return Block(layer)
    if kind == "layer_norm":
        return nn.LayerNorm(width)
    if kind == "flatten":
        return nn.Flatten()
    module = nn.Linear(width, layer["units"], bias=layer.get("use_bias", True))
    if "shared_weights" in layer:
        module.weight = made[layer["shared_weights"]].weight
    return module


def build(layers):
    made, width = {}, UNITS
    for layer in layers:
        module = make_module(layer, width, made)
        width = TOKENS * width if layer["type"] == "flatten" else layer.get("units", width)
        made[layer["name"]] = module
    model = nn.Sequential()
    for name, module in made.items():
        model.add_module(name, module)
    return model


def train(layers, data, initial, dtype):
    torch.manual_seed(5)
    model = build(layers)
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for value in model.parameters():
            value += torch.randn(value.shape, generator=generator) * 0.1
    if initial:
        model.load_state_dict(initial)
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    model.to(dtype).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(base.STEPS):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(data["x"]), data["classes"])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return initial, losses, model.state_dict()


def named(layers):
    return [{**layer, "name": layer.get("name", "l%d" % i)} for i, layer in enumerate(layers)]


def cases():
    tokens = {"type": "embedding", "output_dim": UNITS, "name": "tokens"}
    learned, fixed = {"type": "position_embedding"}, {"type": "sinusoidal_positions"}
    end = [{"type": "flatten"}, {"type": "dense", "units": CLASSES}]
    for causal in (False, True):
        for bias in (False, True):
            yield "attention%s%s" % (", causal" * causal, ", bias" * bias), [
                tokens, fixed, {"type": "multi_head_attention", "num_heads": 2,
                                "causal": causal, "use_bias": bias}] + end
    yield "transformer", [
        tokens, learned, {"type": "transformer_block", "num_heads": 4, "causal": True},
        {"type": "transformer_block", "num_heads": 2, "causal": True},
        {"type": "layer_norm"}] + end
    yield "transformer, norms last", [
        tokens, fixed, {"type": "transformer_block", "num_heads": 1, "activation": "relu",
                        "norm_first": False, "feed_forward_dim": 11}] + end
    yield "tied weights", [
        tokens, learned, {"type": "transformer_block", "num_heads": 2},
        {"type": "dense", "units": VOCABULARY, "use_bias": False,
         "shared_weights": "tokens"}] + end
    yield "tied dense layers", [
        tokens, {"type": "dense", "units": UNITS, "name": "first"}, {"type": "layer_norm"},
        {"type": "dense", "units": UNITS, "shared_weights": "first"}] + end


def listed(state):
    return {name: base.flat([value]) for name, value in state.items()}


def main():
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(7)
    data = {"x": torch.randint(0, VOCABULARY, (ROWS, TOKENS), generator=generator),
            "classes": torch.randint(0, CLASSES, (ROWS,), generator=generator)}
    golden = {"rows": ROWS, "tokens": TOKENS, "vocabulary": VOCABULARY,
              "learning_rate": 0.05, "momentum": 0.9, "x": data["x"].flatten().tolist(),
              "classes": data["classes"].tolist()}
    text = json.dumps(golden)
    sys.stdout.write(text[:-1] + ', "cases": [\n')
    for i, (name, layers) in enumerate(cases()):
        layers = named(layers)
        initial, losses, final = train(layers, data, None, torch.float64)
        _, rough, _ = train(layers, data, initial, torch.float32)
        deviation = max(abs(a - b) / max(1, abs(a)) for a, b in zip(losses, rough))
        case = {"name": name, "layers": layers, "initial": listed(initial),
                "losses": [float("%.10g" % loss) for loss in losses], "final": listed(final),
                "float32_deviation": float("%.2g" % deviation)}
        sys.stdout.write((",\n" if i else "") + json.dumps(case))
    sys.stdout.write("\n]}\n")


if __name__ == "__main__":
    main()
