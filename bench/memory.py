#!/usr/bin/python3
"""What a worker takes at its peak beside what /v1/jobs:validate predicted, for every example and
some networks more.

    bench/memory.py [--build build/release] [--threads 1,2] [name…]

Trains each file of examples/ for a moment on made-up data of the right shape. Prints one JSON line a
run; its exit status is 1 if a worker took more than was predicted. The peak is the resident memory
that is the worker's own (a dataset's mapped file is the system's to take back).
"""
import argparse
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"
sys.path.insert(0, str(HERE.parent / "clients" / "python"))
sys.dont_write_bytecode = True

from backpropd import Client  # noqa: E402

ROWS = 2000
SECONDS = 3


def write_table(path, header, row, rows=ROWS):
    rng = random.Random(1)
    path.write_text("\n".join([header, *(row(rng, i) for i in range(rows))]) + "\n")
    return [path]


def write_images(folder, shape):
    rng = random.Random(1)
    size = 1
    for extent in shape:
        size *= extent
    paths = {}
    for part, rows in (("train", ROWS), ("test", ROWS // 4)):
        for kind, shape_of, count, top in (("features", shape, rows * size, 255),
                                           ("labels", (), rows, 9)):
            head = struct.pack(">BBBB", 0, 0, 8, 1 + len(shape_of))
            head += b"".join(struct.pack(">I", n) for n in (rows, *shape_of))
            path = folder / f"{part}.{kind}"
            path.write_bytes(head + bytes(rng.randint(0, top) for _ in range(count)))
            paths[f"{part}.{kind}"] = path
    return paths


def write_text(path):
    rng = random.Random(1)
    letters = "".join(chr(32 + i) for i in range(65))
    path.write_text("".join(rng.choice(letters) for _ in range(800000)))
    return path


def make_datasets(client, folder):
    """IDs by kind."""
    ids = {"digits": client.upload(EXAMPLES / "digits.csv")["id"]}
    tables = {
        "iris": ("a,b,c,d,species", lambda r, i: ",".join(
            [*(f"{r.random():.3f}" for _ in range(4)), r.choice(["x", "y", "z"])])),
        "titanic": ("Pclass,Sex,Age,Fare,Survived", lambda r, i: ",".join(
            [str(r.randint(1, 3)), r.choice(["male", "female"]), f"{r.random():.2f}",
             f"{r.random():.2f}", str(r.randint(0, 1))])),
        "housing": ("a,b,c,d,e,f,g,h,median_house_value", lambda r, i: ",".join(
            f"{r.random():.4f}" for _ in range(9))),
        "xor": ("a,b,xor", lambda r, i: f"{i % 2},{i // 2 % 2},{i % 2 ^ i // 2 % 2}")}
    for name, (header, row) in tables.items():
        ids[name] = client.upload(*write_table(folder / f"{name}.csv", header, row))["id"]
    ids["tall"] = client.upload(*write_table(
        folder / "tall.csv", "a,b,c,y",
        lambda r, i: f"{r.random():.4f},{r.random():.4f},{i % 97},{i % 2}", 400000))["id"]
    for name, shape in (("fashion", (28, 28)), ("cifar", (32, 32, 3))):
        parts = write_images(folder, shape)
        ids[name] = client.upload(parts=parts, name=name)["id"]
    ids["text"] = client.upload(parts={"text": write_text(folder / "text.txt")})["id"]
    return ids


# Beside the examples: parameters in every buffer that there is, and many rows.
EXTRA = {
    "wide": ("fashion", {
        "model": {"layers": [{"type": "dense", "units": 1500, "activation": "gelu"},
                             {"type": "dense", "units": 1500, "activation": "relu"},
                             {"type": "dense", "units": "auto"}]},
        "optimizer": {"type": "adam", "learning_rate": 0.0001}, "batch_size": 32,
        "gradient_accumulation": 2, "weight_averaging": {"type": "ema", "decay": 0.99},
        "on_divergence": {"retries": 2}, "early_stopping": {"patience": 1000000},
        "split": {"fractions": {"train": 0.8, "validation": 0.2}}}),
    "tall": ("tall", {
        "features": {"target": "y"}, "batch_size": 4096,
        "model": {"layers": [{"type": "dense", "units": 8, "activation": "tanh"},
                             {"type": "dense", "units": "auto"}]},
        "split": {"fractions": {"train": 0.6, "validation": 0.2, "test": 0.2}}})}

KINDS = {"digits": "digits", "deep": "digits", "fashion": "fashion", "lenet": "fashion",
         "autoencoder": "fashion", "resnet": "cifar", "char": "text"}


def workers_of(daemon):
    found = []
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:
            continue
        if int(text.rsplit(")", 1)[1].split()[1]) == daemon.pid:
            found.append(status.parent)
    return found


def own_memory(worker):
    """Bytes of anonymous memory now; 0 when it is gone."""
    try:
        for line in (worker / "status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def run(client, daemon, name, spec, threads):
    spec.setdefault("resources", {})["threads"] = threads
    spec["checkpoint"] = {"every_seconds": 1}
    predicted = client.validate(spec)["memory_bytes"]
    spec["epochs"] = 1000000
    before = set(workers_of(daemon))
    job = client.submit(spec)["id"]
    peak, worker, end = 0, None, time.monotonic() + SECONDS
    while time.monotonic() < end:
        if not worker:
            worker = next((w for w in workers_of(daemon) if w not in before), None)
        else:
            peak = max(peak, own_memory(worker))
        time.sleep(0.002)
    status = client.job(job)
    if status["status"] == "running":
        client.stop(job)  # sends the model, which takes memory, too
        while worker and worker.exists() and (now := own_memory(worker)):
            peak = max(peak, now)
            time.sleep(0.001)
        status = client.wait(job)
    print(json.dumps({"example": name, "threads": threads, "predicted_mb": predicted >> 20,
                      "measured_mb": round(peak / 2 ** 20, 1),
                      "ratio": round(predicted / peak, 2) if peak else None,
                      "status": status["status"], "epochs": status["progress"]["epoch"]}),
          flush=True)
    return status["status"] == "succeeded" and predicted >= peak > 0


def all_specs():
    """Name, kind of dataset, spec."""
    for path in sorted(EXAMPLES.glob("*.json")):
        kind = path.stem.split("-")[0]
        yield path.stem, KINDS.get(kind, kind), json.loads(path.read_text())
    for name, (kind, spec) in EXTRA.items():
        yield name, kind, spec


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=HERE.parent / "build" / "release")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        daemon = subprocess.Popen(
            [pathlib.Path(args.build) / "bin" / "backpropd", "--data", folder / "data",
             "--listen", "127.0.0.1:0", "--workers", "2"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            client = Client(daemon.stdout.readline().split()[-1])
            ids = make_datasets(client, folder)
            for name, kind, spec in all_specs():
                if args.names and name not in args.names:
                    continue
                for threads in map(int, args.threads.split(",")):
                    bad += not run(client, daemon, name, dict(spec, dataset=ids[kind]), threads)
        finally:
            daemon.terminate()
            daemon.wait()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
