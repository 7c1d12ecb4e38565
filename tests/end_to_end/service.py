"""A real backpropd on a free loopback port with a data folder of its own, for tests.

Also the small datasets that the tests train on: made here, from fixed seeds.
"""
import gzip
import http.client
import json
import math
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import unittest

from backpropd import Client

BIN = pathlib.Path(os.environ["BACKPROPD_BIN"])
START_SECONDS = 30


class Service:
    """A daemon process. Stops it and removes its data when told. `token` and `cafile` are the
    client's."""

    def __init__(self, *arguments, data=None, token=None, cafile=None):
        self.token, self.cafile = token, cafile
        self.folder = pathlib.Path(data or tempfile.mkdtemp(prefix="backpropd-test-"))
        self.arguments = arguments
        self.start()

    def start(self):
        self.log = open(self.folder / "log", "ab") if self.folder.exists() else None
        self.process = subprocess.Popen(
            [BIN / "backpropd", "--data", self.folder / "data", "--listen", "127.0.0.1:0",
             *self.arguments],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if "listening on" not in line:
            raise AssertionError(f"the daemon did not start: {self.log_text()}")
        self.url = line.split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.client = Client(self.url, token=self.token, cafile=self.cafile)

    def log_text(self, most=4000):
        """Its end, of so many characters; None: all of it."""
        text = (self.folder / "log").read_text()
        return text if most is None else text[-most:]

    def stop(self):
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=START_SECONDS)
        self._close()
        return status

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self):
        self.process.stdout.close()
        self.log.close()

    def remove(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def request(self, method, path, body=None, headers=None):
        """One raw exchange: (status, headers, bytes)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def upload_text(self, text, query="", content_type="text/csv"):
        body = text.encode() if isinstance(text, str) else text
        status, _, answer = self.request("POST", "/v1/datasets" + query, body,
                                         {"Content-Type": content_type})
        return status, json.loads(answer)


class ServiceTest(unittest.TestCase):
    """One daemon for all tests of a class."""

    arguments = ("--workers", "2")

    @classmethod
    def setUpClass(cls):
        cls.service = Service(*cls.arguments)
        cls.client = cls.service.client
        cls.scratch = pathlib.Path(tempfile.mkdtemp(prefix="backpropd-scratch-"))

    @classmethod
    def tearDownClass(cls):
        alive = cls.service.process.poll() is None
        log = cls.service.log_text()
        cls.service.remove()
        shutil.rmtree(cls.scratch, ignore_errors=True)
        if not alive:
            raise AssertionError(f"the daemon died: {log}")

    def write(self, name, content):
        path = self.scratch / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def assert_problem(self, answer, status, code=None):
        """`answer` is (status, headers, bytes): a problem of that status. Returns its body."""
        got, headers, text = answer
        self.assertEqual(got, status, text[:500])
        self.assertEqual(headers["Content-Type"].split(";")[0], "application/problem+json")
        body = json.loads(text)
        for key in ("type", "title", "status", "detail", "code"):
            self.assertIn(key, body)
        self.assertEqual(body["status"], status)
        if code:
            self.assertEqual(body["code"], code)
        return body


def spirals_csv(rows=400, seed=7):
    """Two spirals that no straight line can part: x, y, and which."""
    rng = random.Random(seed)
    lines = ["x,y,arm"]
    for i in range(rows):
        arm = i % 2
        t = rng.random() * 2.0
        angle = t * 2.2 + arm * math.pi
        radius = 0.2 + t
        lines.append(f"{radius * math.cos(angle) + rng.gauss(0, 0.03):.5f},"
                     f"{radius * math.sin(angle) + rng.gauss(0, 0.03):.5f},{'ab'[arm]}")
    return "\n".join(lines) + "\n"


def passengers_csv(rows=300, seed=3):
    """A messy table: quoted commas, blanks, categories, a row number, free text."""
    rng = random.Random(seed)
    lines = ["Id,Survived,Name,Sex,Age,Fare,Port"]
    for i in range(rows):
        sex = rng.choice(["male", "female"])
        age = "" if rng.random() < 0.2 else f"{rng.randint(1, 80)}"
        port = rng.choice(["S", "C", "Q", ""])
        fare = round(rng.expovariate(1 / 30), 2)
        survived = int((sex == "female") != (rng.random() < 0.1))
        lines.append(f'{i + 1},{survived},"Doe, ""J."" {i}",{sex},{age},{fare},{port}')
    return "\n".join(lines) + "\n"


def prices_csv(rows=400, seed=5):
    """A number to predict, far from unit scale."""
    rng = random.Random(seed)
    lines = ["size;rooms;kind;price"]
    for _ in range(rows):
        size, rooms = rng.uniform(30, 200), rng.randint(1, 6)
        kind = rng.choice(["flat", "house"])
        price = 2000 * size + 9000 * rooms + (50000 if kind == "house" else 0)
        lines.append(f"{size:.1f};{rooms};{kind};{price + rng.gauss(0, 2000):.0f}")
    return "\n".join(lines) + "\n"


def idx(element, shape, payload):
    head = struct.pack(">BBBB", 0, 0, element, len(shape))
    return head + b"".join(struct.pack(">I", n) for n in shape) + payload


def images(rows, seed):
    """6x5 byte images: a bright row or a bright column, at a random place."""
    rng = random.Random(seed)
    pixels, labels = bytearray(), bytearray()
    for _ in range(rows):
        label = rng.randint(0, 1)
        image = [[rng.randint(0, 60) for _ in range(5)] for _ in range(6)]
        if label:
            at = rng.randrange(6)
            image[at] = [rng.randint(180, 255) for _ in range(5)]
        else:
            at = rng.randrange(5)
            for line in image:
                line[at] = rng.randint(180, 255)
        for line in image:
            pixels += bytes(line)
        labels.append(label)
    return idx(8, (rows, 6, 5), bytes(pixels)), idx(8, (rows,), bytes(labels))


def image_parts(folder):
    """The four files of an image dataset, two of them compressed."""
    parts = {}
    for part, rows, seed in (("train", 600, 1), ("test", 200, 2)):
        features, labels = images(rows, seed)
        path = folder / f"{part}-images-idx3-ubyte.gz"
        path.write_bytes(gzip.compress(features))
        parts[f"{part}.features"] = path
        path = folder / f"{part}-labels-idx1-ubyte"
        path.write_bytes(labels)
        parts[f"{part}.labels"] = path
    return parts


def spec(dataset, target=None, units=16, **more):
    """A small spec that trains in well under a second."""
    body = {"dataset": dataset, "epochs": 5, "batch_size": 32, "seed": 1,
            "model": {"layers": [{"type": "dense", "units": units, "activation": "relu"},
                                 {"type": "dense", "units": "auto"}]}}
    if target:
        body["features"] = {"target": target}
    body.update(more)
    return body
