#!/usr/bin/python3
"""Durable posts a second, and how long a daemon with many jobs takes to start.

    bench/durability.py [--build build/release] [--seconds 3] [--jobs 100000]

Posts jobs by wrk, over 1 to 256 connections, each answered after its COMMIT (the only worker
is stopped meanwhile, so that nothing trains). Then makes a store of --jobs jobs, half of them
queued, the others ended, with metrics and events, and starts daemons on it until /readyz says
yes: after a stop, and after a kill -9 that leaves a full log. Prints one JSON line a result.
Needs `scripts/setup.sh bench`.
"""
import argparse
import http.client
import json
import os
import pathlib
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients" / "python"))
sys.dont_write_bytecode = True

from backpropd import Client  # noqa: E402

SPEC = {"epochs": 10, "batch_size": 32,
        "model": {"layers": [{"type": "dense", "units": 64, "activation": "relu"},
                             {"type": "dense", "units": "auto"}]}}
POINTS = 20  # of metrics, for each ended job
STARTS = 4


class Daemon:
    def __init__(self, build, data):
        self.begin = time.perf_counter()
        self.process = subprocess.Popen(
            [pathlib.Path(build) / "bin" / "backpropd", "--data", data, "--listen",
             "127.0.0.1:0", "--workers", "1", "--log-level", "error"],
            stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]

    def wait_until_ready(self):
        """Milliseconds from the start of the process to a 200 of /readyz."""
        host = self.url.split("//")[1]
        while True:
            connection = http.client.HTTPConnection(host, timeout=10)
            connection.request("GET", "/readyz")
            ready = connection.getresponse().status == 200
            connection.close()
            if ready:
                return 1000 * (time.perf_counter() - self.begin)
            time.sleep(0.001)

    def stop_workers(self):
        for path in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            for worker in path.read_text().split():
                os.kill(int(worker), signal.SIGSTOP)

    def end(self, number):
        self.process.send_signal(number)
        self.process.wait()
        self.process.stdout.close()


def say(**result):
    print(json.dumps(result), flush=True)


def narrow_spec(client, folder):
    """Of a table with three columns."""
    table = folder / "narrow.csv"
    table.write_text("x,y,which\n" + "".join(
        f"{i * 0.37 % 1:.3f},{i * 0.71 % 1:.3f},{'ab'[i % 2]}\n" for i in range(400)))
    return dict(SPEC, dataset=client.upload(table)["id"], features={"target": "which"})


def wide_spec(client):
    """Of one with 65."""
    dataset = client.upload(HERE.parent / "examples" / "digits.csv")["id"]
    return dict(SPEC, dataset=dataset, features={"target": "c64"})


def occupy(client, daemon, spec):
    """One job holds the only slot, and its worker does nothing."""
    job = client.submit(dict(spec, epochs=1000000, priority=100))["id"]
    while client.job(job)["progress"]["step"] == 0:
        time.sleep(0.05)
    daemon.stop_workers()


def post(daemon, folder, spec, connections, seconds):
    script = folder / "post.lua"
    script.write_text('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
                      f"wrk.body = [[{json.dumps(spec)}]]\n")
    text = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script,
         daemon.url + "/v1/jobs"], capture_output=True, text=True, check=True).stdout

    def milliseconds(percent):
        value, unit = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text).groups()
        return round(float(value) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit], 3)

    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    answered = int(re.search(r"(\d+) requests in", text).group(1))
    return answered, {
        "connections": connections,
        "posts_per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)),
        "p50_ms": milliseconds(50), "p99_ms": milliseconds(99),
        "refused": int(refused.group(1)) if refused else 0}


def count_jobs(data):
    with sqlite3.connect(data / "backpropd.db") as store:
        return store.execute("SELECT count(*) FROM jobs").fetchone()[0]


def measure_posts(args, folder):
    daemon = Daemon(args.build, folder / "posts")
    client = Client(daemon.url)
    specs = {3: narrow_spec(client, folder), 65: wide_spec(client)}
    occupy(client, daemon, specs[3])
    answers = 1
    for columns, spec in specs.items():
        for connections in (1, 8, 64, 256):
            answered, result = post(daemon, folder, spec, connections, args.seconds)
            answers += answered
            say(measure="posts", columns=columns, **result)
    daemon.end(signal.SIGKILL)
    say(measure="posts after kill -9", acknowledged=answers, stored=count_jobs(folder / "posts"))


def fill(args, folder, data):
    """--jobs jobs by the API; half of them get an end, metrics and events by SQL."""
    daemon = Daemon(args.build, data)
    client = Client(daemon.url)
    spec = narrow_spec(client, folder)
    occupy(client, daemon, spec)
    while post_count(daemon) < args.jobs:
        post(daemon, folder, spec, 64, 2)
    daemon.end(signal.SIGTERM)
    store = sqlite3.connect(data / "backpropd.db")
    store.execute("PRAGMA foreign_keys = ON")
    spare = store.execute("SELECT number FROM jobs ORDER BY number LIMIT 1 OFFSET ?",
                          (args.jobs,)).fetchone()
    if spare:
        store.execute("DELETE FROM jobs WHERE number >= ?", spare)
    half = "(SELECT number FROM jobs ORDER BY number LIMIT (SELECT count(*) FROM jobs) / 2)"
    store.execute(
        "UPDATE jobs SET status = CASE number % 3 WHEN 0 THEN 'failed' WHEN 1 THEN 'cancelled'"
        " ELSE 'succeeded' END, stop_reason = 'completed', finished_us = created_us + 9000000,"
        f" started_us = created_us, attempt = 1, lease = 1 WHERE number IN {half}")
    store.execute("INSERT OR IGNORE INTO metric_sets (job, names) SELECT number,"
                  f" 'loss' || char(10) || 'accuracy' FROM jobs WHERE number IN {half}")
    store.execute(
        "INSERT OR IGNORE INTO metric_points (job, step, name_set, epoch, time_us, value_bytes)"
        " WITH RECURSIVE steps (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM steps"
        f" WHERE n < {POINTS}) SELECT job, n, number, n / 10.0, n, zeroblob(16)"
        " FROM metric_sets, steps")
    store.execute(
        "INSERT OR IGNORE INTO events (job, sequence, time_us, type, message, data) SELECT number,"
        f" 2, created_us, 'status', 'running', '{{}}' FROM jobs WHERE number IN {half}")
    store.commit()
    counts = dict(store.execute("SELECT status, jobs FROM job_counts WHERE jobs > 0"))
    store.close()
    say(measure="store", bytes=(data / "backpropd.db").stat().st_size, **counts)
    return spec


def post_count(daemon):
    text = http_text(daemon, "/metrics")
    return sum(float(value) for value in re.findall(r'backpropd_jobs\{[^}]*\} ([\d.e+]+)', text))


def http_text(daemon, path):
    connection = http.client.HTTPConnection(daemon.url.split("//")[1], timeout=10)
    connection.request("GET", path)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def measure_starts(args, folder):
    data = folder / "many"
    spec = fill(args, folder, data)
    for how, number in (("stop", signal.SIGTERM), ("kill -9", signal.SIGKILL)):
        times, occupied = [], False
        for _ in range(STARTS + 1):
            daemon = Daemon(args.build, data)
            times.append(daemon.wait_until_ready())
            if number == signal.SIGKILL:  # leaves a log behind
                if not occupied:  # it goes on after each start
                    occupy(Client(daemon.url), daemon, spec)
                    occupied = True
                post(daemon, folder, spec, 64, 1)
            daemon.end(number)
        say(measure="start until /readyz", after=how, jobs=count_jobs(data),
            median_ms=round(statistics.median(times[1:]), 1), worst_ms=round(max(times[1:]), 1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=HERE.parent / "build" / "release")
    parser.add_argument("--seconds", type=int, default=3, help="0: starts only")
    parser.add_argument("--jobs", type=int, default=100000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if args.seconds:
            measure_posts(args, pathlib.Path(name))
        measure_starts(args, pathlib.Path(name))


if __name__ == "__main__":
    main()
