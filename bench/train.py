#!/usr/bin/python3
"""Training speed beside PyTorch, in one run.

    bench/train.py [--build build/release] [--threads 1] [--rounds 3] [--workload W1 …]

Every round runs each program once in a process of its own, in turn, so that a change of the
machine's speed meets all of them. Prints one JSON line a result, then one a workload with
the medians and the ratio to the best PyTorch variant. Needs `scripts/setup.sh bench`.
"""
import argparse
import glob
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
VARIANTS = ["eager", "foreach", "flat", "traced", "traced-flat"]


def run(command, env):
    """The program's JSON line, with the wall time of the whole process."""
    begin = time.perf_counter()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed: {done.stderr[-500:]}")
    result = json.loads(done.stdout.strip().splitlines()[-1])
    result["process_seconds"] = round(time.perf_counter() - begin, 3)
    print(json.dumps(result), flush=True)
    return result


def environment(threads, openmp):
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
    # With several threads PyTorch needs the OpenMP build of OpenBLAS: on the pthread build
    # two thread pools fight for the cores, and the comparison would be unfair to it.
    folders = glob.glob("/usr/lib/*/openblas-openmp") if openmp else []
    if folders:
        env["LD_LIBRARY_PATH"] = folders[0]
    return env


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=HERE.parent / "build" / "release")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workload", nargs="+", default=["W1", "W2", "W3"])
    args = parser.parse_args()
    ours = str(pathlib.Path(args.build) / "bin" / "bench_train")
    theirs = ["/usr/bin/python3", str(HERE / "torch_train.py")]
    threads = str(args.threads)

    for workload in args.workload:
        rates = {}
        for _ in range(args.rounds):
            result = run([ours, workload, threads], environment(1, False))
            rates.setdefault("backpropd", []).append(result)
            for variant in VARIANTS:
                result = run(theirs + [workload, "--threads", threads, "--variant", variant],
                             environment(args.threads, args.threads > 1))
                rates.setdefault(variant, []).append(result)
        median = {name: statistics.median(r["samples_per_second"] for r in results)
                  for name, results in rates.items()}
        mine = median.pop("backpropd")
        best = max(median, key=median.get)
        print(json.dumps({
            "workload": workload, "threads": args.threads, "rounds": args.rounds,
            "backpropd": mine, "pytorch": median[best], "pytorch_variant": best,
            "ratio": round(mine / median[best], 2),
            "rss_mb": [max(r["rss_mb"] for r in rates["backpropd"]),
                       max(r["rss_mb"] for r in rates[best])],
            "process_seconds": [min(r["process_seconds"] for r in rates["backpropd"]),
                                min(r["process_seconds"] for r in rates[best])]}), flush=True)


if __name__ == "__main__":
    main()
