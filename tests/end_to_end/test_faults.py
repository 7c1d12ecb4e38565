"""Disks that are full or fail, end to end: copies of the real programs whose system calls,
and SQLite's, fail one after the other (tests/fault/faulty_calls.h), and a real file system
that is full. The answer is 507 or 503, nothing is left behind, reads go on, and the next
request succeeds without a restart."""
import contextlib
import ctypes
import errno
import json
import mmap
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

import service
from service import Service, spec, spirals_csv
from until import until

FAULTY = service.BIN.parent / "faulty"
OPEN, READ, WRITE, SYNC, RENAME, STORE_WRITE, STORE_SYNC = (1 << i for i in range(7))
UPLOAD_CALLS = {"open": OPEN, "read": READ, "write": WRITE, "fsync": SYNC, "rename": RENAME,
                "store's write": STORE_WRITE, "store's sync": STORE_SYNC}
FAULTS_CLAIMED = 80
FULL_BYTES = "12m"


class Faults:
    """The file that says which call fails."""

    LAYOUT = struct.Struct("<IIQQQII")

    def __init__(self, folder):
        path = folder / "faults"
        path.write_bytes(bytes(self.LAYOUT.size))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), self.LAYOUT.size)

    def begin(self, calls, error, nth, lasts=False, half=False):
        self.map[4:self.LAYOUT.size] = self.LAYOUT.pack(0, error, nth, 0, 0, lasts, half)[4:]
        self.map[:4] = struct.pack("<I", calls)

    def end(self):
        """How many calls failed."""
        self.map[:4] = bytes(4)
        return self.LAYOUT.unpack(self.map[:])[4]


class FaultyTest(unittest.TestCase):
    injected = 0

    @classmethod
    def setUpClass(cls):
        cls.programs = pathlib.Path(tempfile.mkdtemp(prefix="backpropd-faulty-"))
        for program in ("backpropd", "backprop-worker"):
            shutil.copy(FAULTY / program, cls.programs / program)
        cls.faults = Faults(cls.programs)
        original, service.BIN = service.BIN, cls.programs
        try:
            cls.service = Service("--workers", "1", "--min-free", "0")
        finally:
            service.BIN = original
        cls.data = cls.service.folder / "data"
        path = cls.service.folder / "spirals.csv"
        path.write_text(spirals_csv())
        cls.dataset = cls.service.client.upload(path)["id"]

    @classmethod
    def tearDownClass(cls):
        cls.service.remove()
        shutil.rmtree(cls.programs)
        print(f"{cls.injected} faults", flush=True)
        if cls.injected < FAULTS_CLAIMED:
            raise AssertionError(f"{cls.injected} faults, fewer than {FAULTS_CLAIMED}")

    def count(self):
        """What can be seen: datasets, jobs, and files."""
        listed = [len(self.listing(kind)) for kind in ("datasets", "jobs")]
        return (*listed, len(list((self.data / "datasets").iterdir())))

    def listing(self, kind):
        status, _, body = self.service.request("GET", f"/v1/{kind}?limit=1000")
        self.assertEqual(status, 200)
        return json.loads(body)["data"]

    def tried(self, calls, error, nth, request, **more):
        """One request with one fault; False when it makes fewer calls than `nth`."""
        before = self.count()
        self.faults.begin(calls, error, nth, **more)
        status, headers, body = request()
        if not calls & (READ | OPEN):
            self.assertEqual(len(self.listing("jobs")), before[1] + (status == 201
                             and request == self.post))  # of a disk that still fails
        count = self.faults.end()
        type(self).injected += count
        said = (nth, status, body[:300], more)
        if status == 201:
            until(lambda: not list((self.data / "tmp").iterdir()))
            return count > 0
        self.assertEqual(status, 507 if error == errno.ENOSPC else 503, said)
        self.assertEqual(headers["Content-Type"], "application/problem+json")
        if status == 503:
            self.assertTrue(headers["Retry-After"], said)
        until(lambda: not list((self.data / "tmp").iterdir()))
        self.assertEqual(self.count(), before, said)
        self.assertEqual(request()[0], 201)  # without a restart
        return True

    def upload(self):
        """Another dataset each time, so that each has a file of its own."""
        self.number = getattr(self, "number", 0) + 1
        return self.service.request("POST", "/v1/datasets?name=x",
                                    spirals_csv(1500, seed=self.number),
                                    {"Content-Type": "text/csv"})

    def post(self):
        body = json.dumps(spec(self.dataset, "arm", epochs=1, priority=-5))
        return self.service.request("POST", "/v1/jobs", body,
                                    {"Content-Type": "application/json"})

    def sweep(self, calls, error, request, **more):
        nth = 1
        while self.tried(calls, error, nth, request, **more):
            nth += 1
        return nth - 1

    def test_every_call_of_an_upload_that_fails(self):
        for name, calls in UPLOAD_CALLS.items():
            with self.subTest(call=name):
                self.assertGreater(self.sweep(calls, errno.EIO, self.upload), 0)

    def test_every_write_of_an_upload_that_finds_the_disk_full(self):
        for calls in (OPEN, WRITE, SYNC, RENAME, STORE_WRITE, STORE_SYNC):
            with self.subTest(calls=calls):
                self.assertGreater(self.sweep(calls, errno.ENOSPC, self.upload), 0)
        self.assertGreater(self.sweep(WRITE, errno.ENOSPC, self.upload, lasts=True), 0)

    def test_every_write_of_an_upload_cut_short(self):
        self.assertGreater(self.sweep(WRITE, errno.ENOSPC, self.upload, half=True), 0)
        self.assertGreater(self.sweep(WRITE, errno.ENOSPC, self.upload, half=True, lasts=True),
                           0)

    def test_a_job_posted_on_a_failing_disk(self):
        self.service.client.submit(spec(self.dataset, "arm", units=256, epochs=1000000))
        for calls in (STORE_WRITE, STORE_SYNC):
            for error in (errno.EIO, errno.ENOSPC):
                for nth in range(1, 9):
                    self.tried(calls, error, nth, self.post, lasts=True)


class FullDiskTest(unittest.TestCase):
    """A file system of a few megabytes, really full. Where none may be mounted (this takes
    root), a limit on the size of files stands in for it."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="backpropd-full-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.is_mounted = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={FULL_BYTES}", "tmpfs", self.folder],
            capture_output=True, check=False).returncode == 0
        if self.is_mounted:
            self.addCleanup(subprocess.run, ["umount", "-l", self.folder], check=True)
        self.service = Service("--workers", "1", "--min-free", "0", data=self.folder)
        self.addCleanup(self.service.remove)
        if not self.is_mounted:
            self.limit_files(6 << 20)

    def limit_files(self, size):
        """prlimit(2) of the daemon, which its workers inherit."""
        RLIMIT_FSIZE = 1
        libc = ctypes.CDLL(None, use_errno=True)
        limit = (ctypes.c_uint64 * 2)(size, 2 ** 64 - 1)
        if libc.prlimit(self.service.process.pid, RLIMIT_FSIZE, limit, None) != 0:
            raise OSError(ctypes.get_errno(), "prlimit")

    def fill(self):
        """Leaves next to nothing free."""
        if not self.is_mounted:
            self.limit_files(4096)
            return
        with open(self.folder / "ballast", "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(65536))
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(512))

    def make_room(self):
        if self.is_mounted:
            os.truncate(self.folder / "ballast", 0)
        else:
            self.limit_files(64 << 20)

    def test_a_full_disk_is_said_and_survived(self):
        path = self.folder / "spirals.csv"
        path.write_text(spirals_csv())
        client, request = self.service.client, self.service.request
        dataset = client.upload(path)["id"]
        trained = client.wait(client.submit(spec(dataset, "arm", epochs=2))["id"], timeout=60)
        body = json.dumps(spec(dataset, "arm", epochs=1))
        headers = {"Content-Type": "application/json"}
        refused, accepted = 0, []
        for _ in range(3):
            self.fill()
            until(lambda: self.service.upload_text(spirals_csv(20000))[0] == 507)
            for _ in range(200):  # what the log of the store still holds may be reused
                status, _, answer = request("POST", "/v1/jobs", body, headers)
                self.assertIn(status, (201, 507), answer[:300])
                refused += status == 507
                if status == 201:
                    accepted.append(json.loads(answer)["id"])
                elif refused % 10 == 9:
                    break
            self.assertEqual(request("GET", f"/v1/models/{trained['model']}/weights")[0], 200)
            self.assertEqual(client.job(trained["id"])["status"], "succeeded")
            self.assertEqual(list((self.folder / "data" / "tmp").iterdir()), [])
            self.make_room()
            ended = client.wait(client.submit(json.loads(body))["id"], timeout=60)
            self.assertEqual(ended["status"], "succeeded")
        self.assertGreater(refused, 0)
        for job in accepted:
            self.assertEqual(client.wait(job, timeout=60)["id"], job)
        self.assertEqual(self.service.stop(), 0)
        self.service.start()
        for job in accepted:
            self.assertIn(self.service.client.job(job)["status"], ("succeeded", "failed"))


if __name__ == "__main__":
    unittest.main()
