#!/usr/bin/python3
"""kill -9 of the daemon at random moments under load, through the API alone.

    BACKPROPD_BIN=build/release/bin tests/fault/kill_daemon.py [--kills 100] [--seed N]

100 kills, or 1,000 with BACKPROP_LONG_FAULTS=1. Threads upload, post with idempotency keys,
cancel, pause, resume, stop and read; the daemon is killed again and again, some times while it
starts; after each start and at the end the following must hold:

  - what was acknowledged is there: jobs, datasets, deletions, cancels, pauses, stops
  - metric points and events that were seen once are there with the same values, each once
  - a key made one job; a job has one end that never changes, and one model if it succeeded
  - the queue has kept its order
  - weights are bit-equal to those of an undisturbed run of the same spec
  - nothing lies in the data folder that belongs to no dataset

Prints what it did as one line of JSON; exits 1 if a promise was broken or less was done than
was to be.
"""
import argparse
import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "end_to_end"), str(HERE.parents[1] / "clients" / "python")]
sys.dont_write_bytecode = True

from kill_ledger import Ledger  # noqa: E402
from kill_load import Door, Load, Way, listed, look  # noqa: E402
from service import BIN, Service, spec, spirals_csv  # noqa: E402

KILLS = 1000 if os.environ.get("BACKPROP_LONG_FAULTS") else 100
ROWS = 3000
LIFE_SECONDS = 0.7    # of a daemon, at most
FULL_CHECK_EVERY = 10
END_SECONDS = 240     # for all jobs to end when nobody kills any more


def templates_for(service):
    """Bodies of jobs by name, sized for this machine: short ones and some of a second."""
    path = service.folder / "spirals.csv"
    path.write_text(spirals_csv(ROWS))
    dataset = service.client.upload(path)["id"]

    def sized(seconds, **more):
        body = spec(dataset, "arm", log_every_steps=200, **more)
        probe = dict(body, epochs=20)
        done = service.client.wait(service.client.submit(probe)["id"], timeout=120, interval=0.02)
        rate = done["metrics"]["latest"]["samples_per_second"]
        return dict(body, epochs=max(3, int(seconds * rate / ROWS)))

    layers = [{"type": "dense", "units": 64, "activation": "relu"}, {"type": "batch_norm"},
              {"type": "dropout", "rate": 0.2}, {"type": "dense", "units": "auto"}]
    return {
        "endless": spec(dataset, "arm", units=128, epochs=1000000, log_every_steps=2000),
        "short": sized(0.1),
        "short with momentum": sized(0.1, optimizer={"type": "sgd", "momentum": 0.9}),
        "medium": sized(1, units=96),
        "medium with dropout": sized(1, model={"layers": layers}, optimizer="adamw",
                                     weight_averaging={"decay": 0.9},
                                     early_stopping={"patience": 100000}),
    }


class Harness:
    def __init__(self, kills, seed):
        self.kills, self.seed = kills, seed
        self.rng = random.Random(seed)
        self.ledger = Ledger()
        self.door = Door()
        self.service = Service("--workers", "2")
        self.start_seconds = []

    def reference(self):
        """The digests of the weights of runs that nobody disturbs."""
        self.templates = templates_for(self.service)
        client = self.service.client
        jobs = {name: client.submit(body)["id"] for name, body in self.templates.items()
                if name != "endless"}
        self.weights = {name: client.wait(job, timeout=300)["weights_sha256"]
                        for name, job in jobs.items()}
        for job in client.jobs():
            client.delete_job(job["id"])
        self.ledger.datasets = {each["id"]: each["sha256"] for each in client.datasets()}

    # Killing

    def kill(self):
        process = self.service.process
        if process.poll() is not None:
            self.ledger.fault(f"the daemon died by itself: {self.service.log_text()}")
        process.kill()
        if process.wait() == -signal.SIGKILL:
            self.ledger.count("kills")
        self.door.close()
        process.stdout.close()
        self.service.log.close()

    def kill_while_starting(self):
        """A daemon that never comes to listening, or only just."""
        with open(self.service.folder / "log", "ab") as log:
            process = subprocess.Popen(
                [BIN / "backpropd", "--data", self.service.folder / "data", "--listen",
                 "127.0.0.1:0", *self.service.arguments], stdout=subprocess.DEVNULL, stderr=log)
        time.sleep(self.rng.uniform(0, 0.06))
        process.kill()
        if process.wait() == -signal.SIGKILL:
            self.ledger.count("kills")
            self.ledger.count("kills while starting")

    def start(self):
        begin = time.monotonic()
        self.service.start()
        self.start_seconds.append(time.monotonic() - begin)
        return Way(self.service.port)

    def run(self):
        self.reference()
        load = Load(self.door, self.ledger, self.templates, self.seed)
        try:
            self.door.open(self.service.port)
            while self.ledger.counts["kills"] < self.kills and not self.ledger.faults:
                time.sleep(self.rng.uniform(0, LIFE_SECONDS))
                self.kill()
                if self.rng.random() < 0.1 and self.ledger.counts["kills"] < self.kills:
                    self.kill_while_starting()
                way = self.start()
                self.check(way, full=len(self.start_seconds) % FULL_CHECK_EVERY == 0)
                self.door.open(self.service.port)
            load.posting = False
            self.wait_for_all()
        finally:
            load.end()
        if not self.ledger.faults:
            self.check_end()

    def wait_for_all(self):
        """The jobs that are left come to their ends: the load resumes and stops them."""
        deadline = time.monotonic() + END_SECONDS
        while self.ledger.open_jobs() and not self.ledger.faults:
            if time.monotonic() > deadline:
                for job in self.ledger.open_jobs():
                    self.ledger.fault(f"{job.id} ({job.template}, {job.wish}) does not end: "
                                      f"{self.service.client.job(job.id)}")
            time.sleep(0.1)

    # What must hold

    def check(self, way, full):
        """With nobody inside: all that is there now was there before the kill."""
        self.check_files(way)
        self.ledger.saw_queue(listed(way, "/v1/jobs?status=queued"))
        jobs = list(self.ledger.jobs.values()) if full else self.ledger.open_jobs()
        for job in jobs:
            look(way, self.ledger, job, settled=True)
        if full:
            self.check_jobs(way)

    def check_files(self, way):
        """Each file is whole, and belongs to a dataset (their contents all differ)."""
        self.ledger.saw_datasets(listed(way, "/v1/datasets"))
        data = self.service.folder / "data"
        left = [path.name for path in (data / "tmp").iterdir()]
        if left:
            self.ledger.fault(f"tmp/ holds {left}")
        files = list((data / "datasets").iterdir())
        if len(files) != len(self.ledger.datasets):
            self.ledger.fault(f"{len(files)} files of {len(self.ledger.datasets)} datasets")
        for path in files:
            if hashlib.sha256(path.read_bytes()).hexdigest() != path.name:
                self.ledger.fault(f"the file {path.name} is not what its name says")

    def check_jobs(self, way):
        """One job a key, none that nobody posted."""
        keys = [job["metadata"]["key"] for job in listed(way, "/v1/jobs")]
        if len(keys) != len(set(keys)):
            self.ledger.fault("a key has two jobs")
        for key in set(self.ledger.by_key) - set(keys):
            self.ledger.fault(f"the job of key {key} is lost")
        for key in set(keys) - set(self.ledger.keys):
            self.ledger.fault(f"nobody posted the job of key {key}")

    def check_end(self):
        way = Way(self.service.port)
        self.check(way, full=True)
        models = [model["job"] for model in listed(way, "/v1/models")]
        ended = [job for job in self.ledger.jobs.values() if job.end[0] == "succeeded"]
        if sorted(models) != sorted(job.id for job in ended):
            self.ledger.fault("jobs that succeeded and models are not one to one")
        for job in ended:
            _, reason, weights, _ = job.end
            if job.template == "endless":
                if reason != "user_stopped":
                    self.ledger.fault(f"{job.id} was stopped and ended {reason}")
            elif weights != self.weights[job.template]:
                self.ledger.fault(f"{job.id} ({job.template}) has other weights: {weights}")
            else:
                self.ledger.count("bit-equal weights")
        if self.service.stop() != 0:
            self.ledger.fault("the last drain failed")

    def check_counts(self):
        """Did enough happen for the result to say something?"""
        least = {"kills": self.kills, "posts acknowledged": self.kills // 2,
                 "posts replayed": self.kills // 4, "cancel acknowledged": self.kills // 20,
                 "pause acknowledged": self.kills // 10, "resume acknowledged": self.kills // 20,
                 "stop acknowledged": self.kills // 50, "uploads acknowledged": self.kills // 4,
                 "uploads broken off": self.kills // 10,
                 "deletions acknowledged": self.kills // 10, "metric reads": self.kills,
                 "resumed from a checkpoint": self.kills // 10,
                 "places in the queue compared": self.kills,
                 "bit-equal weights": self.kills // 10}
        for what, count in least.items():
            if self.ledger.counts[what] < count:
                self.ledger.fault(f"only {self.ledger.counts[what]} {what}, not {count}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    harness = Harness(args.kills, args.seed)
    try:
        begin = time.monotonic()
        harness.run()
        harness.check_counts()
        starts = sorted(harness.start_seconds)
        print(json.dumps(dict(
            sorted(harness.ledger.counts.items()), faults=len(harness.ledger.faults),
            seconds=round(time.monotonic() - begin, 1),
            median_start_ms=round(1000 * starts[len(starts) // 2], 1) if starts else None)))
        if harness.ledger.faults:
            print(harness.service.log_text())
        return 1 if harness.ledger.faults else 0
    finally:
        harness.service.remove()


if __name__ == "__main__":
    sys.exit(main())
