"""What the programs of worker faults share: a daemon whose workers can be found and hurt, a
count of what was done to them, and small tasks that take long enough to be hit.

BACKPROP_LONG_FAULTS=1 makes ten times as many; BACKPROPD_SEED repeats a run's moments.
"""
import json
import os
import pathlib
import random
import resource
import signal
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "end_to_end"))

from service import BIN, Service, spec, spirals_csv  # noqa: E402

SCALE = 10 if os.environ.get("BACKPROP_LONG_FAULTS") == "1" else 1
ROWS = 400
WAIT_SECONDS = 300
SILENCE_SECONDS = 2


def state_of(pid):
    """One letter, as in ps; None when the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def children_of(pid):
    children = []
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += [int(word) for word in path.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return children


def is_sanitized():
    """A sanitizer's build: slow, and with a shadow that no limit of memory can hold."""
    worker = (BIN / "backprop-worker").read_bytes()
    return any(name in worker for name in (b"__asan_", b"__tsan_"))


def take_memory_away(pid):
    """From now on every page that the process asks for is refused."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_DATA)
    resource.prlimit(pid, resource.RLIMIT_DATA, (4096, hard))  # Linux takes 0 for no limit


class MemoryGroup:
    """A control group with next to no memory: what is put in is killed by the kernel as soon
    as it needs a page. `None` from make() where this user may not have one."""

    @classmethod
    def make(cls):
        for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                            ("/sys/fs/cgroup", "memory.max")):
            group = cls(pathlib.Path(root) / f"backpropd-test-{os.getpid()}", limit)
            if group._create():
                return group
        return None

    def __init__(self, path, limit):
        self.path, self.limit = path, path / limit

    def _create(self):
        try:
            self.path.mkdir()
        except OSError:
            return False
        try:
            self.limit.write_text("65536")
            return True
        except OSError:
            self.remove()
            return False

    def take(self, pid):
        (self.path / "cgroup.procs").write_text(str(pid))

    def remove(self):
        for _ in range(100):
            try:
                self.path.rmdir()
                return
            except OSError:
                time.sleep(0.05)


class FaultTest(unittest.TestCase):
    """One daemon for all tests of a class, and a count of faults for each test."""

    arguments = ("--workers", "1", "--worker-silence", str(SILENCE_SECONDS))

    @classmethod
    def setUpClass(cls):
        cls.service = Service(*cls.arguments)
        cls.client = cls.service.client
        path = cls.service.folder / "spirals.csv"
        path.write_text(spirals_csv(ROWS))
        cls.dataset = cls.client.upload(path)["id"]
        cls.seed = int(os.environ.get("BACKPROPD_SEED", random.randrange(1 << 30)))
        cls.random = random.Random(cls.seed)

    @classmethod
    def tearDownClass(cls):
        alive = cls.service.process.poll() is None
        log = cls.service.log_text()
        cls.service.remove()
        if not alive:
            raise AssertionError(f"the daemon died: {log}")

    def setUp(self):
        self.faults = 0
        self.begin = time.monotonic()

    def expect_faults(self, kind, claimed):
        """The last line of a test: as many faults as it claims to have injected."""
        seconds = time.monotonic() - self.begin
        print(f"{kind}: {self.faults} faults in {seconds:.1f} s (seed {self.seed})", flush=True)
        self.assertGreaterEqual(self.faults, claimed)

    def worker(self, seconds=30):
        """The process ID of the one worker there is, as soon as there is one."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for pid in children_of(self.service.process.pid):
                if state_of(pid) not in (None, "Z"):
                    return pid
            time.sleep(0.002)
        raise AssertionError("no worker starts")

    def no_worker(self, seconds=30):
        """Waits until the last one is gone."""
        deadline = time.monotonic() + seconds
        while any(state_of(pid) is not None for pid in children_of(self.service.process.pid)):
            self.assertLess(time.monotonic(), deadline, "a worker does not end")
            time.sleep(0.005)

    def hurt(self, pid, fault):
        """Injects and counts a fault; False when the worker was gone before that."""
        try:
            if state_of(pid) in (None, "Z"):
                return False
            fault(pid)
        except ProcessLookupError:
            return False
        self.faults += 1
        return True

    def gone(self, pid, orphan=False, seconds=60):
        """Waits until the daemon has seen the end of a worker. Nobody may wait for an orphan."""
        deadline = time.monotonic() + seconds
        while state_of(pid) not in ((None, "Z") if orphan else (None,)):
            self.assertLess(time.monotonic(), deadline, "a worker lives on")
            time.sleep(0.002)

    def soon(self, most):
        """A random moment."""
        time.sleep(self.random.uniform(0, most))

    def in_background(self, function, *arguments):
        """A call on a thread of its own; a function that waits for its result."""
        results = []
        thread = threading.Thread(target=lambda: results.append(function(*arguments)))
        thread.start()

        def result():
            thread.join(WAIT_SECONDS)
            self.assertTrue(results, "no answer came")
            return results[0]
        return result

    # ---- jobs ----

    def calibrated(self, seconds, **more):
        """A spec that trains for about so long here."""
        body = spec(self.dataset, "arm", units=128, **more)
        epochs, calm = 60, 0
        while calm < 3:  # the machine may have been busy with something else
            begin = time.monotonic()
            job = self.client.submit({**body, "epochs": epochs})
            self.client.wait(job["id"], timeout=WAIT_SECONDS, interval=0.01)
            took = time.monotonic() - begin
            calm = calm + 1 if took > 0.7 * seconds else 0
            if took < 0.7 * seconds:
                epochs = int(epochs * min(2, seconds / took)) + 1
        return {**body, "epochs": epochs}

    def finished(self, job):
        return self.client.wait(job, timeout=WAIT_SECONDS, interval=0.02)

    def crashes(self, job):
        """The events worker_crashed of a job."""
        events = self.client.events(job, limit=1000)["data"]
        return [event for event in events if event["type"] == "worker_crashed"]

    def undisturbed(self, body):
        job = self.finished(self.client.submit(body)["id"])
        self.assertEqual((job["status"], job["attempt"]), ("succeeded", 1), job)
        return job

    def post(self, path, body):
        """(status, body) of a request that may be refused."""
        status, _, text = self.service.request("POST", path, json.dumps(body),
                                               {"Content-Type": "application/json"})
        return status, json.loads(text)


def by_signal(number):
    return lambda pid: os.kill(pid, number)


KILL, SEGV, STOP = (by_signal(number) for number in
                    (signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP))
