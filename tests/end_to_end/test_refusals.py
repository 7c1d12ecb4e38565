"""A hundred ways to ask wrongly: each is answered with a 4xx problem that names the fault, and
the daemon is as sane afterwards as before."""
import json
import socket
import unittest

from service import ServiceTest, spec, spirals_csv


class RefusalsTest(ServiceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        path = cls.scratch / "spirals.csv"
        path.write_text(spirals_csv())
        cls.dataset = cls.client.upload(path)["id"]

    def tearDown(self):
        self.assertEqual(self.service.request("GET", "/livez")[0], 200)

    def post(self, body, path="/v1/jobs", **headers):
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        headers = {"Content-Type": "application/json", **headers}
        return self.service.request("POST", path, data, headers)

    def refuse(self, body, pointer, *phrases):
        """A spec is refused with an error at `pointer` that says each phrase."""
        for path in ("/v1/jobs", "/v1/jobs:validate"):
            problem = self.assert_problem(self.post(body, path), 422)
            errors = {e["pointer"]: e["detail"] for e in problem["errors"]}
            self.assertIn(pointer, errors, json.dumps(problem["errors"]))
            for phrase in phrases:
                self.assertIn(phrase, errors[pointer])

    def changed(self, **more):
        return dict(spec(self.dataset, "arm"), **more)

    def layers(self, *layers):
        return self.changed(model={"layers": list(layers)})

    def test_text_that_is_no_json(self):
        for text in ("", "{", "nul", "[1,2", '{"a":1,}', '{"a":1}{"b":2}', "\x00", "{'a':1}",
                     '{"a":"\\ud800"}', '{"a":' + "[" * 3000, "[" * 100000, '"x"', "[]", "3",
                     '{"a": 1, "a": 2}'):
            status, headers, answer = self.post(text)
            self.assertIn(status, (400, 422), text[:40])
            self.assertTrue(json.loads(answer)["detail"], text[:40])
        status, _, _ = self.post(b'{"dataset": "\xff\xfe"}')
        self.assertEqual(status, 400)

    def test_all_faults_are_told_at_once(self):
        problem = self.assert_problem(self.post({
            "dataset": self.dataset, "features": {"target": "arn"}, "epochs": 0,
            "batch_size": "many", "learning_rate": 3, "seed": -1,
            "model": {"layers": [{"type": "dense"}, {"type": "dens", "units": 3},
                                 {"type": "dropout", "rate": 1.5}]},
            "optimizer": {"type": "adam", "learning_rte": 0.1}}), 422)
        pointers = {error["pointer"] for error in problem["errors"]}
        for pointer in ("/features/target", "/epochs", "/batch_size", "/learning_rate", "/seed",
                        "/model/layers/0/units", "/model/layers/1/type", "/model/layers/2/rate",
                        "/optimizer/learning_rte"):
            self.assertIn(pointer, pointers)
        text = json.dumps(problem["errors"])
        for suggestion in ("learning_rate", "dense", "arm"):
            self.assertIn(suggestion, text)

    def test_wrong_types(self):
        for key, value in (("epochs", "ten"), ("epochs", 2.5), ("epochs", None),
                           ("batch_size", []), ("batch_size", {}), ("seed", "x"),
                           ("seed", 1.5), ("name", 7), ("model", []), ("model", "big"),
                           ("features", 3), ("optimizer", 3), ("loss", []), ("split", 7),
                           ("early_stopping", 4), ("resources", []), ("metadata", "x"),
                           ("priority", "high"), ("checkpoint", 1), ("gradient_clip", "no"),
                           ("learning_rate_schedule", 5)):
            with self.subTest(key=key, value=value):
                self.refuse(self.changed(**{key: value}), f"/{key}")

    def test_absurd_sizes(self):
        for key, value in (("epochs", 0), ("epochs", -1), ("epochs", 10 ** 18),
                           ("epochs", 10 ** 30), ("batch_size", 0), ("batch_size", 10 ** 12),
                           ("priority", 10 ** 6), ("name", "x" * 100000)):
            with self.subTest(key=key):
                answer = self.post(self.changed(**{key: value}))
                self.assertIn(answer[0], (400, 422))
        wide = {"type": "dense", "units": 65536}
        self.refuse(self.layers({"type": "dense", "units": 10 ** 9}, wide), "/model/layers/0/units")
        many = [{"type": "activation", "function": "relu"}] * 5000
        self.assertEqual(self.post(self.layers(*many))[0], 422)
        self.assertEqual(self.post(self.layers(*[wide] * 50, {"type": "dense", "units": "auto"}))[0],
                         422)
        self.assertEqual(self.post(b'{"x": "' + b"y" * (3 << 20) + b'"}')[0], 413)

    def test_unknown_keys_suggest_known_ones(self):
        self.refuse(self.changed(epoch=3), "/epoch", "epochs")
        self.refuse(self.layers({"type": "dense", "unit": 3}), "/model/layers/0/unit", "units")
        self.refuse(self.changed(resources={"thread": 1}), "/resources/thread", "threads")
        self.refuse(self.changed(optimizer={"type": "adma"}), "/optimizer/type", "adam")

    def test_specs_that_do_not_fit_the_data(self):
        self.refuse(self.changed(dataset="ds_00000000000000000000000000"), "/dataset")
        self.refuse(self.changed(dataset="../../etc/passwd"), "/dataset")
        self.refuse(self.changed(dataset=4), "/dataset")
        body = self.changed()
        del body["features"]
        problem = self.assert_problem(self.post(body), 422)
        self.assertTrue(any(e["pointer"].startswith("/features") for e in problem["errors"]))
        self.refuse(self.layers({"type": "dense", "units": 7}), "/model/layers/0")
        self.refuse(self.changed(loss="mse"), "/loss")
        self.refuse(self.changed(features={"target": "arm", "inputs": ["x", "z"]}),
                    "/features/inputs/1")
        self.refuse(self.changed(split={"type": "random", "fractions": {"train": 0.5, "test": 0.9}}),
                    "/split/fractions")
        self.refuse(self.changed(split={"type": "fixed"}), "/split/type")
        self.refuse(self.changed(early_stopping={"monitor": "val_los"}), "/early_stopping/monitor")
        self.refuse(self.changed(resources={"threads": 200}), "/resources/threads")
        self.refuse(self.layers(), "/model/layers")

    def test_a_dataset_that_is_not_there_is_said_once(self):
        for unknown in ("ds_00000000000000000000000000", "ds_…", "titanic", "", 7):
            with self.subTest(unknown=unknown):
                problem = self.assert_problem(self.post(self.changed(dataset=unknown)), 422)
                told = [e["detail"] for e in problem["errors"] if e["pointer"] == "/dataset"]
                self.assertEqual(len(told), 1, told)
                self.assertIn("expected the ID of a dataset", told[0])

    def test_paths_and_methods_that_are_not_there(self):
        for method, path, status in (
                ("GET", "/v1/nothing", 404), ("GET", "/v1/jobs/job_x/y/z", 404),
                ("GET", "/v1/jobs/../../etc/passwd", 404), ("GET", "/v1/jobs/job_%2e%2e", 404),
                ("GET", "/v1/jobs/%00", 404), ("GET", "/v2/jobs", 404),
                ("GET", "/v1/jobs/job_00000000000000000000000000", 404),
                ("GET", "/v1/models/mdl_00000000000000000000000000/weights", 404),
                ("GET", "/v1/datasets/ds_00000000000000000000000000/preview", 404),
                ("POST", "/v1/jobs/job_00000000000000000000000000/cancel", 404),
                ("DELETE", "/v1/datasets/ds_00000000000000000000000000", 404),
                ("DELETE", "/v1/jobs", 405), ("PUT", "/v1/jobs", 405), ("PATCH", "/v1/info", 405),
                ("POST", "/livez", 405), ("BREW", "/v1/jobs", 405)):
            with self.subTest(method=method, path=path):
                answer = self.service.request(method, path)
                self.assertIn(answer[0], (status, 400))
                self.assert_problem(answer, answer[0])
                if answer[0] == 405:
                    self.assertTrue(answer[1]["Allow"])

    def test_query_arguments(self):
        for path in ("/v1/jobs?limit=0", "/v1/jobs?limit=x", "/v1/jobs?limit=99999999999999999999",
                     "/v1/jobs?limit=-1", "/v1/jobs?after=nonsense", "/v1/jobs?status=asleep",
                     "/v1/jobs?metadata%5B%5D=x", "/v1/models?limit=", "/v1/datasets?after=job_x"):
            with self.subTest(path=path):
                self.assert_problem(self.service.request("GET", path), 400)

    def test_uploads_that_are_refused(self):
        for query in ("?header=maybe", "?delimiter=ab", "?name=" + "x" * 5000):
            with self.subTest(query=query[:20]):
                status, body = self.service.upload_text("a,b\n1,2\n", query)
                self.assertIn(status, (400, 422), body)
        status, body = self.service.upload_text("x", content_type="image/png")
        self.assertEqual(status, 415, body)
        parts = (b'--b\r\nContent-Disposition: form-data; name="surprise"; filename="f"\r\n\r\n'
                 b"x\r\n--b--\r\n")
        status, body = self.service.upload_text(parts, "", "multipart/form-data; boundary=b")
        self.assertEqual(status, 422, body)
        self.assertIn("train.features", json.dumps(body))
        status, body = self.service.upload_text(b"nonsense", "", "multipart/form-data; boundary=b")
        self.assertIn(status, (400, 422), body)

    def test_lying_array_files(self):
        from service import idx, images
        features, labels = images(20, 1)

        def upload(**parts):
            body = b""
            for name, data in parts.items():
                body += (f'--b\r\nContent-Disposition: form-data; name="{name.replace("_", ".")}"; '
                         'filename="f"\r\n\r\n').encode() + data + b"\r\n"
            return self.service.upload_text(body + b"--b--\r\n", "",
                                            "multipart/form-data; boundary=b")

        for what, parts in (
                ("truncated", {"train_features": features[:-7], "train_labels": labels}),
                ("trailing", {"train_features": features + b"xx", "train_labels": labels}),
                ("count", {"train_features": features, "train_labels": images(19, 1)[1]}),
                ("huge", {"train_features": idx(8, (2 ** 31, 2 ** 31), b""),
                          "train_labels": labels}),
                ("rank", {"train_features": bytes([0, 0, 8, 200]) + bytes(800),
                          "train_labels": labels}),
                ("type", {"train_features": bytes([0, 0, 99, 1]) + bytes(4),
                          "train_labels": labels}),
                ("shapes", {"train_features": features, "train_labels": labels,
                            "test_features": idx(8, (2, 3, 3), bytes(18)),
                            "test_labels": idx(8, (2,), bytes(2))}),
                ("labels alone", {"train_labels": labels})):
            with self.subTest(what=what):
                status, body = upload(**parts)
                self.assertIn(status, (400, 413, 422), body)
                self.assertTrue(body["detail"])

    def raw(self, data):
        """Bytes on a socket; the status line that comes back ("" when it was just closed)."""
        with socket.create_connection(("127.0.0.1", self.service.port), timeout=10) as peer:
            answer = b""
            try:
                peer.sendall(data)
                peer.shutdown(socket.SHUT_WR)
                while b"\r\n" not in answer and (chunk := peer.recv(65536)):
                    answer += chunk
            except OSError as error:
                self.assertNotIsInstance(error, TimeoutError)
            return answer.split(b"\r\n")[0].decode()

    def test_bytes_that_are_no_http(self):
        for data in (b"\x00\x01\x02\x03\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                     b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                     b"GET /livez HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
                     b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
                     b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{}",
                     b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"):
            with self.subTest(data=data[:30]):
                status = self.raw(data)
                self.assertTrue(status == "" or status.split()[1][0] == "4" or
                                status.split()[1] == "505", status)

    def test_an_address_with_a_host_means_its_path(self):
        for data, expected in ((b"GET http://localhost/livez", "200"), (b"GET HTTP://[::1]/livez", "200"),
                               (b"GET http://evil.example/livez", "421"),
                               (b"GET http://localhost/nothing", "404"), (b"GET http://", "404"),
                               (b"GET http://localhost?x=1", "404"), (b"GET ftp://h/livez", "404")):
            with self.subTest(data=data):
                status = self.raw(data + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertEqual(status.split()[1], expected)

    def test_a_foreign_host_and_origin_are_refused(self):
        status, _, _ = self.service.request("GET", "/v1/jobs", headers={"Host": "evil.example"})
        self.assertIn(status, (400, 403, 421))
        status, _, _ = self.post(self.changed(), Origin="http://evil.example")
        self.assertEqual(status, 403)

    def test_a_body_where_none_belongs_does_no_harm(self):
        status, _, _ = self.service.request("GET", "/v1/info", b"x" * 100000)
        self.assertIn(status, (200, 400, 413))


if __name__ == "__main__":
    unittest.main()
