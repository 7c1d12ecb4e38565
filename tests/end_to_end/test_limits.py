"""Each limit crossed: a clear answer that says the limit and when to come back, while others are
served; and what was refused is taken once there is room again."""
import http.client
import json
import os
import resource
import socket
import time

from service import ServiceTest, spec, spirals_csv

PATIENCE = 60


def read_answer(connection):
    """(status, headers, body) of one reply."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, answer.headers, answer.read()


def ask(connection, path="/livez", *headers):
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    connection.sendall("\r\n".join(lines).encode())
    return read_answer(connection)


def wait_until(true, what):
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"this never came: {what}")
        time.sleep(0.05)


class LimitTest(ServiceTest):
    def connect(self, source="127.0.0.1"):
        connection = socket.create_connection(("127.0.0.1", self.service.port),
                                              timeout=PATIENCE, source_address=(source, 0))
        self.addCleanup(connection.close)
        return connection

    def refused(self, answer, status, code):
        """A problem that says when to come back, if it should. Returns its body."""
        problem = self.assert_problem(answer, status, code)
        if status in (429, 503):
            self.assertGreaterEqual(int(answer[1]["Retry-After"]), 1)
        return problem

    def upload(self, name="spirals", rows=60, seed=7):
        return self.service.request("POST", f"/v1/datasets?name={name}",
                                    spirals_csv(rows, seed), {"Content-Type": "text/csv"})

    def post(self, body, **headers):
        return self.service.request("POST", "/v1/jobs", json.dumps(body),
                                    {"Content-Type": "application/json", **headers})


class ConnectionsTest(LimitTest):
    arguments = ("--workers", "1", "--max-connections", "32",
                 "--max-connections-per-address", "20")

    def test_one_address_has_so_many_connections(self):
        held = [self.connect("127.0.0.2") for _ in range(20)]
        for connection in held:
            self.assertEqual(ask(connection)[0], 200)
        surplus = self.connect("127.0.0.2")
        answer = ask(surplus)
        self.assertIn("20", self.refused(answer, 429, "too_many_connections")["detail"])
        self.assertEqual(answer[1]["Connection"].lower(), "close")
        self.assertEqual(surplus.recv(1), b"")
        self.assertEqual(self.service.request("GET", "/livez")[0], 200)
        held.pop().close()
        wait_until(lambda: ask(self.connect("127.0.0.2"))[0] == 200, "a place")
        for connection in held:
            connection.close()

    def test_all_have_so_many_and_more_than_a_few_too_many_get_no_answer(self):
        held = [self.connect(f"127.0.0.{3 + i // 16}") for i in range(32)]
        for connection in held:
            self.assertEqual(ask(connection)[0], 200)
        extra = self.connect("127.0.0.9")
        self.refused(ask(extra), 503, "too_many_connections")
        silent = [self.connect("127.0.0.9") for _ in range(120)]
        for connection in held:  # who has a place is served as ever
            self.assertEqual(ask(connection)[0], 200)
        closed = 0
        for connection in silent:  # at once, or when nothing was asked for some seconds
            try:
                closed += connection.recv(1) == b""
            except ConnectionError:
                closed += 1
        self.assertEqual(closed, len(silent))
        for connection in held:
            connection.close()
        wait_until(lambda: ask(self.connect("127.0.0.9"))[0] == 200, "a place")


class HeadTest(LimitTest):
    arguments = ("--workers", "1", "--header-timeout", "2")

    def test_address_headers_and_arguments_are_bounded(self):
        request = self.service.request
        self.refused(request("GET", "/v1/jobs?" + "a" * 9000), 414, "uri_too_long")
        self.refused(request("GET", "/v1/jobs", headers={"X-Filler": "a" * 33000}), 431,
                     "headers_too_large")
        self.refused(request("GET", "/v1/jobs?" + "&".join(f"a{i}=1" for i in range(40))), 400,
                     "invalid_query")
        for size in (66000, 200000):  # over what the library keeps: its own refusal
            try:
                status = request("GET", "/v1/jobs", headers={"X-Filler": "a" * size})[0]
                self.assertIn(status, (413, 431))
            except ConnectionError:
                pass
        self.assertEqual(request("GET", "/livez")[0], 200)

    def test_a_head_that_trickles_is_cut(self):
        slow = self.connect()
        begin = time.monotonic()
        with self.assertRaises(ConnectionError):
            for byte in b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 1000:
                slow.sendall(bytes([byte]))
                self.assertEqual(self.service.request("GET", "/livez")[0], 200)
                time.sleep(0.2)
                if time.monotonic() - begin > PATIENCE:
                    break
        self.assertLess(time.monotonic() - begin, PATIENCE)


class UploadsTest(LimitTest):
    arguments = ("--workers", "1", "--max-uploads", "2", "--max-datasets", "3")

    def test_uploads_at_once_and_datasets_at_all(self):
        text = spirals_csv(60).encode()
        head = (f"POST /v1/datasets?name=half HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                f"text/csv\r\nContent-Length: {len(text)}\r\nExpect: 100-continue\r\n\r\n").encode()
        halves = [self.connect() for _ in range(2)]
        for connection in halves:
            connection.sendall(head)
            self.assertEqual(connection.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(text[:100])
        self.refused(self.upload(), 503, "too_many_uploads")
        for connection in halves:  # what had begun is not disturbed
            connection.sendall(text[100:])
            self.assertEqual(read_answer(connection)[0], 201)
            connection.close()
        for seed in range(3 - len(list(self.client.datasets()))):
            self.assertEqual(self.upload(seed=seed)[0], 201)
        self.assertIn("3", self.refused(self.upload(), 507, "dataset_limit")["detail"])
        datasets = list(self.client.datasets())
        self.assertEqual(len(datasets), 3)
        one = datasets[0]["id"]
        self.assertEqual(self.service.request("DELETE", f"/v1/datasets/{one}")[0], 204)
        self.assertEqual(self.upload()[0], 201)


class QueueTest(LimitTest):
    arguments = ("--workers", "1", "--max-queue", "3")

    def test_the_queue_is_bounded(self):
        dataset = json.loads(self.upload()[2])["id"]
        endless = spec(dataset, "arm", epochs=1000000)
        running = json.loads(self.post(endless)[2])["id"]
        wait_until(lambda: self.client.job(running)["status"] == "running", "a running job")
        queued = [self.post(endless, **{"Idempotency-Key": f"key-{i}"}) for i in range(3)]
        self.assertEqual([answer[0] for answer in queued], [201] * 3)
        self.assertIn("3", self.refused(self.post(endless), 429, "queue_full")["detail"])
        again = self.post(endless, **{"Idempotency-Key": "key-1"})  # it has its place
        self.assertEqual(again[0], 201)
        self.assertEqual(json.loads(again[2])["id"], json.loads(queued[1][2])["id"])
        self.refused(self.post(endless, **{"Idempotency-Key": "key-9"}), 429, "queue_full")
        self.client.cancel(json.loads(queued[0][2])["id"])
        self.assertEqual(self.post(endless, **{"Idempotency-Key": "key-9"})[0], 201)
        jobs = json.loads(self.service.request("GET", "/v1/jobs?limit=100")[2])["data"]
        self.assertEqual(len(jobs), 5)

    def test_keys_and_metadata_are_bounded(self):
        dataset = json.loads(self.upload()[2])["id"]
        self.refused(self.post(spec(dataset, "arm"), **{"Idempotency-Key": "k" * 256}), 400,
                     "invalid_idempotency_key")
        for metadata in ({f"k{i}": "v" for i in range(33)}, {"k" * 65: "v"}, {"k": "v" * 513}):
            problem = self.refused(self.post(spec(dataset, "arm", metadata=metadata)), 422,
                                   "invalid_spec")
            self.assertTrue(problem["errors"][0]["pointer"].startswith("/metadata"))

    def test_json_is_not_followed_into_the_depth(self):
        for path in ("/v1/jobs", "/v1/jobs:validate", "/v1/jobs:gradcheck",
                     "/v1/models/mdl_x/evaluate"):
            for text in ("[" * 1000, '{"a":' * 800, '{"a":' + "[" * 100 + "]" * 100 + "}"):
                answer = self.service.request("POST", path, text,
                                              {"Content-Type": "application/json"})
                problem = self.refused(answer, 400, "invalid_json")
                self.assertIn("levels", json.dumps(problem))


class StorageTest(LimitTest):
    arguments = ("--workers", "1", "--max-stored", "1500K")

    def test_stored_bytes_are_bounded(self):
        stored, answer = [], None
        for seed in range(40):
            answer = self.upload(rows=2000, seed=seed)
            if answer[0] != 201:
                break
            stored.append(json.loads(answer[2])["id"])
        self.refused(answer, 507, "storage_limit")
        self.assertGreaterEqual(len(stored), 1)
        self.assertEqual(self.service.request("GET", "/v1/datasets")[0], 200)


class DiskTest(LimitTest):
    arguments = ("--workers", "1", "--min-free", "1000T")

    def test_what_is_kept_free_of_the_disk_is_left_alone(self):
        self.refused(self.upload(), 507, "no_space")
        self.refused(self.post(spec("ds_x")), 507, "no_space")
        self.assertEqual(self.service.request("GET", "/v1/jobs")[0], 200)
        self.assertEqual(self.service.request("GET", "/livez")[0], 200)


class StreamsTest(LimitTest):
    arguments = ("--workers", "1", "--max-streams", "4", "--max-streams-per-address", "3")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        path = cls.scratch / "spirals.csv"
        path.write_text(spirals_csv(60))
        dataset = cls.client.upload(path)["id"]
        cls.job = cls.client.submit(spec(dataset, "arm", epochs=1000000))["id"]

    def open(self, source):
        """A stream, and its first line or a refusal."""
        connection = self.connect(source)
        connection.sendall((f"GET /v1/jobs/{self.job}/events HTTP/1.1\r\nHost: localhost\r\n"
                            "Accept: text/event-stream\r\n\r\n").encode())
        answer = http.client.HTTPResponse(connection)
        self.addCleanup(answer.close)
        answer.begin()
        if answer.status == 200:
            self.assertTrue(answer.readline())
        return connection, answer

    def test_streams_are_bounded_and_a_client_that_leaves_gives_its_place_back(self):
        held = [self.open("127.0.0.2") for _ in range(3)]
        self.assertEqual([answer.status for _, answer in held], [200] * 3)
        _, answer = self.open("127.0.0.2")
        self.refused((answer.status, answer.headers, answer.read()), 429, "too_many_streams")
        held.append(self.open("127.0.0.3"))
        self.assertEqual(held[3][1].status, 200)
        _, answer = self.open("127.0.0.4")
        self.refused((answer.status, answer.headers, answer.read()), 503, "too_many_streams")
        self.assertEqual(self.service.request("GET", f"/v1/jobs/{self.job}")[0], 200)
        held[0][1].close()
        held[0][0].close()
        wait_until(lambda: self.open("127.0.0.4")[1].status == 200, "a place for a stream")


class DescriptorsTest(LimitTest):
    """A daemon that gets no more descriptors, as when another process of its user took them all."""

    def test_without_descriptors_it_says_so_and_goes_on_when_there_are_some(self):
        kept = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=PATIENCE)
        self.addCleanup(kept.close)

        def ask(method, path, body=None, kind="application/json"):
            kept.request(method, path, body, {"Content-Type": kind} if body else {})
            answer = kept.getresponse()
            return answer.status, answer.headers, answer.read()

        dataset = json.loads(ask("POST", "/v1/datasets", spirals_csv(60), "text/csv")[2])["id"]
        pid = self.service.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        jobs, refused = [], 0
        try:
            resource.prlimit(pid, resource.RLIMIT_NOFILE,
                             (len(os.listdir(f"/proc/{pid}/fd")), before[1]))
            for seed in range(5):
                self.refused(ask("POST", "/v1/datasets", spirals_csv(60, seed), "text/csv"), 503,
                             "busy")
                refused += 1
                answer = ask("POST", "/v1/jobs", json.dumps(spec(dataset, "arm")))
                while answer[0] == 503:  # the upload's descriptors may not be closed yet
                    self.refused(answer, 503, "busy")
                    refused += 1
                    time.sleep(0.05)
                    answer = ask("POST", "/v1/jobs", json.dumps(spec(dataset, "arm")))
                self.assertEqual(answer[0], 201, answer[2])
                jobs.append(json.loads(answer[2])["id"])
            late = self.connect()  # the kernel takes it, the daemon cannot yet
            late.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            wait_until(lambda: "worker_not_started" in self.service.log_text(), "a start that failed")
            self.assertEqual(ask("GET", "/v1/jobs?limit=3")[0], 200)
            self.assertEqual(ask("GET", "/livez")[0], 200)
            for job in jobs:
                self.assertIn(json.loads(ask("GET", f"/v1/jobs/{job}")[2])["status"],
                              ("queued", "running"))
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        self.assertGreaterEqual(refused, 5)
        self.assertEqual(read_answer(late)[0], 200)
        for job in jobs:
            ended = self.client.wait(job, timeout=PATIENCE)
            self.assertEqual((ended["status"], ended["attempt"]), ("succeeded", 1))
        self.assertEqual(self.upload()[0], 201)


class PredictedMemoryTest(LimitTest):
    """Jobs that are predicted to need more than there is are refused, and together they wait."""
    arguments = ("--workers", "3", "--memory", "120M")

    def wide(self, units, **more):
        layers = [{"type": "dense", "units": units, "activation": "relu"},
                  {"type": "dense", "units": units}, {"type": "dense", "units": "auto"}]
        return spec(self.dataset, "arm", model={"layers": layers}, **more)

    def test_what_runs_together_fits(self):
        self.dataset = json.loads(self.upload()[2])["id"]
        need = self.client.validate(self.wide(800))["memory_bytes"] >> 20
        self.assertTrue(40 < need < 60, need)  # two fit, and not three
        problem = self.refused(self.post(self.wide(2500)), 422, "invalid_spec")
        self.assertIn("120 MB", problem["errors"][0]["detail"])
        ids = [self.client.submit(self.wide(800, seed=i, epochs=1000000))["id"] for i in range(3)]

        def running():
            return [job for job in ids if self.client.job(job)["status"] == "running"]

        wait_until(lambda: len(running()) == 2, "two jobs that run")
        for _ in range(20):
            self.assertEqual(running(), ids[:2])  # though a slot is free
            time.sleep(0.05)
        self.client.cancel(ids[0])
        wait_until(lambda: ids[2] in running(), "the third, when there is memory for it")
        for job in ids[1:]:
            self.client.cancel(job)


class LeavingTest(LimitTest):
    def test_work_that_nobody_waits_for_ends(self):
        dataset = json.loads(self.upload(rows=400)[2])["id"]
        wide = [{"type": "dense", "units": 512, "activation": "tanh"} for _ in range(100)]
        body = json.dumps(spec(dataset, "arm", model={"layers": [
            *wide, {"type": "dense", "units": "auto"}]}, batch_size=256))
        leaver = self.connect()
        leaver.sendall((f"POST /v1/jobs:gradcheck HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                        f"application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())
        wait_until(lambda: self.client.info()["workers"]["ingesting"] == 1, "a check that runs")
        begin = time.monotonic()
        leaver.close()
        wait_until(lambda: self.client.info()["workers"]["ingesting"] == 0, "its end")
        self.assertLess(time.monotonic() - begin, 20)  # by itself it would take a minute


class SlownessTest(LimitTest):
    """Readers and writers that are slower than they may be are cut; all at the same time, because
    each of them takes a while."""
    arguments = ("--workers", "1", "--min-rate", "1K", "--log-level", "debug")

    def slow_reader(self, path, accept="application/octet-stream", count=200):
        """Asks again and again on one connection, has a small window, and reads next to
        nothing."""
        reader = socket.socket()
        self.addCleanup(reader.close)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(PATIENCE)
        reader.connect(("127.0.0.1", self.service.port))
        reader.sendall((f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n"
                        * count).encode())
        return reader

    def slow_writer(self, path, content_type, length):
        writer = self.connect()
        writer.sendall((f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                        f"{content_type}\r\nContent-Length: {length}\r\n\r\n").encode())
        return writer

    def test_slow_readers_and_writers_are_cut(self):
        dataset = json.loads(self.upload(rows=400)[2])["id"]
        layers = {"layers": [{"type": "dense", "units": 2000, "activation": "relu"},
                             {"type": "dense", "units": 1000}, {"type": "dense", "units": "auto"}]}
        job = self.client.wait(self.client.submit(
            spec(dataset, "arm", epochs=1, model=layers))["id"])
        weights = f"/v1/models/{job['model']}/weights"
        readers = [self.slow_reader(weights, count=1), self.slow_reader("/openapi.json")]
        writers = [self.slow_writer("/v1/datasets", "text/csv", 100000),
                   self.slow_writer("/v1/jobs", "application/json", 5000)]
        answers = [None] * len(writers)
        end = time.monotonic() + PATIENCE
        while (None in answers or self.cut_readers() < 2) and time.monotonic() < end:
            time.sleep(1)
            for i, writer in enumerate(writers):
                if answers[i] is None:
                    writer.sendall(b" ")
                    writer.settimeout(0.05)
                    try:
                        answers[i] = read_answer(writer)
                    except TimeoutError:
                        pass
            for reader in readers:
                try:
                    reader.recv(10)
                except ConnectionError:
                    pass
            self.assertEqual(self.service.request("GET", "/livez")[0], 200)
        for answer in answers:
            self.refused(answer, 408, "body_too_slow")
        self.assertEqual(self.cut_readers(), 2)
        self.assertLess(self.drain(readers[0]), 8000000)
        self.assertLess(self.drain(readers[1]), 200 * 60000)

    def cut_readers(self):
        return (self.service.folder / "log").read_text().count("reads_too_slowly")

    def drain(self, reader):
        """Bytes that were on their way."""
        got = 0
        try:
            while chunk := reader.recv(65536):
                got += len(chunk)
        except ConnectionError:
            pass
        return got


if __name__ == "__main__":
    unittest.main()
