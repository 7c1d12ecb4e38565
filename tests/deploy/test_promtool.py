"""Prometheus' own tool reads the daemon's metrics, the configuration and the alerts."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from service import Service

FOLDER = pathlib.Path(__file__).parents[2] / "deploy" / "prometheus"


def promtool(*words, given=None):
    done = subprocess.run([os.environ["PROMTOOL"], *map(str, words)], input=given,
                          capture_output=True, timeout=120)
    return done.returncode, (done.stdout + done.stderr).decode()


class Promtool(unittest.TestCase):
    def test_it_has_nothing_to_say_about_the_metrics(self):
        service = Service("--workers", "1")
        try:
            service.request("GET", "/v1/jobs/none")
            service.request("GET", "/metrics")
            page = service.request("GET", "/metrics")[2]
        finally:
            service.remove()
        self.assertEqual(promtool("check", "metrics", given=page), (0, ""))

    def test_configuration_and_rules_are_valid(self):
        with tempfile.TemporaryDirectory() as folder:
            for file in FOLDER.iterdir():
                shutil.copy(file, folder)
            (pathlib.Path(folder) / "token").touch()
            status, said = promtool("check", "config", pathlib.Path(folder) / "prometheus.yml")
            self.assertEqual(status, 0, said)

    def test_alerts_fire_for_what_they_are_meant_for(self):
        status, said = promtool("test", "rules", FOLDER / "alerts_test.yml")
        self.assertEqual(status, 0, said)


if __name__ == "__main__":
    unittest.main()
