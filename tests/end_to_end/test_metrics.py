"""GET /metrics: well formed, well named, bounded, and true."""
import socket
import unittest

import exposition
from service import ServiceTest, spirals_csv
from until import until

LABELS = {"method", "route", "status", "le", "code", "task", "reason", "result", "thread", "level",
          "version", "libmicrohttpd"}
FAMILIES = {
    "backpropd_build_info", "backpropd_http_request_duration_seconds",
    "backpropd_http_problems_total", "backpropd_http_request_body_bytes_total",
    "backpropd_http_connections", "backpropd_http_connections_cut_total",
    "backpropd_http_requests_open",
    "backpropd_http_requests_waiting", "backpropd_event_streams", "backpropd_event_streams_max",
    "backpropd_jobs", "backpropd_queue_length", "backpropd_queue_oldest_seconds",
    "backpropd_jobs_ended_total", "backpropd_slots", "backpropd_slots_used", "backpropd_workers",
    "backpropd_job_memory_bytes", "backpropd_job_memory_max_bytes",
    "backpropd_worker_starts_total", "backpropd_worker_start_failures_total",
    "backpropd_worker_exits_total", "backpropd_sandbox_info", "backpropd_store_writes_waiting",
    "backpropd_store_writes_total", "backpropd_store_write_duration_seconds",
    "backpropd_store_commit_duration_seconds", "backpropd_store_rollbacks_total",
    "backpropd_store_checkpoints_total", "backpropd_store_database_bytes",
    "backpropd_store_wal_bytes", "backpropd_disk_free_bytes", "backpropd_disk_size_bytes",
    "backpropd_datasets", "backpropd_dataset_bytes", "backpropd_models", "backpropd_model_bytes",
    "backpropd_tls_certificate_expiry_timestamp_seconds", "backpropd_ready", "backpropd_not_ready",
    "backpropd_thread_busy_seconds", "backpropd_log_lines_total", "process_cpu_seconds_total",
    "process_virtual_memory_bytes", "process_resident_memory_bytes", "process_open_fds",
    "process_max_fds", "process_start_time_seconds"}


def scrape(service):
    status, headers, body = service.request("GET", "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return exposition.parse(body.decode())


def value(families, sample, **labels):
    for family in families.values():
        for (name, pairs), number in family.samples.items():
            if name == sample and labels.items() <= dict(pairs).items():
                return number
    return None


class Reader(unittest.TestCase):
    """The reader itself refuses what it should."""

    def test_broken_pages_are_refused(self):
        good = "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n"
        self.assertEqual(exposition.parse(good)["a_total"].samples, {("a_total", ()): 1})
        for bad in (good[:-1], good + "a_total 1\n", good + good, good.replace("counter", "gauge"),
                    good.replace("a_total", "a"), good.replace(" 1\n", " x\n"),
                    good.replace(" 1\n", " -1\n"), good.replace(" A.", ""),
                    good.replace("a_total 1", 'a_total{b="1" 1'),
                    good.replace("a_total 1", 'a_total{b="1",b="1"} 1'),
                    good.replace("a_total", "a_ms_total"), good + "b 1\n"):
            with self.assertRaises(ValueError, msg=bad):
                exposition.parse(bad)


class Metrics(ServiceTest):
    def test_every_family_is_there_with_known_labels(self):
        families = scrape(self.service)
        self.assertEqual(FAMILIES - families.keys(), set())
        for family in families.values():
            for _, labels in family.samples:
                self.assertLessEqual(set(dict(labels)), LABELS)

    def test_nothing_from_outside_becomes_a_label(self):
        secret = "zebra-secret"
        before = sum(len(f.samples) for f in scrape(self.service).values())
        for i in range(300):
            name = f"{secret}{i}"
            self.service.request("GET", f"/{name}")
            self.service.request("GET", f"/v1/jobs/{name}", headers={"X-Request-ID": name})
            self.service.request("GET", f"/v1/datasets?{name}=1")
            self.service.request(["GET", "POST", "PUT"][i % 3], f"/v1/{name}/x")
        _, _, body = self.service.request("GET", "/metrics")
        self.assertNotIn(secret, body.decode())
        after = sum(len(f.samples) for f in exposition.parse(body.decode()).values())
        self.assertLess(after - before, 15 * 14, "a hundred routes cannot have come to be")

    def test_what_happened_is_counted(self):
        route = {"method": "GET", "route": "/v1/jobs/{id}", "status": "4xx"}
        count = "backpropd_http_request_duration_seconds_count"
        old = scrape(self.service)
        for _ in range(7):
            self.service.request("GET", "/v1/jobs/job_none")
        dataset = self.service.upload_text(spirals_csv(61))[1]["id"]
        spec = {"dataset": dataset, "epochs": 2, "features": {"target": "arm"},
                "model": {"layers": [{"type": "dense", "units": "auto"}]}}
        job = self.client.submit(spec)["id"]
        self.assertEqual(self.client.wait(job)["status"], "succeeded")
        new = until(lambda: self.with_clean_exits(value(old, "backpropd_worker_exits_total",
                                                        reason="clean") + 2))
        grown = lambda name, **labels: (value(new, name, **labels) or 0) - (
            value(old, name, **labels) or 0)
        self.assertEqual(grown(count, **route), 7)
        self.assertGreater(grown("backpropd_http_request_duration_seconds_sum", **route), 0)
        self.assertEqual(grown("backpropd_http_problems_total", code="not_found"), 7)
        self.assertEqual(grown("backpropd_jobs", status="succeeded"), 1)
        self.assertEqual(grown("backpropd_jobs_ended_total", reason="completed"), 1)
        self.assertEqual(grown("backpropd_worker_starts_total"), 2)
        self.assertEqual(grown("backpropd_models"), 1)
        self.assertEqual(grown("backpropd_datasets"), 1)
        self.assertGreater(grown("backpropd_dataset_bytes"), 100)
        self.assertGreater(grown("backpropd_model_bytes"), 0)
        self.assertGreater(grown("backpropd_store_writes_total", result="committed"), 3)
        self.assertGreater(grown("backpropd_store_commit_duration_seconds_count"), 1)
        self.assertGreater(grown("backpropd_http_request_body_bytes_total"), 100)
        self.assertEqual(value(new, "backpropd_slots"), 2)
        self.assertGreater(value(new, "backpropd_disk_free_bytes"), 1)
        self.assertGreater(value(new, "process_resident_memory_bytes"), 1 << 20)
        for name, family in new.items():
            if family.type != "gauge":
                for sample, number in family.samples.items():
                    self.assertGreaterEqual(number, old[name].samples.get(sample, 0), sample)

    def with_clean_exits(self, wanted):
        families = scrape(self.service)
        exits = value(families, "backpropd_worker_exits_total", reason="clean")
        return families if exits >= wanted else None

    def test_the_queue_has_a_length_and_an_age(self):
        dataset = self.service.upload_text(spirals_csv(60))[1]["id"]
        spec = {"dataset": dataset, "epochs": 1000000, "features": {"target": "arm"},
                "resources": {"threads": 2},
                "model": {"layers": [{"type": "dense", "units": "auto"}]}}
        jobs = [self.client.submit(spec)["id"] for _ in range(3)]
        families = until(lambda: self.with_queue(2))
        self.assertEqual(value(families, "backpropd_jobs", status="queued"), 2)
        self.assertGreater(value(families, "backpropd_queue_oldest_seconds"), 0)
        memory = value(families, "backpropd_job_memory_bytes")
        self.assertTrue(1 << 10 < memory <= value(families, "backpropd_job_memory_max_bytes"))
        for job in reversed(jobs):
            self.client.cancel(job)
        families = until(lambda: self.with_queue(0))
        self.assertEqual(value(families, "backpropd_queue_oldest_seconds"), 0)
        until(lambda: value(scrape(self.service), "backpropd_slots_used") == 0)
        self.assertEqual(value(scrape(self.service), "backpropd_job_memory_bytes"), 0)

    def with_queue(self, length):
        families = scrape(self.service)
        used = value(families, "backpropd_slots_used")
        fits = value(families, "backpropd_queue_length") == length and (used == 2 or length == 0)
        return families if fits else None


class Cuts(ServiceTest):
    arguments = ("--workers", "1", "--header-timeout", "1")

    def test_a_connection_that_is_cut_is_counted_once(self):
        with socket.create_connection(("127.0.0.1", self.service.port)) as slow:
            slow.sendall(b"GET /livez HTTP/1.1\r\n")
            slow.settimeout(30)
            while slow.recv(4096):
                pass
        cut = lambda: value(scrape(self.service), "backpropd_http_connections_cut_total",
                            reason="headers_too_slow")
        self.assertEqual(until(cut), 1)


if __name__ == "__main__":
    unittest.main()
