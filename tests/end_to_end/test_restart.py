"""What survives: a drain, a kill of the daemon, a kill of a worker."""
import os
import pathlib
import signal
import time
import unittest

from service import Service, spec, spirals_csv

ROWS = 400
LONG_SECONDS = 4  # a job that can be interrupted in the middle


def workers_of(pid):
    """Process IDs of the daemon's children."""
    children = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for path in children for word in path.read_text().split()]


class RestartTest(unittest.TestCase):
    def setUp(self):
        self.service = Service("--workers", "1")
        self.addCleanup(self.service.remove)
        path = self.service.folder / "spirals.csv"
        path.write_text(spirals_csv(ROWS))
        self.dataset = self.service.client.upload(path)["id"]
        self.body = spec(self.dataset, "arm", units=128, epochs=self.epochs_of(LONG_SECONDS))

    def epochs_of(self, seconds):
        """So many epochs take about so long here, be it a sanitizer's build or a busy machine."""
        job = self.service.client.submit(spec(self.dataset, "arm", units=128, epochs=100))
        latest = self.service.client.wait(job["id"], timeout=120)["metrics"]["latest"]
        return max(100, int(seconds * latest["samples_per_second"] / ROWS))

    def running(self, job, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = self.service.client.job(job)
            if answer["status"] == "running" and answer["progress"]["step"] > 0:
                return
            time.sleep(0.02)
        self.fail(f"{job} does not run: {answer}")

    def undisturbed(self):
        job = self.service.client.submit(self.body)["id"]
        return self.service.client.wait(job, timeout=120)["weights_sha256"]

    def test_a_drained_job_goes_on_and_gives_the_same_weights(self):
        expected = self.undisturbed()
        job = self.service.client.submit(self.body)["id"]
        queued = self.service.client.submit(spec(self.dataset, "arm"))["id"]
        self.running(job)
        begin = time.monotonic()
        self.assertEqual(self.service.stop(), 0)
        self.assertLess(time.monotonic() - begin, 8)
        self.service.start()
        ended = self.service.client.wait(job, timeout=120)
        self.assertEqual((ended["status"], ended["weights_sha256"]), ("succeeded", expected))
        self.assertEqual(self.service.client.wait(queued, timeout=60)["status"], "succeeded")

    def test_many_jobs_and_large_checkpoints_drain_in_time(self):
        """Four of 8 MB, and two of 60 that have had no time for a checkpoint yet."""
        self.service.stop()
        self.service.arguments = ("--workers", "6")
        self.service.start()
        jobs = []
        for units in [512] * 4 + [1536] * 2:
            layers = [{"type": "dense", "units": units, "activation": "relu"}] * 3
            jobs.append(self.service.client.submit(dict(
                self.body, epochs=1000000, resources={"memory_mb": 4096},
                model={"layers": layers + [{"type": "dense", "units": "auto"}]}))["id"])
        for job in jobs:
            self.running(job, seconds=120)
        begin = time.monotonic()
        self.assertEqual(self.service.stop(), 0)
        self.assertLess(time.monotonic() - begin, 12)  # 8, and a busy machine
        self.service.start()
        for job in jobs:
            answer = self.service.client.job(job)
            self.assertIn(answer["status"], ("queued", "running"))
            self.assertLessEqual(answer["attempt"], 1)
            types = [event["type"] for event in self.service.client.events(job)["data"]]
            self.assertNotIn("worker_crashed", types)
            self.service.client.cancel(job)

    def test_a_killed_daemon_loses_no_job(self):
        expected = self.undisturbed()
        job = self.service.client.submit(self.body)["id"]
        self.running(job)
        workers = workers_of(self.service.process.pid)
        self.assertEqual(len(workers), 1)
        self.service.kill()
        deadline = time.monotonic() + 5
        while pathlib.Path(f"/proc/{workers[0]}").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertFalse(pathlib.Path(f"/proc/{workers[0]}").exists(), "the worker lives on")
        self.service.start()
        ended = self.service.client.wait(job, timeout=120)
        self.assertEqual((ended["status"], ended["weights_sha256"]), ("succeeded", expected))

    def test_a_killed_worker_is_started_again(self):
        expected = self.undisturbed()
        job = self.service.client.submit(self.body)["id"]
        self.running(job)
        os.kill(workers_of(self.service.process.pid)[0], signal.SIGKILL)
        ended = self.service.client.wait(job, timeout=120)
        self.assertEqual((ended["status"], ended["weights_sha256"]), ("succeeded", expected))
        self.assertGreaterEqual(ended["attempt"], 2)
        types = [event["type"] for event in self.service.client.events(job, limit=1000)["data"]]
        self.assertIn("worker_crashed", types)

    def test_every_kind_of_optimizer_survives_a_kill_of_worker_and_daemon(self):
        """With all that has a state of its own: shuffling, dropout, batch norm, averaged
        weights, accumulated gradients, clipping, early stopping."""
        everything = {
            "model": {"layers": [
                {"type": "dense", "units": 96, "activation": "relu"}, {"type": "batch_norm"},
                {"type": "dropout", "rate": 0.2}, {"type": "dense", "units": "auto"}]},
            "batch_size": 20, "gradient_accumulation": 2, "gradient_clip": {"norm": 1},
            "weight_averaging": {"decay": 0.9}, "checkpoint": {"every_seconds": 1},
            "early_stopping": {"patience": 100000}, "on_divergence": {"retries": 1},
            "learning_rate_schedule": "cosine", "epochs": self.body["epochs"] * 3 // 4}
        optimizers = ({"type": "sgd", "momentum": 0.9, "nesterov": True}, "adamw",
                      {"type": "rmsprop", "centered": True, "momentum": 0.5}, "lion")
        for optimizer in optimizers:
            with self.subTest(optimizer=optimizer):
                self.body = spec(self.dataset, "arm", **everything, optimizer=optimizer)
                expected = self.undisturbed()
                job = self.service.client.submit(self.body)["id"]
                self.running(job)
                time.sleep(1.2)  # past the first checkpoint
                os.kill(workers_of(self.service.process.pid)[0], signal.SIGKILL)
                time.sleep(0.5)
                self.running(job)
                self.service.kill()
                self.service.start()
                ended = self.service.client.wait(job, timeout=120)
                self.assertEqual((ended["status"], ended["weights_sha256"]),
                                 ("succeeded", expected))

    def test_a_stop_holds_when_the_daemon_is_killed(self):
        endless = dict(self.body, epochs=1000000)
        job = self.service.client.submit(endless)["id"]
        self.running(job)
        for worker in workers_of(self.service.process.pid):
            os.kill(worker, signal.SIGSTOP)  # it will not hear of the stop
        self.assertEqual(self.service.client.stop(job)["status"], "stopping")
        self.service.kill()
        self.service.start()
        ended = self.service.client.wait(job, timeout=60)
        self.assertEqual((ended["status"], ended["stop_reason"]), ("succeeded", "user_stopped"))

    def test_a_paused_job_is_stopped_with_what_it_has(self):
        job = self.service.client.submit(dict(self.body, epochs=1000000))["id"]
        self.running(job)
        self.service.client.pause(job)
        deadline = time.monotonic() + 20
        while self.service.client.job(job)["status"] != "paused":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        step = self.service.client.job(job)["progress"]["step"]
        self.assertTrue(self.service.client.stop(job)["stop_requested"])
        ended = self.service.client.wait(job, timeout=60)
        self.assertEqual((ended["status"], ended["stop_reason"]), ("succeeded", "user_stopped"))
        self.assertGreaterEqual(ended["progress"]["step"], step)

    def crash_daemon(self, job, number):
        self.running(job)
        self.service.process.send_signal(number)
        self.assertEqual(self.service.process.wait(timeout=60), -number)
        self.service.process.stdout.close()
        self.service.log.close()
        self.service.start()

    def test_a_job_that_takes_the_daemon_down_is_set_aside(self):
        slow = {"checkpoint": {"every_seconds": 3600, "keep_best": 0}, "epochs": 1000000}
        body = dict(self.body, **slow, resources={"max_attempts": 2},
                    split={"fractions": {"train": 1, "validation": 0, "test": 0}})
        job = self.service.client.submit(body)["id"]
        for _ in range(2):  # a kill from outside is not the job's fault, nor anybody's
            self.crash_daemon(job, signal.SIGKILL)
        self.assertEqual(self.service.client.job(job)["attempt"], 1)
        self.crash_daemon(job, signal.SIGSEGV)
        waiting = self.service.client.job(job)
        if waiting["status"] == "queued":  # and not started already, on a slow machine
            self.assertIsNotNone(waiting["next_attempt_at"])
        self.crash_daemon(job, signal.SIGABRT)
        ended = self.service.client.wait(job, timeout=60)
        self.assertEqual((ended["status"], ended["stop_reason"]), ("failed", "internal_error"))
        self.assertIn("signal 6 (SIGABRT)", ended["error"]["message"])

    def test_a_second_daemon_on_the_same_data_is_refused(self):
        with self.assertRaises(AssertionError):
            Service(data=self.service.folder)
        self.assertEqual(self.service.client.info()["object"], "info")


if __name__ == "__main__":
    unittest.main()
