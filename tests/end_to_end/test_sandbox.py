"""The workers' sandbox through the daemon: every task works in it, its level is told, and
what tries to get out is ended and reported."""
import json
import pathlib
import stat
import subprocess
import time
import unittest

from service import BIN, Service, spec, spirals_csv

ESCAPING_WORKER = BIN.parent / "tests" / "escaping_worker"


def probe(policy="auto"):
    """What the worker says of this machine; a sanitizer's build is "lax" everywhere."""
    answer = subprocess.run([BIN / "backprop-worker", f"--sandbox={policy}", "--probe"],
                            capture_output=True, text=True, timeout=60)
    return json.loads(answer.stdout) if answer.returncode == 0 else None


def limits_of(pid):
    """{name: soft limit} of a process."""
    lines = pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:47].strip() for line in lines}


def workers_of(pid):
    children = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for path in children for word in path.read_text().split()]


class SandboxTest(unittest.TestCase):
    def service(self, *arguments):
        service = Service("--workers", "6", *arguments)
        self.addCleanup(service.remove)
        return service

    def dataset(self, service, rows=400):
        path = service.folder / "spirals.csv"
        path.write_text(spirals_csv(rows))
        return service.client.upload(path)["id"]

    def strictest(self):
        """The strictest policy that starts here."""
        return "strict" if probe()["sandbox"] == "full" else "auto"

    def worker_that_says(self, folder, level):
        """A worker for a kernel of another kind: it answers the probe, and no task."""
        path = folder / f"worker-{level}"
        path.write_text("#!/bin/sh\n"
                        f"echo '{{\"sandbox\":\"{level}\",\"missing\":\"it is too old\"}}'\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def refusal(self, *arguments):
        """What a daemon says that does not start."""
        answer = subprocess.run([BIN / "backpropd", "--listen", "127.0.0.1:0", *arguments],
                                capture_output=True, text=True, timeout=60)
        self.assertNotEqual(answer.returncode, 0)
        return answer.stderr

    def test_every_task_works_in_it(self):
        service = self.service(f"--sandbox={self.strictest()}")
        client = service.client
        self.assertEqual(client.info()["sandbox"], probe()["sandbox"])
        dataset = self.dataset(service)
        body = spec(dataset, "arm", resources={"threads": 2})
        job = client.wait(client.submit(body)["id"], timeout=120)
        self.assertEqual(job["status"], "succeeded", job)
        model = job["model"]
        status, _, answer = service.request(
            "POST", f"/v1/models/{model}/predict", json.dumps({"rows": [{"x": 1, "y": 2}]}),
            {"Content-Type": "application/json"})
        self.assertEqual(status, 200, answer)
        status, _, answer = service.request(
            "POST", f"/v1/models/{model}/evaluate", json.dumps({"dataset": dataset}),
            {"Content-Type": "application/json"})
        self.assertEqual(status, 200, answer)
        status, _, answer = service.request("POST", "/v1/jobs:gradcheck", json.dumps(body),
                                            {"Content-Type": "application/json"})
        self.assertEqual(status, 200, answer)

    def test_products_of_the_blas_library_work_in_it(self):
        """From 512 in each dimension on, matrices are OpenBLAS's, which then takes 128 MiB for
        each thread, and does not end without them."""
        service = self.service(f"--sandbox={self.strictest()}")
        layers = [{"type": "dense", "units": 640, "activation": "relu"},
                  {"type": "dense", "units": 640, "activation": "relu"},
                  {"type": "dense", "units": "auto"}]
        body = spec(self.dataset(service, 6000), "arm", epochs=1, batch_size=3840,
                    model={"layers": layers}, resources={"threads": 6, "memory_mb": 160})
        job = service.client.wait(service.client.submit(body)["id"], timeout=120)
        self.assertEqual(job["status"], "succeeded", job)

    def test_a_worker_has_the_limits_of_its_job(self):
        service = self.service()
        body = spec(self.dataset(service), "arm", epochs=1000000,
                    resources={"memory_mb": 1000, "threads": 2})
        job = service.client.submit(body)["id"]
        deadline = time.monotonic() + 60
        while service.client.job(job)["progress"]["step"] == 0:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        limits = limits_of(workers_of(service.process.pid)[0])
        self.assertEqual(limits["Max core file size"], "0")
        if probe()["sandbox"] == "lax":  # a sanitizer needs more of both
            self.assertEqual(limits["Max data size"], "unlimited")
        else:
            self.assertEqual(int(limits["Max data size"]), (1000 + 250 + 256 + 2 * 160) << 20)
            self.assertEqual(limits["Max open files"], "1")
        service.client.cancel(job)
        self.assertEqual(service.client.wait(job, timeout=60)["status"], "cancelled")

    def test_an_escape_is_ended_and_told(self):
        service = self.service()
        dataset = self.dataset(service)
        service.stop()
        service.arguments += ("--worker", ESCAPING_WORKER)
        service.start()
        body = spec(dataset, "arm", resources={"max_attempts": 1})
        job = service.client.wait(service.client.submit(body)["id"], timeout=60)
        self.assertEqual((job["status"], job["stop_reason"]), ("failed", "worker_crashed"))
        words = "tried a forbidden system call, number "
        self.assertIn(words, job["error"]["message"])
        events = service.client.events(job["id"], limit=100)["data"]
        crashes = [event for event in events if event["type"] == "worker_crashed"]
        self.assertEqual(len(crashes), 1)
        self.assertIn(words, crashes[0]["message"])

    def test_strict_refuses_what_auto_only_tells(self):
        service = self.service("--sandbox=auto")
        for level in ("seccomp", "basic"):
            worker = self.worker_that_says(service.folder, level)
            data = service.folder / f"data-{level}"
            said = self.refusal("--data", data, "--sandbox=strict", "--worker", worker)
            self.assertIn(f'"{level}"', said)
            self.assertIn("it is too old", said)
            degraded = self.service("--sandbox=auto", "--worker", worker)
            self.assertEqual(degraded.client.info()["sandbox"], level)
            self.assertIn("sandbox_degraded", degraded.log_text())
            self.assertIn("it is too old", degraded.log_text())

    def test_strict_needs_a_worker_that_is_full(self):
        level = probe()["sandbox"]
        if level == "full":
            service = self.service("--sandbox=strict")
            self.assertEqual(service.client.info()["sandbox"], "full")
            self.assertNotIn("sandbox_degraded", service.log_text())
        else:
            folder = self.service().folder
            said = self.refusal("--data", folder / "other", "--sandbox=strict")
            self.assertIn(f'"{level}"', said)
            self.assertIsNone(probe("strict"))

    def test_none_is_told_as_such(self):
        service = self.service("--sandbox=none")
        self.assertEqual(service.client.info()["sandbox"], "none")
        self.assertIn("sandbox_off", service.log_text())
        dataset = self.dataset(service)
        job = service.client.wait(service.client.submit(spec(dataset, "arm"))["id"], timeout=60)
        self.assertEqual(job["status"], "succeeded")

    def test_other_words_are_refused(self):
        folder = self.service().folder
        said = self.refusal("--data", folder / "other", "--sandbox=some")
        self.assertIn('expected strict, auto or none, found "some"', said)
        said = self.refusal("--data", folder / "other", "--worker", "/bin/true")
        self.assertIn("does not say how it is confined", said)


if __name__ == "__main__":
    unittest.main()
