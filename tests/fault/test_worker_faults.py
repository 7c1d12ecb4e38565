"""Faults of workers through the real daemon: killed, crashed, stopped, without memory, at
random moments of trainings, ingests and predictions. Jobs end with the weights of an
undisturbed run, or fail with the right reason; the daemon and everybody else go on."""
import calendar
import os
import signal
import time
import unittest

from worker_faults import (KILL, SCALE, SEGV, SILENCE_SECONDS, STOP, FaultTest, MemoryGroup,
                           is_sanitized, state_of, take_memory_away)
from service import passengers_csv, spec


def seconds_of(stamp):
    """RFC 3339 with microseconds, as time.time()."""
    whole, fraction = stamp.rstrip("Z").split(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + fraction)


class TrainingFaults(FaultTest):
    """Each job is hit once or twice; then it has to end as if nothing had happened."""

    JOB_SECONDS = 0.5

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.body = cls.calibrated(cls, cls.JOB_SECONDS, checkpoint={"every_seconds": 1},
                                  resources={"max_attempts": 100})
        cls.expected = cls.client.wait(cls.client.submit(cls.body)["id"], timeout=300)
        assert cls.expected["status"] == "succeeded", cls.expected
        # One that takes memory for its checkpoints and its model, too.
        layers = [{"type": "dense", "units": 700, "activation": "relu"},
                  {"type": "dense", "units": 700, "activation": "relu"},
                  {"type": "dense", "units": "auto"}]
        cls.large = {**cls.body, "model": {"layers": layers}, "epochs": 12}

    def same_as_undisturbed(self, job):
        done = self.finished(job)
        self.assertEqual((done["status"], done["stop_reason"], done["weights_sha256"]),
                         ("succeeded", "completed", self.expected["weights_sha256"]), done)
        return done

    def hit_jobs(self, fault, claimed, words, most_seconds, afterwards=lambda pid: None):
        """Hits jobs at random moments until so many had to be tried again; those that were hit
        on their way out, when all was said, do not count. How long each was not noticed."""
        noticed = []
        while len(noticed) < claimed:
            self.no_worker()
            job = self.client.submit(self.body)["id"]
            pid = self.worker()
            self.soon(self.JOB_SECONDS / 2)
            before = time.time()
            hit = self.hurt(pid, fault)
            if hit:
                afterwards(pid)
            done = self.same_as_undisturbed(job)
            crashes = self.crashes(job)
            self.assertEqual(len(crashes), done["attempt"] - 1)
            if crashes:
                self.assertTrue(hit)
                self.assertIn(words, crashes[0]["message"])
                noticed.append(seconds_of(crashes[0]["created_at"]) - before)
        self.assertLess(max(noticed), most_seconds)
        return noticed

    def test_killed_workers_are_replaced(self):
        noticed = self.hit_jobs(KILL, 10 * SCALE, "signal 9 (SIGKILL, Killed)", 10)
        print(f"kills were noticed within {max(noticed) * 1000:.1f} ms")
        self.expect_faults("kill -9 of a training", 10 * SCALE)

    def test_crashed_workers_are_replaced(self):
        self.hit_jobs(SEGV, 5 * SCALE, "signal 11 (SIGSEGV, Segmentation fault)"
                      if not is_sanitized() else "The worker ended", 10)
        self.expect_faults("SIGSEGV of a training", 5 * SCALE)

    def test_stopped_workers_are_replaced_and_say_nothing_more(self):
        """A stopped worker is given up after the silence, and is nobody who could go on."""
        def wake_up(pid):
            deadline = time.monotonic() + 60
            while state_of(pid) == "T":
                self.assertLess(time.monotonic(), deadline, "nobody missed it")
                time.sleep(0.05)
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass

        self.hit_jobs(STOP, 3 * SCALE, f"silent for {SILENCE_SECONDS} s", 60, wake_up)
        self.expect_faults("SIGSTOP of a training for good", 3 * SCALE)

    def test_workers_that_pause_for_a_moment_go_on(self):
        claimed = 3 * SCALE
        while self.faults < claimed:
            self.no_worker()
            job = self.client.submit(self.body)["id"]
            pid = self.worker()
            self.soon(self.JOB_SECONDS / 2)
            if not self.hurt(pid, STOP):
                continue
            time.sleep(SILENCE_SECONDS / 8)
            os.kill(pid, signal.SIGCONT)
            self.assertEqual(self.same_as_undisturbed(job)["attempt"], 1)
        self.expect_faults("SIGSTOP of a training for a moment", claimed)

    def test_a_job_without_attempts_left_says_what_killed_it(self):
        """Two hits for two attempts: failed, worker_crashed, in plain words."""
        claimed = 4 * SCALE
        body = {**self.body, "epochs": self.body["epochs"] * 20,
                "resources": {"max_attempts": 2}}
        while self.faults < claimed:
            self.no_worker()
            job = self.client.submit(body)["id"]
            for _ in range(2):
                pid = self.worker()
                self.soon(0.3)
                self.assertTrue(self.hurt(pid, KILL))
                self.gone(pid)
            done = self.finished(job)
            self.assertEqual((done["status"], done["stop_reason"], done["attempt"]),
                             ("failed", "worker_crashed", 2), done)
            self.assertEqual(done["error"]["code"], "worker_crashed")
            self.assertIn("The worker was ended by signal 9", done["error"]["message"])
            self.assertIn("Attempt 2 of 2.", done["error"]["detail"])
            self.assertEqual(len(self.crashes(job)), 2)
        self.expect_faults("kill -9 of a last attempt", claimed)

    def test_workers_without_memory_say_so(self):
        """Every allocation after a random moment fails: the job ends with out_of_memory, or
        needed none any more. A program that is still being loaded crashes, and is replaced."""
        if is_sanitized():
            print("memory cannot be limited under a sanitizer: not tested here")
            return
        body = self.large
        expected = self.undisturbed(body)["weights_sha256"]
        claimed = 10 * SCALE
        refused = 0
        while self.faults < claimed:
            self.no_worker()
            job = self.client.submit(body)["id"]
            pid = self.worker()
            self.soon(self.JOB_SECONDS if self.faults % 2 else 0.03)
            if not self.hurt(pid, take_memory_away):
                continue
            done = self.finished(job)
            if done["status"] == "succeeded":
                self.assertEqual(done["weights_sha256"], expected)
                self.assertEqual(len(self.crashes(job)), done["attempt"] - 1)
                continue
            refused += 1
            self.assertEqual((done["status"], done["stop_reason"]), ("failed", "out_of_memory"),
                             done)
            self.assertIn("memory", done["error"]["message"])
        print(f"{refused} of {self.faults} jobs missed the memory")
        self.assertGreater(refused, 0)
        self.expect_faults("no memory for a training", claimed)

    def test_workers_that_the_kernel_kills_for_memory_are_replaced(self):
        group = MemoryGroup.make()
        if not group:
            print("no control group of memory may be made here: not tested")
            return
        self.addCleanup(group.remove)
        claimed = 3 * SCALE
        words = "The kernel killed the worker because the machine was out of memory."
        expected = self.undisturbed(self.large)["weights_sha256"]
        kills = 0
        while kills <= claimed:
            last = kills == claimed
            self.no_worker()
            body = {**self.large, "resources": {"max_attempts": 1 if last else 100}}
            job = self.client.submit(body)["id"]
            pid = self.worker()
            self.soon(0.02)
            if not self.hurt(pid, group.take):
                continue
            done = self.finished(job)
            if not self.crashes(job):  # it needed no page any more
                self.assertEqual(done["weights_sha256"], expected)
                continue
            kills += 1
            self.assertEqual([event["message"] for event in self.crashes(job)], [words])
            if last:
                self.assertEqual((done["status"], done["stop_reason"]),
                                 ("failed", "out_of_memory"), done)
                self.assertEqual(done["error"]["message"], words)
            else:
                self.assertEqual(done["weights_sha256"], expected)
        self.expect_faults("out-of-memory kills of a training", claimed + 1)

    def test_a_stopped_worker_does_not_outlive_its_daemon(self):
        """Nobody can come back from an earlier life and write into a job's new one."""
        claimed = 2 * SCALE
        while self.faults < claimed:
            self.no_worker()
            job = self.client.submit(self.body)["id"]
            pid = self.worker()
            self.soon(self.JOB_SECONDS / 2)
            if not self.hurt(pid, STOP):
                continue
            self.service.kill()
            try:  # one that was stopped before it could bind itself to its daemon
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
            self.gone(pid, orphan=True)
            self.restart()
            self.same_as_undisturbed(job)
        self.expect_faults("SIGSTOP of a worker, kill -9 of its daemon", claimed)

    def restart(self):
        self.service.start()
        type(self).client = self.service.client


class IngestFaults(FaultTest):
    """An upload whose worker dies is refused in plain words and leaves nothing."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.table = passengers_csv(4000 if is_sanitized() else 40000)
        begin = time.monotonic()
        status, cls.expected = cls.service.upload_text(cls.table)
        cls.seconds = time.monotonic() - begin
        assert status == 201, cls.expected

    def uploads(self):
        return [dataset["id"] for dataset in self.client.datasets()]

    def nothing_is_left(self):
        """The answer may come a moment before the file is removed."""
        deadline = time.monotonic() + 10
        while left := list((self.service.folder / "data" / "tmp").iterdir()):
            self.assertLess(time.monotonic(), deadline, left)
            time.sleep(0.01)

    def hit_uploads(self, fault, claimed, words, most_seconds=None):
        """Hits uploads at random moments of their ingest; `words` by the codes they bring."""
        refused = 0
        while refused < claimed:
            self.no_worker()
            before = self.uploads()
            answer = self.in_background(self.service.upload_text, self.table, "?name=hit")
            pid = self.worker()
            self.soon(most_seconds or self.seconds)
            if not self.hurt(pid, fault):
                answer()
                continue
            status, body = answer()
            if status == 201:  # on its way out
                self.assertEqual(body["sha256"], self.expected["sha256"])
                self.client.delete_dataset(body["id"])
                continue
            refused += 1
            self.assertEqual(status, 503 if body["code"] == "out_of_memory" else 500, body)
            self.assertIn(body["code"], words)
            self.assertIn(words[body["code"]], body["detail"])
            self.assertEqual(self.uploads(), before)
            self.nothing_is_left()
        status, body = self.service.upload_text(self.table)
        self.assertEqual((status, body["columns"]), (201, self.expected["columns"]))

    def test_killed_ingests_are_refused(self):
        self.hit_uploads(KILL, 5 * SCALE, {"worker_crashed": "signal 9 (SIGKILL, Killed)"})
        self.expect_faults("kill -9 of an ingest", 5 * SCALE)

    def test_crashed_ingests_are_refused(self):
        self.hit_uploads(SEGV, 3 * SCALE, {"worker_crashed": "The worker"})
        self.expect_faults("SIGSEGV of an ingest", 3 * SCALE)

    def test_stopped_ingests_are_refused(self):
        self.hit_uploads(STOP, 2 * SCALE, {"worker_crashed": f"silent for {SILENCE_SECONDS} s"})
        self.expect_faults("SIGSTOP of an ingest", 2 * SCALE)

    def test_ingests_without_memory_are_refused(self):
        if is_sanitized():
            print("memory cannot be limited under a sanitizer: not tested here")
            return
        # Early: it takes little, and all of it at its start. A program that is still being
        # loaded crashes.
        self.hit_uploads(take_memory_away, 4 * SCALE,
                         {"out_of_memory": "memory", "worker_crashed": "The worker"},
                         most_seconds=0.01)
        self.expect_faults("no memory for an ingest", 4 * SCALE)


class ServingFaults(FaultTest):
    """A question whose worker dies fails in plain words; the next one is answered as ever."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        layers = [{"type": "dense", "units": 600, "activation": "tanh"},
                  {"type": "dense", "units": 600, "activation": "tanh"},
                  {"type": "dense", "units": "auto"}]
        body = spec(cls.dataset, "arm", model={"layers": layers}, epochs=1)
        job = cls.client.wait(cls.client.submit(body)["id"], timeout=300)
        assert job["status"] == "succeeded", job
        cls.path = f"/v1/models/{job['model']}/predict"
        rows = 500 if is_sanitized() else 4000
        cls.question = {"rows": [{"x": i / rows, "y": 1 - i / rows} for i in range(rows)]}
        cls.expected = cls.post(cls, cls.path, cls.question)
        begin = time.monotonic()
        assert cls.post(cls, cls.path, cls.question) == cls.expected
        cls.seconds = time.monotonic() - begin
        assert cls.expected[0] == 200, cls.expected

    def hit_questions(self, fault, claimed, code, words):
        failed = 0
        while failed < claimed:
            self.assertEqual(self.post(self.path, self.question), self.expected)
            pid = self.worker()
            answer = self.in_background(self.post, self.path, self.question)
            self.soon(self.seconds / 2)
            if not self.hurt(pid, fault):
                answer()
                continue
            status, body = answer()
            if status == 200:  # it was answered before
                self.assertEqual((status, body), self.expected)
                if fault is STOP:  # nobody waits for an idle one
                    os.kill(pid, signal.SIGKILL)
                self.gone(pid)
                continue
            failed += 1
            self.assertEqual((status, body["code"]), (500, code), body)
            self.assertIn(words, body["detail"])
        self.assertEqual(self.post(self.path, self.question), self.expected)

    def test_killed_answers_fail_and_the_next_is_right(self):
        self.hit_questions(KILL, 6 * SCALE, "worker_crashed", "signal 9 (SIGKILL, Killed)")
        self.expect_faults("kill -9 of an answer", 6 * SCALE)

    def test_crashed_answers_fail_and_the_next_is_right(self):
        self.hit_questions(SEGV, 3 * SCALE, "worker_crashed", "The worker")
        self.expect_faults("SIGSEGV of an answer", 3 * SCALE)

    def test_answers_without_memory_fail_and_the_next_is_right(self):
        """A question that is larger than any before it, in a worker without memory for it."""
        if is_sanitized():
            print("memory cannot be limited under a sanitizer: not tested here")
            return
        larger = {"rows": self.question["rows"] * 2}
        status, expected = self.post(self.path, larger)
        self.assertEqual(status, 200)
        claimed = 3 * SCALE
        while self.faults < claimed:
            os.kill(self.worker(), signal.SIGKILL)
            self.no_worker()
            self.assertEqual(self.post(self.path, self.question), self.expected)
            if not self.hurt(self.worker(), take_memory_away):
                continue
            status, body = self.post(self.path, larger)
            self.assertEqual((status, body["code"]), (503, "out_of_memory"), body)
            self.assertEqual(self.post(self.path, larger), (200, expected))
        self.expect_faults("no memory for an answer", claimed)

    def test_stopped_answers_fail_and_the_next_is_right(self):
        self.hit_questions(STOP, 2 * SCALE, "worker_crashed", f"silent for {SILENCE_SECONDS} s")
        self.expect_faults("SIGSTOP of an answer", 2 * SCALE)


if __name__ == "__main__":
    unittest.main()
