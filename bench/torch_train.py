#!/usr/bin/python3
"""The workloads of bench_train in PyTorch, as the peer to compare with; prints one JSON line.

    torch_train.py WORKLOAD [--threads N] [--variant eager | WORD+WORD…]

The words are ways in which a PyTorch user may speed up a small network on a CPU: `foreach`,
the multi-tensor optimizer; `flat`, all parameters as views of one tensor; `traced`, the
graph with its loss traced; `channels-last`, the layout that oneDNN likes. The data is
random; an epoch shuffles and gathers its batches. The first epoch warms up; the median of
the others is reported. A sample of W6 and W7 is a token.
"""
import argparse
import json
import resource
import statistics
import time

BEGIN = time.perf_counter()

import torch

import torch_networks

WORDS = {"eager", "foreach", "flat", "traced", "channels-last"}


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


def words_of(text):
    words = set(text.split("+"))
    if not words <= WORDS:
        raise argparse.ArgumentTypeError(f"expected words of {sorted(WORDS)}, found {text}")
    return words


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=torch_networks.WORKLOADS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--variant", type=words_of, default={"eager"})
    args = parser.parse_args()
    workload = torch_networks.WORKLOADS[args.workload]

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    x, y = workload.data()
    network = torch_networks.WithLoss(workload.network(), workload.classifies)
    if "channels-last" in args.variant:
        network = network.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    flat = flatten(network) if "flat" in args.variant else None
    optimizer = workload.optimizer([flat] if flat is not None else network.parameters(),
                                   foreach="foreach" in args.variant)
    step, batch = network, workload.batch
    if "traced" in args.variant:
        step = torch.jit.trace(network, (x[:batch], y[:batch]), check_trace=False)

    seconds = []
    for _ in range(workload.epochs):
        begin = time.perf_counter()
        order = torch.randperm(workload.rows)
        for first in range(0, workload.rows, batch):
            chosen = order[first:first + batch]
            if flat is not None:
                flat.grad.zero_()
            else:
                optimizer.zero_grad(set_to_none=True)
            step(x[chosen], y[chosen]).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - begin)

    steady = seconds[1:]
    samples = workload.rows * workload.samples_per_row
    print(json.dumps({
        "peer": "pytorch", "version": torch.__version__,
        "variant": "+".join(sorted(args.variant)),
        "workload": args.workload, "threads": args.threads,
        "samples_per_second": round(samples / statistics.median(steady), 1),
        "lowest": round(samples / max(steady), 1), "highest": round(samples / min(steady), 1),
        "epochs": workload.epochs, "wall_seconds": round(time.perf_counter() - BEGIN, 3),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


if __name__ == "__main__":
    main()
