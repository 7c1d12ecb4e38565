#!/usr/bin/python3
"""Trains small networks with PyTorch and writes what tests/engine/test_golden.c expects.

    /usr/bin/python3 tests/golden/make_golden.py > tests/golden/golden.json

Needs python3-torch; running the test does not. Every case is a job spec (without dataset,
epochs and batch size), initial parameters, the loss before each of 20 full-batch steps and
the parameters after them. The reference runs in double; the float32 run of the same case
says how far rounding alone may lead away from it ("float32_deviation").
"""

import json
import math
import sys

import torch
from torch import nn
from torch.optim import lr_scheduler as schedulers

ROWS, FEATURES, STEPS = 24, 5, 20

ACTIVATIONS = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "softmax": lambda: nn.Softmax(dim=-1),
}


def make_data():
    generator = torch.Generator().manual_seed(20240601)
    x = torch.randn(ROWS, FEATURES, generator=generator, dtype=torch.float64)
    x = x.to(torch.float32).to(torch.float64)  # the very numbers that the file holds
    score = x @ torch.tensor([1.0, -2.0, 0.5, 0.0, 1.5], dtype=torch.float64)
    noise = torch.randn(ROWS, 2, generator=generator, dtype=torch.float64)
    numbers = torch.stack([torch.sin(score), score * 0.7], dim=1) + 0.1 * noise
    numbers = numbers.to(torch.float32).to(torch.float64)
    classes = torch.bucketize(score, torch.tensor([-1.0, 1.0], dtype=torch.float64))
    binary = (score > 0).long()
    return {"x": x, "classes": classes, "binary": binary, "number": numbers[:, :1],
            "numbers": numbers}


def build(spec, outputs):
    """The torch module of a spec's layers, and the L2 factor of each dense layer."""
    modules, decays, width = [], [], FEATURES
    for layer in spec["model"]["layers"]:
        if layer["type"] == "dense":
            units = outputs if layer["units"] == "auto" else layer["units"]
            dense = nn.Linear(width, units, bias=layer.get("use_bias", True))
            modules.append(dense)
            decays.append((dense, layer.get("l2", 0.0)))
            modules.append(ACTIVATIONS[layer.get("activation", "linear")]())
            width = units
        else:
            modules.append(ACTIVATIONS[layer["function"]]())
    return nn.Sequential(*modules), decays


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, algorithm 2; PyTorch has none."""

    def __init__(self, groups, lr, betas):
        super().__init__(groups, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta_1, beta_2 = group["betas"]
            for p in group["params"]:
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                direction = (beta_1 * mean + (1 - beta_1) * p.grad).sign()
                p.sub_(group["lr"] * (direction + group["weight_decay"] * p))
                mean.mul_(beta_2).add_((1 - beta_2) * p.grad)


class NAdam(torch.optim.Optimizer):
    """torch.optim.NAdam as documented and as PyTorch 2 computes it.

    Debian 12's PyTorch 1.13 multiplies the product of the momenta once too often by the
    present one in the correction of the mean.
    """

    def __init__(self, groups, lr, betas, eps, momentum_decay=0.004):
        super().__init__(groups, {"lr": lr})
        self.betas, self.eps, self.decay = betas, eps, momentum_decay
        self.count, self.product = 0, 1.0

    @torch.no_grad()
    def step(self):
        self.count += 1
        beta_1, beta_2 = self.betas
        now, following = (beta_1 * (1 - 0.5 * 0.96 ** (t * self.decay))
                          for t in (self.count, self.count + 1))
        self.product *= now
        for group in self.param_groups:
            for p in group["params"]:
                gradient = p.grad + group["weight_decay"] * p
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                square = self.state[p].setdefault("square", torch.zeros_like(p))
                mean.mul_(beta_1).add_((1 - beta_1) * gradient)
                square.mul_(beta_2).add_((1 - beta_2) * gradient ** 2)
                divisor = (square / (1 - beta_2 ** self.count)).sqrt() + self.eps
                p.sub_(group["lr"] / divisor * (
                    (1 - now) / (1 - self.product) * gradient
                    + following / (1 - self.product * following) * mean))


def make_optimizer(settings, model):
    settings = dict(settings)
    kind = settings.pop("type")
    decay = settings.pop("weight_decay", 0.01 if kind == "adamw" else 0.0)
    decays_all = settings.pop("weight_decay_on", "weights") == "all"
    weights = [p for p in model.parameters() if p.dim() > 1]
    biases = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": weights, "weight_decay": decay},
              {"params": biases, "weight_decay": decay if decays_all else 0.0}]
    rate = settings.pop("learning_rate")
    if kind == "sgd":
        return torch.optim.SGD(groups, lr=rate, **settings)
    if kind == "adagrad":
        return torch.optim.Adagrad(groups, lr=rate, eps=settings.pop("epsilon", 1e-10),
                                   lr_decay=settings.pop("learning_rate_decay", 0))
    if kind == "adadelta":
        return torch.optim.Adadelta(groups, lr=rate, rho=settings.pop("rho", 0.9),
                                    eps=settings.pop("epsilon", 1e-6))
    epsilon = settings.pop("epsilon", 1e-8)
    if kind == "rmsprop":
        return torch.optim.RMSprop(groups, lr=rate, alpha=settings.pop("rho", 0.9),
                                   eps=epsilon, **settings)
    betas = (settings.pop("beta_1", 0.9),
             settings.pop("beta_2", 0.99 if kind == "lion" else 0.999))
    if kind == "lion":
        return Lion(groups, rate, betas)
    make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
            "nadam": NAdam, "radam": torch.optim.RAdam}[kind]
    return make(groups, lr=rate, betas=betas, eps=epsilon, **settings)


def make_scheduler(settings, optimizer):
    """A function of (steps done, loss) that sets the rate of the next step."""
    settings = dict(settings or {"type": "constant"})
    kind = settings.pop("type")
    warmup = settings.pop("warmup_steps", 0)
    base = optimizer.param_groups[0]["lr"]
    if kind == "reduce_on_plateau":
        plateau = schedulers.ReduceLROnPlateau(
            optimizer, factor=settings["factor"], patience=settings["patience"],
            threshold=settings["min_delta"], threshold_mode="abs",
            min_lr=settings["minimum_learning_rate"])
        return lambda done, loss: plateau.step(loss)

    torchs = {
        "cosine": lambda low: schedulers.CosineAnnealingLR(optimizer, STEPS, low),
        "multi_step": lambda: schedulers.MultiStepLR(
            optimizer, settings["milestones"], settings["gamma"]),
        "polynomial": lambda: schedulers.PolynomialLR(optimizer, STEPS,
                                                      settings["power"]),
        "cosine_restarts": lambda low: schedulers.CosineAnnealingWarmRestarts(
            optimizer, settings["period_epochs"], settings["period_multiplier"], low),
        "one_cycle": lambda: schedulers.OneCycleLR(
            optimizer, base, STEPS, cycle_momentum=False, **settings),
    }
    if kind in torchs and warmup == 0:
        low = settings.get("minimum_learning_rate")
        scheduler = torchs[kind]() if low is None else torchs[kind](low)
        return lambda done, loss: scheduler.step()

    def rate(step):  # one step is one epoch here
        if kind == "step":
            value = base * settings["gamma"] ** (step // settings["step_epochs"])
        elif kind == "exponential":
            value = base * settings["gamma"] ** step
        elif kind == "cosine":
            low = settings["minimum_learning_rate"]
            t = max(0.0, (step - warmup) / (STEPS - warmup))  # T_max without warm-up
            value = low + (base - low) * (1 + math.cos(math.pi * t)) / 2
        else:
            value = base
        return value * (step + 1) / warmup if step < warmup else value

    def follow(done, loss):
        for group in optimizer.param_groups:
            group["lr"] = rate(done)

    follow(0, None)
    return follow


def loss_function(spec):
    loss = spec["loss"]
    kind = loss if isinstance(loss, str) else loss["type"]
    weights = loss.get("class_weights") if isinstance(loss, dict) else None
    if weights:
        return lambda output, target: nn.functional.cross_entropy(
            output, target, output.new_tensor(weights),
            label_smoothing=loss.get("label_smoothing", 0.0))
    if kind == "huber":
        return nn.HuberLoss(delta=loss.get("delta", 1.0))
    if kind == "log_cosh":
        return lambda output, target: (output - target).cosh().log().mean()
    if kind == "focal":
        def focal(output, target):
            nll = nn.functional.cross_entropy(output, target, reduction="none")
            return ((1 - (-nll).exp()) ** loss["gamma"] * nll).mean()
        return focal
    if isinstance(loss, dict) and "label_smoothing" in loss:
        return nn.CrossEntropyLoss(label_smoothing=loss["label_smoothing"])
    if isinstance(loss, dict) and "pos_weight" in loss:
        return lambda output, target: nn.functional.binary_cross_entropy_with_logits(
            output, target, pos_weight=output.new_tensor(loss["pos_weight"]))
    return {"cross_entropy": nn.CrossEntropyLoss, "mse": nn.MSELoss, "mae": nn.L1Loss,
            "binary_cross_entropy": nn.BCEWithLogitsLoss}[kind]()


def train(spec, target_name, data, initial, dtype):
    target = data[target_name]
    outputs = {"classes": 3, "binary": 1, "number": 1, "numbers": 2}[target_name]
    model, decays = build(spec, outputs)
    if initial is None:
        generator = torch.Generator().manual_seed(7)
        initial = [torch.randn(p.shape, generator=generator) * 0.5
                   for p in model.parameters()]
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), initial):
            parameter.copy_(value)
    model.to(dtype)
    x = data["x"].to(dtype)
    if target_name == "binary":
        target = target.to(dtype).unsqueeze(1)
    elif target_name != "classes":
        target = target.to(dtype)
    compute = loss_function(spec)
    optimizer = make_optimizer(spec["optimizer"], model)
    follow = make_scheduler(spec.get("learning_rate_schedule"), optimizer)
    clip = spec.get("gradient_clip", {})
    losses, clipped = [], 0
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = torch.zeros((), dtype=dtype)
        for part in torch.arange(ROWS).chunk(spec.get("gradient_accumulation", 1)):
            part_loss = compute(model(x[part]), target[part]) * len(part) / ROWS
            part_loss.backward()
            loss += part_loss.detach()
        for dense, l2 in decays:
            if l2 > 0:
                penalty = l2 * dense.weight.square().sum()
                penalty.backward()
                loss += penalty.detach()
        if "norm" in clip:
            norm = nn.utils.clip_grad_norm_(model.parameters(), clip["norm"])
            clipped += norm > clip["norm"]
        if "value" in clip:
            clipped += any((p.grad.abs() > clip["value"]).any() for p in model.parameters())
            nn.utils.clip_grad_value_(model.parameters(), clip["value"])
        optimizer.step()
        losses.append(loss.item())
        follow(step + 1, loss.item())
    # A clip or a plateau that never acts would test nothing.
    assert not clip or 0 < clipped
    if spec.get("learning_rate_schedule", {}).get("type") == "reduce_on_plateau":
        assert optimizer.param_groups[0]["lr"] < spec["optimizer"]["learning_rate"]
    return initial, losses, [p.detach().to(torch.float64) for p in model.parameters()]


def mlp(activation, **dense):
    return [{"type": "dense", "units": 6, "activation": activation, **dense},
            {"type": "dense", "units": 4, "activation": activation, **dense},
            {"type": "dense", "units": "auto"}]


def cases():
    adam = {"type": "adam", "learning_rate": 0.01}
    sgd = {"type": "sgd", "learning_rate": 0.1}

    def case(name, target, activation="tanh", optimizer=None, loss=None, layers=None, **more):
        losses = {"classes": "cross_entropy", "binary": "binary_cross_entropy"}
        return name, target, {
            "model": {"layers": layers or mlp(activation)},
            "loss": loss or losses.get(target, "mse"),
            "optimizer": optimizer or adam, **more}

    for activation in ACTIVATIONS:
        yield case("activation " + activation, "classes", activation)
    for name, optimizer in {
        "sgd": sgd,
        "momentum": {**sgd, "momentum": 0.9},
        "nesterov": {**sgd, "momentum": 0.9, "nesterov": True},
        "sgd with weight decay": {**sgd, "momentum": 0.5, "weight_decay": 0.05},
        "rmsprop": {"type": "rmsprop", "learning_rate": 0.01, "rho": 0.95},
        "rmsprop centered": {"type": "rmsprop", "learning_rate": 0.01, "centered": True},
        "rmsprop with momentum": {"type": "rmsprop", "learning_rate": 0.005,
                                  "momentum": 0.5, "weight_decay": 0.01},
        "adam with weight decay": {**adam, "beta_1": 0.8, "beta_2": 0.99,
                                   "weight_decay": 0.05},
        "adamw": {"type": "adamw", "learning_rate": 0.01, "weight_decay": 0.1},
        "adagrad": {"type": "adagrad", "learning_rate": 0.1},
        "adagrad with rate decay": {"type": "adagrad", "learning_rate": 0.1,
                                    "learning_rate_decay": 0.1, "weight_decay": 0.05},
        "adadelta": {"type": "adadelta", "learning_rate": 1},
        "adadelta with weight decay": {"type": "adadelta", "learning_rate": 0.5,
                                       "rho": 0.8, "epsilon": 1e-4,
                                       "weight_decay": 0.05},
        "nadam": {"type": "nadam", "learning_rate": 0.01},
        "nadam with momentum decay": {"type": "nadam", "learning_rate": 0.01,
                                      "momentum_decay": 0.2, "weight_decay": 0.05},
        "radam": {"type": "radam", "learning_rate": 0.01},
        "radam with weight decay": {"type": "radam", "learning_rate": 0.01,
                                    "beta_2": 0.95, "weight_decay": 0.05},
        "lion": {"type": "lion", "learning_rate": 0.01, "weight_decay": 0.1},
    }.items():
        yield case("optimizer " + name, "classes", optimizer=optimizer)
    yield case("loss binary_cross_entropy", "binary")
    yield case("loss binary_cross_entropy with pos_weight", "binary",
               loss={"type": "binary_cross_entropy", "pos_weight": 2.5})
    yield case("loss cross_entropy with label_smoothing", "classes",
               loss={"type": "cross_entropy", "label_smoothing": 0.15})
    for gamma in (0.5, 2.0):
        yield case("loss focal %g" % gamma, "classes",
                   loss={"type": "focal", "gamma": gamma})
    for loss in ("mse", "mae", {"type": "huber", "delta": 0.5}, "log_cosh"):
        name = loss if isinstance(loss, str) else loss["type"]
        yield case("loss %s of one number" % name, "number", loss=loss)
        yield case("loss %s of two numbers" % name, "numbers", loss=loss)
    for name, schedule in {
        "step": {"type": "step", "step_epochs": 6, "gamma": 0.3},
        "exponential": {"type": "exponential", "gamma": 0.9},
        "cosine": {"type": "cosine", "minimum_learning_rate": 0.001},
        "cosine with warm-up": {"type": "cosine", "minimum_learning_rate": 0.001,
                                "warmup_steps": 5},
        "multi_step": {"type": "multi_step", "milestones": [4, 9, 15], "gamma": 0.4},
        "polynomial": {"type": "polynomial", "power": 1.5},
        "cosine_restarts": {"type": "cosine_restarts", "period_epochs": 6,
                            "period_multiplier": 1, "minimum_learning_rate": 0.001},
        "cosine_restarts that grow": {"type": "cosine_restarts", "period_epochs": 3,
                                      "period_multiplier": 2,
                                      "minimum_learning_rate": 0.0},
        "one_cycle": {"type": "one_cycle"},
        "one_cycle with attributes": {"type": "one_cycle", "pct_start": 0.45,
                                      "div_factor": 5.0, "final_div_factor": 100.0},
        "constant with warm-up": {"type": "constant", "warmup_steps": 8},
        "reduce_on_plateau": {"type": "reduce_on_plateau", "monitor": "loss",
                              "factor": 0.5, "patience": 1, "min_delta": 0.2,
                              "minimum_learning_rate": 0.001},
    }.items():
        yield case("schedule " + name, "numbers",
                   optimizer={**sgd, "momentum": 0.8}, learning_rate_schedule=schedule)
    for smoothing in (0.0, 0.15):
        yield case("loss cross_entropy with class_weights %g" % smoothing, "classes",
                   loss={"type": "cross_entropy", "class_weights": [0.5, 2.0, 1.25],
                         "label_smoothing": smoothing})
    yield case("weight decay on all", "classes",
               optimizer={"type": "adamw", "learning_rate": 0.01, "weight_decay": 0.2,
                          "weight_decay_on": "all"})
    yield case("accumulated", "numbers", optimizer={**sgd, "momentum": 0.9},
               batch_size=8, gradient_accumulation=3)
    yield case("accumulated, l2, clip by norm and schedule", "classes",
               optimizer={**adam, "weight_decay": 0.05}, layers=mlp("tanh", l2=0.02),
               gradient_clip={"norm": 0.5}, batch_size=6, gradient_accumulation=4,
               learning_rate_schedule={"type": "exponential", "gamma": 0.9})
    yield case("clip by norm", "numbers", optimizer=sgd, gradient_clip={"norm": 0.3})
    yield case("clip by value", "numbers", optimizer=sgd, gradient_clip={"value": 0.05})
    yield case("l2", "classes", layers=mlp("tanh", l2=0.02))
    yield case("l2 and clip by norm", "classes", optimizer=sgd,
               layers=mlp("tanh", l2=0.05), gradient_clip={"norm": 0.5})
    yield case("no bias, activation of its own", "binary", layers=[
        {"type": "dense", "units": 7, "use_bias": False},
        {"type": "activation", "function": "gelu"},
        {"type": "dense", "units": 1}])


def flat(tensors):
    return [float("%.9g" % value) for t in tensors for value in t.flatten().tolist()]


def main():
    torch.set_num_threads(1)
    data = make_data()
    golden = {"rows": ROWS, "features": FEATURES, "steps": STEPS,
              "x": flat([data["x"]]), "classes": data["classes"].tolist(),
              "binary": data["binary"].tolist(), "number": flat([data["number"]]),
              "numbers": flat([data["numbers"]]), "cases": []}
    for name, target, spec in cases():
        initial, losses, final = train(spec, target, data, None, torch.float64)
        _, rough, _ = train(spec, target, data, initial, torch.float32)
        deviation = max(abs(a - b) / max(1, abs(a)) for a, b in zip(losses, rough))
        golden["cases"].append({
            "name": name, "target": target, "spec": spec, "initial": flat(initial),
            "losses": [float("%.10g" % loss) for loss in losses], "final": flat(final),
            "float32_deviation": float("%.2g" % deviation)})
    text = json.dumps({key: value for key, value in golden.items() if key != "cases"})
    sys.stdout.write(text[:-1] + ', "cases": [\n')
    sys.stdout.write(",\n".join(json.dumps(case) for case in golden["cases"]))
    sys.stdout.write("\n]}\n")


if __name__ == "__main__":
    main()
