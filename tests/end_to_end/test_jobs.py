"""The life of jobs: training, progress, the queue, cancelling, equal bits, idempotency."""
import json
import time
import unittest

from backpropd import Problem
from service import ServiceTest, prices_csv, spec, spirals_csv


class JobsTest(ServiceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        path = cls.scratch / "spirals.csv"
        path.write_text(spirals_csv())
        cls.spirals = cls.client.upload(path, name="spirals")["id"]

    def long_spec(self, **more):
        return spec(self.spirals, "arm", units=256, epochs=100000, **more)

    def wait_for_status(self, job, status, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = self.client.job(job)
            if answer["status"] == status:
                return answer
            time.sleep(0.02)
        self.fail(f"{job} is {answer['status']}, not {status}, after {seconds} s")

    def test_a_job_learns_what_no_line_can_part(self):
        job = self.client.submit(spec(
            self.spirals, "arm", units=64, epochs=200, name="spirals",
            optimizer={"type": "adam", "learning_rate": 0.01}))
        self.assertEqual(job["status"], "queued")
        job = self.client.wait(job["id"], timeout=60)
        self.assertEqual((job["status"], job["stop_reason"]), ("succeeded", "completed"))
        self.assertTrue(job["terminal"])
        self.assertGreater(job["metrics"]["test"]["accuracy"], 0.9)
        self.assertEqual(job["progress"]["fraction"], 1.0)
        self.assertEqual(job["progress"]["epoch"], 200)
        self.assertIsNotNone(job["finished_at"])
        self.assertRegex(job["weights_sha256"], "^[0-9a-f]{64}$")

    def test_a_job_that_stopped_early_has_nothing_left_to_do(self):
        job = self.client.submit(spec(self.spirals, "arm", epochs=500,
                                      early_stopping={"monitor": "val_loss", "patience": 0}))
        job = self.client.wait(job["id"], timeout=60)
        self.assertEqual((job["status"], job["stop_reason"]), ("succeeded", "early_stopped"))
        self.assertLess(job["progress"]["epoch"], 500)
        self.assertEqual((job["progress"]["fraction"], job["progress"]["eta_seconds"]), (1, 0))

    def test_a_regression_is_scaled_and_scored(self):
        dataset = self.client.upload(self.write("prices.csv", prices_csv()))["id"]
        job = self.client.submit(spec(dataset, "price", epochs=60,
                                      optimizer={"type": "adam", "learning_rate": 0.01}))
        job = self.client.wait(job["id"], timeout=60)
        self.assertEqual(job["status"], "succeeded", job["error"])
        self.assertGreater(job["metrics"]["test"]["r2"], 0.95)
        price = self.client.predict(job["model"], rows=[
            {"size": 100, "rooms": 3, "kind": "house"}])[0]["value"]
        self.assertAlmostEqual(price, 277000, delta=30000)

    def test_the_same_job_gives_the_same_bits_alone_and_in_company(self):
        body = spec(self.spirals, "arm", epochs=30)
        alone = self.client.wait(self.client.submit(body)["id"], timeout=60)
        company = self.client.submit(self.long_spec())
        again = self.client.wait(self.client.submit(body)["id"], timeout=60)
        self.client.cancel(company["id"])
        self.assertEqual(alone["weights_sha256"], again["weights_sha256"])
        other = self.client.wait(self.client.submit(dict(body, seed=2))["id"], timeout=60)
        self.assertNotEqual(alone["weights_sha256"], other["weights_sha256"])
        self.wait_for_status(company["id"], "cancelled")

    def test_a_running_job_is_cancelled_and_says_so(self):
        job = self.client.submit(self.long_spec())["id"]
        self.wait_for_status(job, "running")
        self.assertIn(self.client.cancel(job)["status"], ("cancelling", "cancelled"))
        ended = self.wait_for_status(job, "cancelled")
        self.assertEqual(ended["stop_reason"], "cancelled")
        self.assertIsNone(ended["model"])
        self.assertEqual(self.client.cancel(job)["status"], "cancelled")  # a no-op

    def test_stop_keeps_the_weights_and_succeeds(self):
        job = self.client.submit(self.long_spec())["id"]
        self.wait_for_status(job, "running")
        self.client.stop(job)
        ended = self.wait_for_status(job, "succeeded")
        self.assertEqual(ended["stop_reason"], "user_stopped")
        self.assertIsNotNone(ended["model"])

    def test_a_paused_job_goes_on_where_it_was(self):
        body = spec(self.spirals, "arm", units=128, epochs=3000)
        whole = self.client.wait(self.client.submit(body)["id"], timeout=120)
        job = self.client.submit(body)["id"]
        self.wait_for_status(job, "running")
        self.client.pause(job)
        paused = self.wait_for_status(job, "paused")
        self.assertFalse(paused["terminal"])
        self.client.resume(job)
        resumed = self.client.wait(job, timeout=120)
        self.assertEqual(resumed["status"], "succeeded")
        self.assertEqual(resumed["weights_sha256"], whole["weights_sha256"])

    def test_the_queue_is_by_priority_and_then_by_age(self):
        blockers = [self.client.submit(self.long_spec())["id"] for _ in range(2)]
        for blocker in blockers:
            self.wait_for_status(blocker, "running")
        low = self.client.submit(spec(self.spirals, "arm", priority=-1))["id"]
        first = self.client.submit(spec(self.spirals, "arm"))["id"]
        second = self.client.submit(spec(self.spirals, "arm"))["id"]
        high = self.client.submit(spec(self.spirals, "arm", priority=5))["id"]
        positions = [self.client.job(job)["queue_position"] for job in (high, first, second, low)]
        self.assertEqual(positions, [1, 2, 3, 4])
        self.client.cancel(first)  # a queued job is cancelled at once
        self.assertEqual(self.client.job(first)["status"], "cancelled")
        self.client.cancel(blockers[0])
        started = {}
        for job in (high, second, low):
            started[job] = self.client.wait(job, timeout=60)["started_at"]
        self.assertLess(started[high], started[second])
        self.assertLess(started[second], started[low])
        self.client.cancel(blockers[1])

    def test_an_idempotency_key_makes_one_job(self):
        body = spec(self.spirals, "arm", name="once")
        first = self.client.submit(body, idempotency_key="k1")
        again = self.client.submit(body, idempotency_key="k1")
        self.assertEqual(first["id"], again["id"])
        with self.assertRaises(Problem) as caught:
            self.client.submit(dict(body, seed=99), idempotency_key="k1")
        self.assertEqual(caught.exception.status, 422)
        self.assertEqual(sum(job["name"] == "once" for job in self.client.jobs()), 1)

    def test_metrics_are_columns_that_a_poll_continues(self):
        job = self.client.wait(self.client.submit(spec(self.spirals, "arm", epochs=20))["id"],
                               timeout=60)["id"]
        whole = self.client.metrics(job)
        names = [series["name"] for series in whole["series"]]
        for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate",
                     "gradient_norm/layers.0", "update_ratio/layers.1"):
            self.assertIn(name, names)
        self.assertEqual(whole["total"], sum(len(s["value"]) for s in whole["series"]))
        for series in whole["series"]:
            lengths = {len(series[key]) for key in ("step", "epoch", "time", "value")}
            self.assertEqual(len(lengths), 1)
            self.assertEqual(series["step"], sorted(set(series["step"])))
        self.assertFalse(whole["sampled"])
        rest = self.client.metrics(job, since_step=whole["next_since_step"])
        self.assertEqual(rest["total"], 0)
        thin = self.client.metrics(job, names=["loss"], max_points=8)
        self.assertEqual([s["name"] for s in thin["series"]], ["loss"])
        self.assertTrue(thin["sampled"])
        self.assertLessEqual(len(thin["series"][0]["value"]), 8)
        loss = whole["series"][names.index("loss")]["value"]
        self.assertEqual(min(thin["series"][0]["value"]), min(loss))
        self.assertEqual(thin["series"][0]["value"][-1], loss[-1])

    def test_metrics_as_csv_and_by_etag(self):
        job = self.client.wait(self.client.submit(spec(self.spirals, "arm"))["id"],
                               timeout=60)["id"]
        path = f"/v1/jobs/{job}/metrics"
        status, headers, text = self.service.request("GET", path, headers={"Accept": "text/csv"})
        self.assertEqual(status, 200)
        lines = text.decode().split("\r\n")
        self.assertTrue(lines[0].startswith("step,epoch,time,"))
        self.assertEqual({line.count(",") for line in lines if line}, {lines[0].count(",")})
        etag = self.service.request("GET", path)[1]["ETag"]
        status, _, text = self.service.request("GET", path, headers={"If-None-Match": etag})
        self.assertEqual((status, text), (304, b""))

    def test_events_come_live_and_can_be_continued(self):
        job = self.client.submit(spec(self.spirals, "arm", epochs=50))["id"]
        live = list(self.client.follow(job))
        stored = [event for event in live if event["object"] == "event"]
        page = self.client.events(job, limit=1000)["data"]
        self.assertEqual([event["id"] for event in stored], [event["id"] for event in page])
        changes = [e["data"]["to"] for e in stored if e["type"] == "status"]
        self.assertEqual(changes[-1], "succeeded")
        self.assertTrue(any(event["object"] == "progress" for event in live))
        middle = page[len(page) // 2]["id"]
        rest = [e["id"] for e in self.client.follow(job, after=middle) if e["object"] == "event"]
        self.assertEqual(rest, [e["id"] for e in page if e["id"] > middle])

    def test_lists_are_pages_without_gaps(self):
        made = [self.client.submit(spec(self.spirals, "arm", name=f"page-{i}", epochs=1,
                                        metadata={"set": "pages"}))["id"] for i in range(5)]
        seen, after = [], ""
        while True:
            query = f"/v1/jobs?limit=2&metadata%5Bset%5D=pages{after}"
            page = json.loads(self.service.request("GET", query)[2])
            seen += [job["id"] for job in page["data"]]
            if not page["has_more"]:
                break
            after = f"&after={page['last_id']}"
        self.assertEqual(seen, made[::-1])
        for job in made:
            self.client.wait(job, timeout=60)
        done = [job["id"] for job in self.client.jobs(status="succeeded")]
        self.assertTrue(set(made) <= set(done))

    def test_a_deleted_job_is_gone_with_all_it_owns(self):
        job = self.client.wait(self.client.submit(spec(self.spirals, "arm"))["id"], timeout=60)
        self.client.delete_job(job["id"])
        for path in (f"/v1/jobs/{job['id']}", f"/v1/jobs/{job['id']}/metrics",
                     f"/v1/models/{job['model']}"):
            self.assert_problem(self.service.request("GET", path), 404)

    def test_a_running_job_cannot_be_deleted(self):
        job = self.client.submit(self.long_spec())["id"]
        self.wait_for_status(job, "running")
        with self.assertRaises(Problem) as caught:
            self.client.delete_job(job)
        self.assertEqual(caught.exception.status, 409)
        self.client.cancel(job)
        self.wait_for_status(job, "cancelled")

    def test_a_job_that_diverges_fails_and_names_the_cause(self):
        dataset = self.client.upload(self.write("wild.csv", prices_csv()))["id"]
        job = self.client.submit(spec(dataset, "price", epochs=200,
                                      optimizer={"type": "sgd", "learning_rate": 1000}))["id"]
        ended = self.client.wait(job, timeout=60)
        self.assertEqual((ended["status"], ended["stop_reason"]), ("failed", "diverged"))
        self.assertTrue(ended["error"]["message"])
        types = [event["type"] for event in self.client.events(job)["data"]]
        self.assertIn("diverged", types)


if __name__ == "__main__":
    unittest.main()
