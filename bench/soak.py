#!/usr/bin/python3
"""A day's work in minutes: does the daemon stay as small as it was?

    bench/soak.py [--build build/release] [--requests 5000] [--jobs 40] [--rounds 10]
    bench/soak.py --requests 100000 --jobs 1000 --rounds 20

Rounds of small requests of all kinds, by several clients at once, with small jobs, models that
answer, datasets that come and go, and streams. After each round, when all is quiet, the daemon's own
memory, descriptors and threads are read. Prints a JSON line a round and one at the end; its exit
status is 1 if an answer was not the expected one, if fewer requests or jobs were made than asked for,
or if memory or descriptors grew from the middle third to the last by more than is allowed. (In the
first third caches fill: those of the store may take 16 MiB and 4 MiB for each reader.)
"""
import argparse
import http.client
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients" / "python"))
sys.dont_write_bytecode = True

from backpropd import Client  # noqa: E402

CLIENTS = 6
QUIET_SECONDS = 60
MOST_GROWTH = 2 << 20  # bytes
MOST_DESCRIPTORS = 4

XOR = "a,b,y\n" + "0,0,n\n0,1,p\n1,0,p\n1,1,n\n" * 4
JSON = {"Content-Type": "application/json"}


class Soak:
    def __init__(self, client, port):
        self.client, self.port = client, port
        self.lock = threading.Lock()
        self.made = {"requests": 0, "jobs": 0}
        self.wrong = []
        self.dataset = self.upload(7)
        self.jobs, self.models = [], []

    # ---- one exchange ----

    def ask(self, connection, method, path, expected, body=None, headers=None):
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read()
        with self.lock:
            self.made["requests"] += 1
            if answer.status not in expected:
                self.wrong.append(f"{method} {path}: {answer.status} {text[:200]!r}")
        return answer.status, text

    def upload(self, number):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", f"/v1/datasets?name=xor{number}", XOR,
                           {"Content-Type": "text/csv"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer["id"]

    def spec(self, **more):
        return dict({"dataset": self.dataset, "features": {"target": "y"}, "epochs": 3,
                     "batch_size": 4, "split": {"fractions": {"train": 1}},
                     "model": {"layers": [{"type": "dense", "units": 3, "activation": "tanh"},
                                          {"type": "dense", "units": "auto"}]}}, **more)

    # ---- kinds of requests ----

    def kinds(self, rng):
        job = rng.choice(self.jobs) if self.jobs else "job_none"
        model = rng.choice(self.models) if self.models else "mdl_none"
        spec = json.dumps(self.spec(seed=rng.randint(0, 1000)))
        found = (200, 404)
        return [
            ("GET", "/livez", (200,), None, None), ("GET", "/readyz", (200,), None, None),
            ("GET", "/v1/info", (200,), None, None), ("GET", "/metrics", (200,), None, None),
            ("GET", "/", (200,), None, None), ("HEAD", "/openapi.json", (200,), None, None),
            ("GET", "/v1/jobs?limit=5", (200,), None, None),
            ("GET", "/v1/jobs?status=failed&limit=2", (200,), None, None),
            ("GET", "/v1/models?limit=5", (200,), None, None),
            ("GET", "/v1/datasets?limit=5", (200,), None, None),
            ("GET", f"/v1/datasets/{self.dataset}/preview", (200,), None, None),
            ("GET", f"/v1/jobs/{job}", found, None, None),
            ("GET", f"/v1/jobs/{job}", found, None, None),
            ("GET", f"/v1/jobs/{job}", found, None, None),
            ("GET", f"/v1/jobs/{job}/metrics?names=loss&max_points=10", found, None, None),
            ("GET", f"/v1/jobs/{job}/metrics", found, None, {"Accept": "text/csv"}),
            ("GET", f"/v1/jobs/{job}/events", found, None, None),
            ("GET", f"/v1/jobs/{job}/events", (200, 404), None,
             {"Accept": "text/event-stream"}),  # ends by itself: the job has
            ("GET", f"/v1/jobs/{job}/checkpoints", found, None, None),
            ("POST", f"/v1/jobs/{job}/cancel", (200, 404, 409), None, None),
            ("GET", f"/v1/models/{model}", found, None, None),
            ("GET", f"/v1/models/{model}/weights?format=safetensors", found, None, None),
            ("GET", f"/v1/models/{model}/weights?format=npz", (206, 404), None,
             {"Range": "bytes=3-99"}),
            ("POST", f"/v1/models/{model}/predict", found, '{"rows": [{"a": 1, "b": 0}]}', JSON),
            ("POST", f"/v1/models/{model}/predict", (404, 422), '{"rows": [{"a": []}]}', JSON),
            ("POST", "/v1/jobs:validate", (200,), spec, JSON),
            ("POST", "/v1/jobs:validate", (422,), '{"dataset": "x", "model": 3}', JSON),
            ("POST", "/v1/jobs", (400,), '{"a":' * 200, JSON),
            ("GET", "/v1/nothing", (404,), None, None),
            ("DELETE", "/livez", (405,), None, None),
            ("GET", "/v1/jobs?zzz=1", (400,), None, None),
        ]

    def requests(self, seed, count):
        rng = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for i in range(count):
            method, path, expected, body, headers = rng.choice(self.kinds(rng))
            self.ask(connection, method, path, expected, body, headers)
            if i % 50 == 49:  # now and then a new connection
                connection.close()
        connection.close()

    def come_and_go(self, seed, count):
        """Datasets, evaluations, clients that leave half way."""
        rng = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for i in range(count):
            dataset = self.upload(i)
            if self.models:
                self.ask(connection, "POST", f"/v1/models/{rng.choice(self.models)}/evaluate",
                         (200, 404), json.dumps({"dataset": dataset}), JSON)
            self.ask(connection, "DELETE", f"/v1/datasets/{dataset}", (204,))
            leaver = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            leaver.putrequest("POST", "/v1/datasets")
            leaver.putheader("Content-Length", "1000")
            leaver.endheaders()
            leaver.send(b"a,b\n")
            leaver.close()
        connection.close()

    def train(self, count):
        """Posts jobs, waits for them, forgets the older ones."""
        ids = [self.client.submit(self.spec(seed=i, epochs=200000 if i % 10 == 9 else 3),
                                  idempotency_key=f"{id(self)}-{self.made['jobs']}-{i}")["id"]
               for i in range(count)]
        for i in range(9, count, 10):
            self.client.cancel(ids[i])
        for i, job in enumerate(ids):
            ended = self.client.wait(job, timeout=300, interval=0.05)
            expected = ("cancelled",) if i % 10 == 9 else ("succeeded",)
            if ended["status"] not in expected:
                self.wrong.append(f"{job} {ended['status']} {ended['error']}")
            if ended["model"]:
                self.models.append(ended["model"])
            self.jobs.append(job)
            self.made["jobs"] += 1
        while len(self.jobs) > 30:
            self.client.delete_job(self.jobs.pop(0))
        del self.models[:-20]

    def round(self, number, requests, jobs):
        each = requests // CLIENTS + 1
        threads = [threading.Thread(target=self.requests, args=(number * 100 + i, each))
                   for i in range(CLIENTS)]
        threads.append(threading.Thread(target=self.come_and_go,
                                        args=(number, max(2, jobs // 4))))
        for thread in threads:
            thread.start()
        self.train(jobs)
        for thread in threads:
            thread.join()


def read_size(pid):
    """Bytes of memory that are the process's own, descriptors, threads."""
    fields = dict(line.split(":", 1) for line in
                  pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return (int(fields["RssAnon"].split()[0]) * 1024,
            len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir())), int(fields["Threads"]))


def settle(client, pid):
    """Waits until nothing runs but warm models, and until connections are closed."""
    end, last = time.monotonic() + QUIET_SECONDS, None
    while time.monotonic() < end:
        workers = client.info()["workers"]
        size = read_size(pid)
        if workers["training"] == workers["ingesting"] == 0 and last == size[1]:
            return size
        last = size[1]
        time.sleep(1.1)
    return read_size(pid)


def soak(client, daemon, port, args):
    run = Soak(client, port)
    sizes = []
    for number in range(args.rounds):
        run.round(number, -(-args.requests // args.rounds), -(-args.jobs // args.rounds))
        sizes.append(settle(client, daemon.pid))
        print(json.dumps({"round": number, **run.made, "own_kb": sizes[-1][0] >> 10,
                          "descriptors": sizes[-1][1], "threads": sizes[-1][2]}), flush=True)
    third = max(1, args.rounds // 3)
    before, after = sizes[-2 * third:-third], sizes[-third:]
    growth = statistics.median(s[0] for s in after) - statistics.median(s[0] for s in before)
    descriptors = min(s[1] for s in after) - max(s[1] for s in before)
    steady = (growth <= MOST_GROWTH and descriptors <= MOST_DESCRIPTORS and
              run.made["requests"] >= args.requests and run.made["jobs"] >= args.jobs)
    print(json.dumps({**run.made, "growth_kb": int(growth) >> 10, "more_descriptors": descriptors,
                      "wrong": len(run.wrong), "steady": steady}), flush=True)
    for wrong in run.wrong[:20]:
        print(wrong, file=sys.stderr)
    return 0 if steady and not run.wrong else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=HERE.parent / "build" / "release")
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        daemon = subprocess.Popen(
            [pathlib.Path(args.build) / "bin" / "backpropd", "--data", folder + "/data",
             "--listen", "127.0.0.1:0", "--workers", "2", "--log-level", "error"],
            stdout=subprocess.PIPE, text=True)
        try:
            url = daemon.stdout.readline().split()[-1]
            return soak(Client(url), daemon, int(url.rsplit(":", 1)[1]), args)
        finally:
            daemon.terminate()
            daemon.wait()


if __name__ == "__main__":
    sys.exit(main())
