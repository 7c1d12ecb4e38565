"""The unit, as it is installed: systemd understands it and finds little to complain about."""
import os
import pathlib
import subprocess
import tempfile
import unittest

MOST_EXPOSURE = 15  # tenths; of 100


class Unit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.prefix = pathlib.Path(cls.folder.name) / "prefix"
        subprocess.run(["cmake", "--install", os.environ["BACKPROPD_BUILD"], "--prefix",
                        cls.prefix], check=True, capture_output=True)
        cls.unit = cls.prefix / "lib/systemd/system/backpropd.service"

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def analyze(self, *words):
        done = subprocess.run([os.environ["SYSTEMD_ANALYZE"], *words, self.unit],
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def test_systemd_understands_it(self):
        status, said = self.analyze("verify", "--man=no")
        about = [line for line in said.splitlines() if "backpropd" in line]
        self.assertEqual((status, about), (0, []))

    def test_it_is_hardened(self):
        status, said = self.analyze("security", "--offline=yes", f"--threshold={MOST_EXPOSURE}")
        self.assertEqual(status, 0, said)


if __name__ == "__main__":
    unittest.main()
