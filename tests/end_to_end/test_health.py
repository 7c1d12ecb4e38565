"""/livez, /readyz, and what the service manager is told."""
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from service import BIN, Service, ServiceTest, spirals_csv
from until import until


class Notifications:
    """The end of NOTIFY_SOCKET that a service manager holds."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="backpropd-notify-"))
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.folder / "socket"))
        self.socket.settimeout(0.05)
        self.messages = []

    def find(self, text):
        """True once a message with this line came."""
        try:
            self.messages.append(self.socket.recv(4096).decode())
        except TimeoutError:
            pass
        return any(line.startswith(text) for message in self.messages
                   for line in message.split("\n"))

    def remove(self):
        self.socket.close()
        shutil.rmtree(self.folder)


class Manager(unittest.TestCase):
    def setUp(self):
        self.manager = Notifications()
        self.addCleanup(self.manager.remove)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="backpropd-test-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def start(self, **environment):
        process = subprocess.Popen(
            [BIN / "backpropd", "--data", self.folder / "data", "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "NOTIFY_SOCKET": str(self.manager.folder / "socket"),
                 **environment})
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_a_life(self):
        process = self.start()
        until(lambda: self.manager.find("READY=1"))
        self.assertTrue(process.stdout.readline())
        until(lambda: self.manager.find("STATUS=Ready; 0 of "))
        self.assertFalse(self.manager.find("WATCHDOG=1"), "nobody asked for that")
        self.manager.messages.clear()
        process.send_signal(signal.SIGHUP)
        until(lambda: self.manager.find("RELOADING=1"))
        self.assertRegex(self.manager.messages[0], r"MONOTONIC_USEC=\d+")
        until(lambda: self.manager.find("READY=1"))
        process.terminate()
        until(lambda: self.manager.find("STOPPING=1"))
        self.assertEqual(process.wait(timeout=30), 0)

    def test_the_watchdog_is_fed(self):
        process = self.start(WATCHDOG_USEC="600000")
        for _ in range(5):
            self.manager.messages.clear()
            until(lambda: self.manager.find("WATCHDOG=1"))
        process.send_signal(signal.SIGSTOP)
        while True:  # what was on its way
            try:
                self.manager.socket.recv(4096)
            except TimeoutError:
                break
        self.manager.messages.clear()
        for _ in range(20):
            self.assertFalse(self.manager.find("WATCHDOG=1"), "a stopped process is not alive")
        process.send_signal(signal.SIGCONT)
        until(lambda: self.manager.find("WATCHDOG=1"))

    def test_the_watchdog_of_another_process_is_left_alone(self):
        self.start(WATCHDOG_USEC="200000", WATCHDOG_PID="1")
        until(lambda: self.manager.find("READY=1"))
        for _ in range(20):
            self.assertFalse(self.manager.find("WATCHDOG=1"))


class Readiness(ServiceTest):
    arguments = ("--workers", "1", "--min-free", "0")

    def reasons(self):
        status, headers, body = self.service.request("GET", "/readyz")
        if status == 200:
            self.assertEqual(json.loads(body), {"status": "ready"})
            return set()
        problem = self.assert_problem((status, headers, body), 503, "not_ready")
        for reason in problem["reasons"]:
            self.assertIn(reason["detail"], problem["detail"])
        self.assertTrue(headers["Retry-After"])
        metrics = self.service.request("GET", "/metrics")[2].decode()
        self.assertIn("\nbackpropd_ready 0\n", metrics)
        codes = {reason["code"] for reason in problem["reasons"]}
        for code in codes:
            self.assertIn(f'\nbackpropd_not_ready{{reason="{code}"}} 1\n', metrics)
        return codes

    def test_a_daemon_that_is_well(self):
        self.assertEqual(self.reasons(), set())
        status, _, body = self.service.request("GET", "/livez")
        self.assertEqual((status, json.loads(body)), (200, {"status": "ok"}))
        self.assertIn("\nbackpropd_ready 1\n", self.service.request("GET", "/metrics")[2].decode())

    def test_a_full_disk_is_told_and_got_over(self):
        """A limit on the size of files stands for the full disk."""
        pid = self.service.process.pid
        unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
        try:
            status, _, body = self.service.request("POST", "/v1/datasets", "a,b\n1,2\n" * 10, {
                "Content-Type": "text/csv"})
            self.assertGreaterEqual(status, 500, body)
            self.provoke_a_write()
            self.assertEqual(until(self.reasons), {"no_disk_space"})
            self.assertEqual(self.service.request("GET", "/v1/jobs")[0], 200)
            self.assertEqual(self.service.request("GET", "/livez")[0], 200)
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
        until(lambda: not self.reasons())
        self.assertIn("event=not_ready reasons=no_disk_space", self.service.log_text(None))
        until(lambda: "event=ready_again" in self.service.log_text(None))

    def provoke_a_write(self):
        """A DELETE of what is not there still is a write, as far as the store."""
        spec = {"dataset": self.dataset, "epochs": 1, "features": {"target": "arm"},
                "model": {"layers": [{"type": "dense", "units": "auto"}]}}
        status, _, body = self.service.request("POST", "/v1/jobs", json.dumps(spec))
        self.assertIn(status, (503, 507), body)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.dataset = cls.service.upload_text(spirals_csv(40))[1]["id"]


class DiskFloor(ServiceTest):
    arguments = ("--workers", "1", "--min-free", "1023T")

    def test_less_than_the_floor_is_not_ready(self):
        _, _, body = self.service.request("GET", "/readyz")
        self.assertEqual([r["code"] for r in json.loads(body)["reasons"]], ["no_disk_space"])


class MuteWorkers(unittest.TestCase):
    def test_workers_that_cannot_start_are_told(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="backpropd-mute-"))
        self.addCleanup(shutil.rmtree, folder)
        worker = folder / "worker"
        shutil.copy(BIN / "backprop-worker", worker)
        service = Service("--workers", "1", "--worker", worker)
        self.addCleanup(service.remove)
        codes = lambda: [r["code"] for r in json.loads(
            service.request("GET", "/readyz")[2]).get("reasons", [])]
        self.assertEqual(service.upload_text(spirals_csv(20))[0], 201)
        self.assertEqual(codes(), [])
        worker.rename(folder / "good")
        self.assertEqual(codes(), ["workers_cannot_start"])
        worker.write_text("#!/bin/sh\nexit 127\n")
        worker.chmod(0o755)
        self.assertEqual(codes(), [])
        for i in range(3):
            status, answer = service.upload_text(spirals_csv(21 + i))
            self.assertGreaterEqual(status, 500, answer)
        self.assertEqual(codes(), ["workers_cannot_start"])
        worker.unlink()
        (folder / "good").rename(worker)
        self.assertEqual(service.upload_text(spirals_csv(30))[0], 201)
        self.assertEqual(codes(), [])


if __name__ == "__main__":
    unittest.main()
