"""Bits that change on the disk, and database files that are broken: all is noticed, said and
survived. Each test counts what it damaged."""
import contextlib
import json
import random
import sqlite3
import subprocess
import unittest

from service import BIN, Service, spec, spirals_csv
from until import until

DATASET_FLIPS = 12
CHUNK_FLIPS = 12
CHECKPOINT_FLIPS = 4
BROKEN_DATABASES = 30
BROKEN_LOGS = 6
ROUTES = ("/v1/jobs", "/v1/jobs/{job}", "/v1/jobs/{job}/metrics", "/v1/jobs/{job}/events",
          "/v1/datasets", "/v1/models", "/v1/models/{model}/weights", "/metrics", "/readyz")


def flip(path, position, bit):
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ (1 << bit)]))


def check(data):
    return subprocess.run([BIN / "backpropd", "check", "--data", data], capture_output=True,
                          text=True, timeout=60, check=False)


class DamageTest(unittest.TestCase):
    def setUp(self):
        self.service = Service("--workers", "1")
        self.addCleanup(self.service.remove)
        self.data = self.service.folder / "data"
        path = self.service.folder / "spirals.csv"
        path.write_text(spirals_csv())
        self.dataset = self.service.client.upload(path)["id"]
        self.jobs = [self.train() for _ in range(2)]

    def train(self):
        job = self.service.client.submit(spec(self.dataset, "arm", epochs=2))["id"]
        return self.service.client.wait(job, timeout=60)

    def problem(self, method, path, status, code, body=None):
        got, headers, text = self.service.request(method, path, body,
                                                  {"Content-Type": "application/json"})
        self.assertEqual(got, status, text[:300])
        self.assertEqual(headers["Content-Type"], "application/problem+json")
        self.assertIn(f'"code":"{code}"', text.decode())
        return text.decode()

    def test_a_damaged_dataset_trains_nothing(self):
        file = next((self.data / "datasets").iterdir())
        dice, size, noticed = random.Random(5), file.stat().st_size, 0
        for _ in range(DATASET_FLIPS):
            position, bit = dice.randrange(size), dice.randrange(8)
            flip(file, position, bit)
            ended = self.train()
            self.assertEqual((ended["status"], ended["stop_reason"]),
                             ("failed", "invalid_data"))
            self.assertIn("damaged", ended["error"]["message"])
            noticed += 1
            flip(file, position, bit)
        flip(file, 100, 1)
        model = self.jobs[0]["model"]
        self.problem("POST", f"/v1/models/{model}/evaluate", 500, "damaged",
                     f'{{"dataset": "{self.dataset}"}}')
        self.assertIn("is damaged", check(self.data).stdout)
        flip(file, 100, 1)
        self.assertEqual(self.train()["status"], "succeeded")
        self.assertEqual(noticed, DATASET_FLIPS)

    def flip_chunk(self, model, position, bit):
        """Changes one bit of a model's stored parameters, behind the daemon's back."""
        with contextlib.closing(sqlite3.connect(self.data / "backpropd.db")) as db, db:
            (content,) = db.execute(
                "SELECT c.bytes FROM blob_chunks AS c JOIN models USING (blob) WHERE id = ?",
                (model,)).fetchone()
            content = bytearray(content)
            content[position % len(content)] ^= 1 << bit
            db.execute("UPDATE blob_chunks SET bytes = ? WHERE blob ="
                       " (SELECT blob FROM models WHERE id = ?)", (bytes(content), model))

    def test_damaged_weights_are_not_given_out(self):
        damaged, whole = (job["model"] for job in self.jobs)
        question = '{"rows": [{"x": 0.1, "y": 0.2}]}'
        dice, noticed = random.Random(6), 0
        for i in range(CHUNK_FLIPS):
            position, bit = dice.randrange(1 << 20), dice.randrange(8)
            self.service.stop()
            self.flip_chunk(damaged, position, bit)
            self.service.start()
            query = ("", "?format=npz", "?format=onnx")[i % 3]
            text = self.problem("GET", f"/v1/models/{damaged}/weights{query}", 500, "damaged")
            self.assertIn(f"the weights of {damaged} are damaged: chunk 0", text)
            self.problem("POST", f"/v1/models/{damaged}/predict", 500, "damaged", question)
            answer = self.service.request("POST", f"/v1/models/{whole}/predict", question,
                                          {"Content-Type": "application/json"})
            self.assertEqual(answer[0], 200)
            found = check(self.data)
            self.assertEqual(found.returncode, 1)
            self.assertIn(f"weights of {damaged}: chunk 0", found.stdout)
            noticed += 1
            self.service.stop()
            self.flip_chunk(damaged, position, bit)
            self.service.start()
        self.assertEqual(noticed, CHUNK_FLIPS)
        self.assertEqual(self.service.request("GET", f"/v1/models/{damaged}/weights")[0], 200)

    def flip_newest_checkpoint(self, dice):
        """Changes one bit of it. How many there are."""
        with contextlib.closing(sqlite3.connect(self.data / "backpropd.db")) as db, db:
            blobs = [row[0] for row in db.execute(
                "SELECT blob FROM checkpoints ORDER BY number DESC")]
            chunk, content = db.execute(
                "SELECT rowid, bytes FROM blob_chunks WHERE blob = ? ORDER BY chunk",
                (blobs[0],)).fetchone()
            content = bytearray(content)
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
            db.execute("UPDATE blob_chunks SET bytes = ? WHERE rowid = ?",
                       (bytes(content), chunk))
        return len(blobs)

    def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(self):
        dice, noticed = random.Random(9), 0
        body = spec(self.dataset, "arm", units=64, epochs=1000000,
                    checkpoint={"every_seconds": 1, "keep_latest": 2, "keep_best": 0})
        job = self.service.client.submit(body)["id"]
        events = f"/v1/jobs/{job}/events?limit=1000"
        for _ in range(CHECKPOINT_FLIPS):
            until(lambda: len(json.loads(self.service.request(
                "GET", f"/v1/jobs/{job}/checkpoints")[2])["data"]) == 2, seconds=120)
            self.service.kill()
            self.assertEqual(self.flip_newest_checkpoint(dice), 2)
            self.service.start()
            noticed += 1
            until(lambda: self.service.request("GET", events)[2].decode().count(
                '"type":"checkpoint_unusable"') == noticed, seconds=60)
            until(lambda: self.service.client.job(job)["status"] == "running"
                  and self.service.request("GET", events)[2].decode().count(
                      '"type":"resumed"') >= noticed, seconds=60)
        self.assertEqual(noticed, CHECKPOINT_FLIPS)
        self.assertEqual(self.service.client.job(job)["attempt"], 1)

    def start_or_hear_why_not(self):
        """True when it serves; otherwise it has said what an operator can do."""
        before = (self.service.folder / "log").stat().st_size
        try:
            self.service.start()
            return True
        except AssertionError:
            self.assertEqual(self.service.process.wait(timeout=30), 1)
            self.service.process.stdout.close()
            self.service.log.close()
            with open(self.service.folder / "log", encoding="utf-8") as log:
                log.seek(before)
                said = log.read()
            self.assertIn("backpropd check", said)
            self.assertIn("backpropd restore", said)
            self.assertIn("backpropd backup", said)
            return False

    def ask_everything(self):
        for route in ROUTES:
            path = route.format(job=self.jobs[0]["id"], model=self.jobs[0]["model"])
            status, headers, text = self.service.request("GET", path)
            self.assertIn(status, (200, 404, 500, 503), (path, text[:300]))
            if status >= 500 and route != "/readyz":
                self.assertEqual(headers["Content-Type"], "application/problem+json")
        self.assertEqual(self.service.request("GET", "/livez")[0], 200)

    def test_a_broken_database_is_refused_or_answered_cleanly(self):
        self.service.stop()
        database, dice = self.data / "backpropd.db", random.Random(7)
        original = database.read_bytes()
        pages, refused, broken = len(original) // 4096, 0, 0
        for i in range(BROKEN_DATABASES):
            content = bytearray(original)
            if i % 5 == 0:  # the header
                content[:100] = dice.randbytes(100)
            elif i % 5 == 1:  # cut short
                del content[dice.randrange(len(content)):]
            else:  # some pages
                for page in dice.sample(range(i % 5 - 2, pages), 1 + i % 5 * 3):
                    content[page * 4096:(page + 1) * 4096] = dice.randbytes(4096)
            database.write_bytes(content)
            broken += 1
            if self.start_or_hear_why_not():
                self.ask_everything()
                self.service.stop()
            else:
                refused += 1
            found = check(self.data)
            if content[:100] != original[:100] or len(content) < len(original):
                self.assertEqual(found.returncode, 1, found.stdout)
            for leftover in self.data.glob("backpropd.db-*"):
                leftover.unlink()
        self.assertEqual(broken, BROKEN_DATABASES)
        self.assertGreater(refused, 0)
        database.write_bytes(original)
        self.service.start()
        self.assertEqual(self.train()["status"], "succeeded")

    def test_a_log_with_garbage_loses_nothing_before_it(self):
        log = self.data / "backpropd.db-wal"
        dice, broken = random.Random(8), 0
        for _ in range(BROKEN_LOGS):
            job = self.train()["id"]
            self.service.kill()
            self.assertTrue(log.exists())
            with open(log, "r+b") as file:
                file.seek(0, 2)
                file.write(dice.randbytes(1 + dice.randrange(20000)))
            broken += 1
            self.service.start()
            self.assertEqual(self.service.client.job(job)["status"], "succeeded")
            self.assertEqual(check(self.data).returncode, 0)
        self.assertEqual(broken, BROKEN_LOGS)


if __name__ == "__main__":
    unittest.main()
