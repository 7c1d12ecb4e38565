#!/usr/bin/python3
"""Training speed beside PyTorch, in one run.

    bench/train.py [--build build/release] [--threads 1] [--rounds 3] [--workload W1 …]
                   [--variants eager flat …]

Every round runs each program once in a process of its own, in turn, so that a change of the
machine's speed meets all of them; between them it measures what large matrix products
reach. Prints one JSON line a result, then one a workload: the medians, the ratio to the best
PyTorch variant round by round, and the share of the measured peak. Needs
`scripts/setup.sh bench`. docs/PERFORMANCE.md explains the workloads.
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
PLAIN = ["eager", "foreach", "flat", "traced", "traced+flat"]
IMAGES = ["eager", "traced+flat", "channels-last", "channels-last+foreach",
          "channels-last+flat", "channels-last+traced+flat"]
VARIANTS = {"W1": PLAIN, "W2": PLAIN, "W3": PLAIN, "W4": IMAGES, "W5": IMAGES, "W6": PLAIN,
            "W7": PLAIN}


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


def measure_round(folder, workload, threads, variants):
    """{program: its result} of one round."""
    count = str(threads)
    results = {"peak": run([str(folder / "bench_peak"), count], environment(1, False)),
               "backpropd": run([str(folder / "bench_train"), workload, count],
                                environment(1, False))}
    torch = ["/usr/bin/python3", str(HERE / "torch_train.py"), workload, "--threads", count]
    for variant in variants:
        results[variant] = run(torch + ["--variant", variant],
                               environment(threads, threads > 1))
    return results


def summary(workload, threads, variants, rounds):
    def median(name, key="samples_per_second"):
        return statistics.median(results[name][key] for results in rounds)

    best = max(variants, key=median)
    ratios = [results["backpropd"]["samples_per_second"] /
              max(results[variant]["samples_per_second"] for variant in variants)
              for results in rounds]
    share = [results["backpropd"]["gflops"] / results["peak"]["gflops"] for results in rounds]
    return {"workload": workload, "threads": threads, "rounds": len(rounds),
            "backpropd": median("backpropd"), "pytorch": median(best),
            "pytorch_variant": best, "ratio": round(statistics.median(ratios), 2),
            "ratios": [round(ratio, 2) for ratio in ratios],
            "gflops": median("backpropd", "gflops"), "peak_gflops": median("peak", "gflops"),
            "share_of_peak": round(statistics.median(share), 2),
            "rss_mb": [max(results[name]["rss_mb"] for results in rounds)
                       for name in ("backpropd", best)],
            "process_seconds": [min(results[name]["process_seconds"] for results in rounds)
                                for name in ("backpropd", best)]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=HERE.parent / "build" / "release")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workload", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--variants", nargs="+", help="of PyTorch, instead of the usual ones")
    args = parser.parse_args()
    folder = pathlib.Path(args.build) / "bin"
    for workload in args.workload:
        variants = args.variants or VARIANTS[workload]
        rounds = [measure_round(folder, workload, args.threads, variants)
                  for _ in range(args.rounds)]
        print(json.dumps(summary(workload, args.threads, variants, rounds)), flush=True)


if __name__ == "__main__":
    main()
