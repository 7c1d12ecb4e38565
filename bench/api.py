#!/usr/bin/python3
"""Requests a second of a real daemon, measured by wrk on loopback.

    bench/api.py [--build build/release] [--seconds 5] [--connections 32]

Starts a daemon with a fresh data folder, trains a small job so that there is something to
poll, and prints one JSON line a route: first with nothing else going on, then with all slots
training. Needs `scripts/setup.sh bench`.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients" / "python"))
sys.dont_write_bytecode = True

from backpropd import Client  # noqa: E402

SPEC = {"features": {"target": "c64"}, "epochs": 3, "batch_size": 32,
        "model": {"layers": [{"type": "dense", "units": 64, "activation": "relu"},
                             {"type": "dense", "units": "auto"}]}}


def wrk(url, args, **more):
    """One run of wrk as a dictionary."""
    done = subprocess.run(
        ["wrk", "-t1", f"-c{args.connections}", f"-d{args.seconds}s", "--latency", url],
        capture_output=True, text=True, check=True)
    text = done.stdout

    def milliseconds(percent):
        value, unit = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text).groups()
        return round(float(value) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit], 3)

    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    print(json.dumps({
        "url": re.sub(r"(job|mdl|ds)_\w+", r"\1_…", url.split("/", 3)[3]), **more,
        "connections": args.connections,
        "requests_per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)),
        "p50_ms": milliseconds(50), "p99_ms": milliseconds(99),
        "refused": int(refused.group(1)) if refused else 0}, ensure_ascii=False), flush=True)


def measure(url, job, args, **more):
    for path in ("/livez", f"/v1/jobs/{job}", f"/v1/jobs/{job}/metrics?names=loss&max_points=100",
                 "/v1/jobs?limit=20"):
        wrk(url + path, args, **more)


def post_jobs(client, spec, count=200):
    """Durable posts one after the other on one connection each: an idea of the latency."""
    begin = time.perf_counter()
    jobs = [client.submit(spec)["id"] for _ in range(count)]
    seconds = time.perf_counter() - begin
    print(json.dumps({"url": "POST v1/jobs", "clients": 1,
                      "requests_per_second": round(count / seconds, 1)}), flush=True)
    for job in jobs:
        client.cancel(job)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=HERE.parent / "build" / "release")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        daemon = subprocess.Popen(
            [pathlib.Path(args.build) / "bin" / "backpropd", "--data", folder + "/data",
             "--listen", "127.0.0.1:0", "--workers", "2"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            url = daemon.stdout.readline().split()[-1]
            client = Client(url)
            dataset = client.upload(HERE.parent / "examples" / "digits.csv")["id"]
            spec = dict(SPEC, dataset=dataset)
            job = client.wait(client.submit(spec)["id"])["id"]
            measure(url, job, args, training=0)
            busy = [client.submit(dict(spec, epochs=1000000))["id"] for _ in range(2)]
            time.sleep(1)
            measure(url, job, args, training=2)
            post_jobs(client, dict(spec, epochs=1))
            for one in busy:
                client.cancel(one)
        finally:
            daemon.terminate()
            daemon.wait()


if __name__ == "__main__":
    main()
