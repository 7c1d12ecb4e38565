#!/usr/bin/python3
"""The workloads of bench_train in PyTorch, as the peer to compare with; prints one JSON line.

    torch_train.py WORKLOAD [--threads N] [--variant eager|foreach|flat|traced|traced-flat]

Each variant is a way in which a PyTorch user may speed up a small network on a CPU: the
multi-tensor optimizer, all parameters as views of one flat tensor, a traced graph. The data
is random; an epoch shuffles and gathers its batches. The first epoch warms up; the median of
the others is reported.
"""
import argparse
import json
import resource
import statistics
import time

BEGIN = time.perf_counter()

import torch
from torch import nn
from torch.nn import functional as F

WORKLOADS = {
    # widths, rows, batch, epochs
    "W1": ([13, 64, 64, 1], 20000, 32, 4),
    "W2": ([784, 256, 128, 10], 60000, 128, 4),
    "W3": ([784, 1024, 1024, 1024, 10], 15360, 256, 4),
}


class Network(nn.Module):
    """A multilayer perceptron with its loss, so that both can be traced as one."""

    def __init__(self, widths):
        super().__init__()
        layers = []
        for before, after in zip(widths, widths[1:]):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])
        self.classifies = widths[-1] > 1

    def forward(self, x, y):
        output = self.layers(x)
        return F.cross_entropy(output, y) if self.classifies else F.mse_loss(output, y)


def flatten(network):
    """Makes every parameter and its gradient a view of one flat tensor."""
    parameters = list(network.parameters())
    flat = torch.cat([p.detach().reshape(-1) for p in parameters])
    flat.grad = torch.zeros_like(flat)
    offset = 0
    for p in parameters:
        end = offset + p.numel()
        p.data = flat[offset:end].view_as(p)
        p.grad = flat.grad[offset:end].view_as(p)
        offset = end
    return flat


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--variant", default="eager",
                        choices=["eager", "foreach", "flat", "traced", "traced-flat"])
    args = parser.parse_args()
    widths, rows, batch, epochs = WORKLOADS[args.workload]

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    x = torch.randn(rows, widths[0])
    y = torch.randint(0, widths[-1], (rows,)) if widths[-1] > 1 else torch.randn(rows, 1)
    network = Network(widths)
    flat = flatten(network) if args.variant.endswith("flat") else None
    optimizer = torch.optim.Adam([flat] if flat is not None else network.parameters(),
                                 foreach=args.variant == "foreach")
    step = network
    if args.variant.startswith("traced"):
        step = torch.jit.trace(network, (x[:batch], y[:batch]), check_trace=False)

    seconds = []
    for _ in range(epochs):
        begin = time.perf_counter()
        order = torch.randperm(rows)
        for first in range(0, rows, batch):
            chosen = order[first:first + batch]
            if flat is not None:
                flat.grad.zero_()
            else:
                optimizer.zero_grad(set_to_none=True)
            step(x[chosen], y[chosen]).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - begin)

    steady = seconds[1:]
    print(json.dumps({
        "peer": "pytorch", "version": torch.__version__, "variant": args.variant,
        "workload": args.workload, "threads": args.threads,
        "samples_per_second": round(rows / statistics.median(steady), 1),
        "lowest": round(rows / max(steady), 1), "highest": round(rows / min(steady), 1),
        "epochs": epochs, "wall_seconds": round(time.perf_counter() - BEGIN, 3),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


if __name__ == "__main__":
    main()
