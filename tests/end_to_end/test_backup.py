"""`backpropd check`, `backup` and `restore`: beside a daemon at work, and alone."""
import pathlib
import subprocess
import threading
import unittest

from service import BIN, Service, ServiceTest, spec, spirals_csv

BACKUPS = 6


def run(*arguments):
    return subprocess.run([BIN / "backpropd", *arguments], capture_output=True, text=True,
                          timeout=120, check=False)


class BackupTest(ServiceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        path = cls.scratch / "spirals.csv"
        path.write_text(spirals_csv())
        cls.data = cls.service.folder / "data"
        cls.dataset = cls.client.upload(path)["id"]
        job = cls.client.submit(spec(cls.dataset, "arm", epochs=3))["id"]
        cls.job = cls.client.wait(job, timeout=60)

    def weights(self, service):
        status, _, body = service.request("GET", f"/v1/models/{self.job['model']}/weights")
        self.assertEqual(status, 200, body[:300])
        return body

    def load(self, stop, acknowledged):
        """Posts jobs, and uploads and deletes datasets, until told to stop."""
        number = 0
        while not stop.is_set():
            number += 1
            job = self.client.submit(spec(self.dataset, "arm", epochs=1))["id"]
            acknowledged.append(job)
            status, dataset = self.service.upload_text(spirals_csv(50, seed=number))
            self.assertEqual(status, 201)
            if number % 2:
                status, _, _ = self.service.request("DELETE", f"/v1/datasets/{dataset['id']}")
                self.assertEqual(status, 204)

    def check_restored(self, folder, known):
        restored = Service(data=folder)
        try:
            self.assertEqual(self.weights(restored), self.weights(self.service))
            for job in known:
                self.assertEqual(restored.client.job(job)["id"], job)
            job = restored.client.submit(spec(self.dataset, "arm", epochs=1))["id"]
            self.assertEqual(restored.client.wait(job, timeout=60)["status"], "succeeded")
        finally:
            restored.remove()

    def test_backups_beside_a_daemon_at_work_hold_all_that_was_acknowledged(self):
        stop, acknowledged, known = threading.Event(), [], []
        worker = threading.Thread(target=self.load, args=(stop, acknowledged))
        worker.start()
        try:
            for i in range(BACKUPS):
                known.append(list(acknowledged))
                done = run("backup", "--data", self.data, "--to", self.scratch / f"backup{i}")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("nothing is damaged", done.stdout)
        finally:
            stop.set()
            worker.join()
        self.assertGreater(len(known[-1]), 0)
        for i in (0, BACKUPS - 1):
            folder = self.scratch / f"restored{i}"
            folder.mkdir()
            done = run("restore", "--from", self.scratch / f"backup{i}", "--data",
                       folder / "data")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.check_restored(folder, known[i])

    def test_nothing_is_overwritten(self):
        target = self.scratch / "kept"
        target.mkdir()
        (target / "mine").write_text("mine")
        done = run("backup", "--data", self.data, "--to", target)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is not empty", done.stderr)
        self.assertEqual([path.name for path in target.iterdir()], ["mine"])
        self.assertFalse(pathlib.Path(f"{target}.partial").exists())
        backup = self.scratch / "for-restore"
        self.assertEqual(run("backup", "--data", self.data, "--to", backup).returncode, 0)
        done = run("restore", "--from", backup, "--data", self.data)
        self.assertEqual(done.returncode, 1)  # a daemon runs on it
        self.assertIn("another backpropd uses this data folder", done.stderr)
        fresh = self.scratch / "fresh"
        self.assertEqual(run("restore", "--from", backup, "--data", fresh).returncode, 0)
        done = run("restore", "--from", backup, "--data", fresh)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing is overwritten", done.stderr)

    def test_what_an_interrupted_backup_left_is_no_hindrance(self):
        target = self.scratch / "again"
        partial = pathlib.Path(f"{target}.partial")
        (partial / "datasets").mkdir(parents=True)
        (partial / "datasets" / "half").write_text("half")
        (partial / "backpropd.db.partial").write_text("half")
        done = run("backup", "--data", self.data, "--to", target)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse(partial.exists())
        self.assertFalse((target / "datasets" / "half").exists())

    def test_damage_is_neither_backed_up_nor_restored(self):
        backup = self.scratch / "to-be-damaged"
        self.assertEqual(run("backup", "--data", self.data, "--to", backup).returncode, 0)
        self.assertEqual(run("check", "--data", backup).returncode, 0)
        file = max((backup / "datasets").iterdir(), key=lambda path: path.stat().st_size)
        content = bytearray(file.read_bytes())
        file.unlink()  # the backup's own name for the shared file
        content[-1] ^= 1
        file.write_bytes(content)
        checked = run("check", "--data", backup)
        self.assertEqual(checked.returncode, 1)
        self.assertIn(f"the file of dataset {self.dataset} is damaged", checked.stdout)
        self.assertIn("backpropd restore", checked.stderr)
        for command in (("restore", "--from", backup, "--data", self.scratch / "from-damaged"),
                        ("backup", "--data", backup, "--to", self.scratch / "of-damaged")):
            done = run(*command)
            self.assertEqual(done.returncode, 1)
            self.assertIn("damaged", done.stderr)
        self.assertFalse((self.scratch / "from-damaged" / "backpropd.db").exists())
        self.assertFalse((self.scratch / "of-damaged").exists())
        self.assertFalse((self.scratch / "of-damaged.partial").exists())

    def test_a_folder_without_a_store_is_named(self):
        for command in (("check", "--data", self.scratch),
                        ("backup", "--data", self.scratch, "--to", self.scratch / "none"),
                        ("restore", "--from", self.scratch, "--data", self.scratch / "none")):
            done = run(*command)
            self.assertEqual(done.returncode, 1)
            self.assertIn("there is no backpropd.db in the folder", done.stderr)
        self.assertEqual(run("backup").returncode, 2)
        self.assertEqual(run("restore").returncode, 2)


if __name__ == "__main__":
    unittest.main()
