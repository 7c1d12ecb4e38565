#!/usr/bin/python3
"""How quick others are served while a crowd is slow: clients that send a byte every five seconds,
and live event streams.

    bench/slow_clients.py [--build build/release] [--slow 1000] [--streams 500] [--seconds 30]
                          [--training 0]

Starts a daemon, opens the crowd, and asks for a job again and again, by wrk and by requests at a
steady pace (so that a stall is seen by all that were due in it). Prints one JSON line; its exit
status is 1 if a request of the measurers failed. Slow clients that were cut come back, as strangers
would. Needs `scripts/setup.sh bench`.
"""
import argparse
import http.client
import json
import multiprocessing
import os
import pathlib
import re
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients" / "python"))
sys.dont_write_bytecode = True

from backpropd import Client  # noqa: E402

SPEC = {"features": {"target": "c64"}, "batch_size": 32,
        "model": {"layers": [{"type": "dense", "units": 64, "activation": "relu"},
                             {"type": "dense", "units": "auto"}]}}
PAUSE = 5.0
PACE = 0.002

# What a slow client is slow at: a head, a small body, an upload.
SLOW = [b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100000\r\n\r\n",
        b"POST /v1/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
        b"Content-Length: 100000\r\n\r\n"]


class Crowd:
    """Slow clients and streams, all on one thread of a process of their own."""

    def __init__(self, port, job, slow, streams):
        self.port, self.job = port, job
        self.selector = selectors.DefaultSelector()
        self.cut = self.events = self.live = 0
        self.clients = [[self.open(SLOW[i % len(SLOW)]), i, time.monotonic() + PAUSE * i / slow]
                        for i in range(slow)]
        stream = (f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\n"
                  "Accept: text/event-stream\r\n\r\n").encode()
        for _ in range(streams):
            self.selector.register(self.open(stream), selectors.EVENT_READ)
            self.live += 1

    def open(self, begin):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.sendall(begin)
        connection.setblocking(False)
        return connection

    def run(self, commands):
        """Until a command comes; then says what it saw."""
        os.nice(5)  # the measurers' machine is the daemon's, and the crowd's, too
        commands.send("ready")
        while not commands.poll():
            for key, _ in self.selector.select(timeout=0.02):
                try:
                    bytes_read = key.fileobj.recv(65536)
                except BlockingIOError:
                    continue
                self.events += bytes_read.count(b"\nevent:")
                if not bytes_read:
                    self.live -= 1
                    self.selector.unregister(key.fileobj)
            now = time.monotonic()
            for client in self.clients:
                if client[2] > now:
                    continue
                client[2] += PAUSE
                try:
                    client[0].send(b"x")
                except OSError:
                    client[0].close()
                    self.cut += 1
                    client[0] = self.open(SLOW[client[1] % len(SLOW)])
        commands.send({"streams_live": self.live, "events": self.events, "cut": self.cut})


def run_crowd(commands, *args):
    Crowd(*args).run(commands)


def wrk(url, seconds):
    text = subprocess.run(["wrk", "-t1", "-c16", f"-d{seconds}s", "--latency", url],
                          capture_output=True, text=True, check=True).stdout
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return {"wrk_requests_per_second":
                float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)),
            "wrk_p99_ms": float(value) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit],
            "wrk_refused": int(bad.group(1)) if bad else 0}


def pace(port, path, seconds):
    """Times in ms of requests that were due at a steady pace, and how many failed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    times, failed, due = [], 0, time.perf_counter()
    end = due + seconds
    while due < end:
        time.sleep(max(0.0, due - time.perf_counter()))
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        failed += answer.status != 200
        times.append(1000 * (time.perf_counter() - due))
        due += PACE
    connection.close()
    return sorted(times), failed


def measure(client, port, args):
    dataset = client.upload(HERE.parent / "examples" / "digits.csv")["id"]
    spec = dict(SPEC, dataset=dataset)
    job = client.wait(client.submit(dict(spec, epochs=3))["id"])["id"]
    busy = [client.submit(dict(spec, epochs=1000000))["id"] for _ in range(max(1, args.training))]
    watched = busy[0]
    if not args.training:
        client.pause(watched)  # its streams stay open
    ours, theirs = multiprocessing.Pipe()
    crowd = multiprocessing.Process(target=run_crowd, daemon=True,
                                    args=(theirs, port, watched, args.slow, args.streams))
    crowd.start()
    ours.recv()
    time.sleep(1)
    path = f"/v1/jobs/{job}"
    times, failed = pace(port, path, args.seconds / 2)
    result = {"slow": args.slow, "streams": args.streams, "training": args.training,
              "paced": len(times), "p50_ms": round(times[len(times) // 2], 3),
              "p99_ms": round(times[len(times) * 99 // 100], 3), "max_ms": round(times[-1], 3),
              "failed": failed, **wrk(f"http://127.0.0.1:{port}{path}", args.seconds // 2)}
    ours.send("stop")
    result.update(ours.recv())
    crowd.join()
    for one in busy:
        client.cancel(one)
    print(json.dumps(result), flush=True)
    return failed + result["wrk_refused"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=HERE.parent / "build" / "release")
    parser.add_argument("--slow", type=int, default=1000)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--training", type=int, default=0)
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        daemon = subprocess.Popen(
            [pathlib.Path(args.build) / "bin" / "backpropd", "--data", folder + "/data",
             "--listen", "127.0.0.1:0", "--workers", str(max(1, args.training))],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            url = daemon.stdout.readline().split()[-1]
            return 1 if measure(Client(url), int(url.rsplit(":", 1)[1]), args) else 0
        finally:
            daemon.terminate()
            daemon.wait()


if __name__ == "__main__":
    sys.exit(main())
