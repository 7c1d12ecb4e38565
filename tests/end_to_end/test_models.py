"""Weights and predictions: safetensors, npz, ranges, and that all say the same."""
import hashlib
import io
import json
import math
import struct
import unittest
import zipfile

from service import ServiceTest, image_parts, spec, spirals_csv


def read_safetensors(data):
    """{name: (shape, floats)}, metadata. Hand-read, by the format's specification."""
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        raw = data[8 + length + begin:8 + length + end]
        tensors[name] = (entry["shape"], struct.unpack(f"<{len(raw) // 4}f", raw))
    return tensors, metadata


def dense(x, weight, bias):
    (rows, columns), values = weight
    return [bias[1][r] + sum(values[r * columns + c] * x[c] for c in range(columns))
            for r in range(rows)]


class ModelsTest(ServiceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        path = cls.scratch / "spirals.csv"
        path.write_text(spirals_csv())
        dataset = cls.client.upload(path)["id"]
        job = cls.client.submit(spec(dataset, "arm", epochs=30))
        cls.job = cls.client.wait(job["id"], timeout=60)
        cls.model = cls.job["model"]

    def weights(self, query="?format=safetensors", **headers):
        return self.service.request("GET", f"/v1/models/{self.model}/weights{query}",
                                    headers={k.replace("_", "-"): v for k, v in headers.items()})

    def test_a_forward_pass_by_hand_gives_the_predictions(self):
        tensors, metadata = read_safetensors(self.weights()[2])
        self.assertEqual(tensors["layers.0.weight"][0], [16, 2])
        self.assertEqual(tensors["layers.1.bias"][0], [2])
        inputs = json.loads(metadata["preprocessing"])["inputs"]
        for row in ({"x": 0.5, "y": -1.0}, {"x": -0.25, "y": 0.75}):
            x = [(row[i["name"]] - i["shift"]) / i["scale"] for i in inputs]
            hidden = [max(0, v) for v in dense(x, tensors["layers.0.weight"],
                                               tensors["layers.0.bias"])]
            logits = dense(hidden, tensors["layers.1.weight"], tensors["layers.1.bias"])
            total = sum(math.exp(v) for v in logits)
            answer = self.client.predict(self.model, rows=[row])[0]
            for label, logit in zip("ab", logits):
                self.assertAlmostEqual(answer["probabilities"][label],
                                       math.exp(logit) / total, delta=1e-5)

    def test_the_digest_is_that_of_the_parameters(self):
        data = self.weights()[2]
        length, = struct.unpack("<Q", data[:8])
        digest = hashlib.sha256(data[8 + length:]).hexdigest()
        self.assertEqual(digest, self.job["weights_sha256"])
        self.assertEqual(digest, self.client.model(self.model)["weights_sha256"])

    def test_npz_holds_the_same_numbers(self):
        tensors, _ = read_safetensors(self.weights()[2])
        archive = zipfile.ZipFile(io.BytesIO(self.weights("?format=npz")[2]))
        self.assertIsNone(archive.testzip())
        self.assertEqual(sorted(archive.namelist()), sorted(f"{n}.npy" for n in tensors))
        for name, (shape, values) in tensors.items():
            array = archive.read(f"{name}.npy")
            self.assertEqual(array[:8], b"\x93NUMPY\x01\x00")
            length, = struct.unpack("<H", array[8:10])
            header = array[10:10 + length].decode()
            self.assertIn(f"'shape': ({', '.join(map(str, shape))}", header)
            self.assertIn("'descr': '<f4'", header)
            self.assertEqual(struct.unpack(f"<{len(values)}f", array[10 + length:]), values)

    def test_any_range_of_the_file_can_be_had(self):
        for query in ("?format=safetensors", "?format=npz"):
            whole = self.weights(query)[2]
            size = len(whole)
            for text, part in (("0-9", whole[:10]), ("5-", whole[5:]), ("-7", whole[-7:]),
                               (f"{size - 3}-{size + 100}", whole[-3:]), ("300-1200", whole[300:1201])):
                status, headers, body = self.weights(query, Range=f"bytes={text}")
                self.assertEqual((status, body), (206, part), text)
                self.assertTrue(headers["Content-Range"].endswith(f"/{size}"))
        status, headers, _ = self.weights(Range=f"bytes={10 ** 9}-")
        self.assertEqual((status, headers["Content-Range"].split("/")[0]), (416, "bytes *"))
        etag = self.weights()[1]["ETag"]
        for known in (etag, "*", f'"x", {etag}', f"W/{etag}"):
            self.assertEqual(self.weights(If_None_Match=known)[0], 304, known)
        self.assertEqual(self.weights(If_None_Match='"x"')[0], 200)

    def test_head_tells_the_length(self):
        status, headers, body = self.service.request(
            "HEAD", f"/v1/models/{self.model}/weights?format=safetensors")
        self.assertEqual((status, body), (200, b""))
        self.assertEqual(int(headers["Content-Length"]), len(self.weights()[2]))

    def test_an_unknown_format_names_the_known_ones(self):
        body = self.assert_problem(self.weights("?format=pickle"), 400)
        self.assertIn("safetensors", body["detail"])

    def predict(self, body):
        return self.service.request("POST", f"/v1/models/{self.model}/predict", body,
                                    {"Content-Type": "application/json"})

    def test_bad_questions_are_answered_with_all_that_is_wrong(self):
        body = self.assert_problem(
            self.predict('{"rows": [{"x": "abc", "y": 1}, {"x": 1, "z": 2}]}'), 422)
        pointers = [error["pointer"] for error in body["errors"]]
        self.assertIn("/rows/0/x", pointers)
        self.assertIn("/rows/1/z", pointers)
        for question in ("", "{", "[]", '{"rows": []}', '{"rows": 3}', '{"inputs": [[1, 2]]}',
                         '{"rows": [{}], "more": 1}', '{"rows": [' + '[' * 5000 + ']}'):
            status, headers, text = self.predict(question)
            self.assertIn(status, (400, 422), question[:40])
            self.assertTrue(json.loads(text)["detail"])

    def test_many_predictions_stay_with_one_warm_worker(self):
        for i in range(50):
            answer = self.client.predict(self.model, rows=[{"x": i / 10, "y": 0.5}] * 20)
            self.assertEqual(len(answer), 20)

    def test_a_number_can_be_used_as_a_category(self):
        lines = [f"{i % 3 + 1},{i % 10},{'no' if i % 3 == 1 else 'yes'}" for i in range(300)]
        text = "\n".join(["Pclass,Age,Survived", *lines])
        _, dataset = self.service.upload_text(text)
        job = self.client.submit(spec(
            dataset["id"], epochs=30,
            features={"inputs": [{"name": "Pclass", "type": "category"}], "target": "Survived"}))
        job = self.client.wait(job["id"], timeout=60)
        self.assertEqual((job["status"], job["metrics"]["test"]["accuracy"]), ("succeeded", 1.0))
        self.client.download(job["model"], self.scratch / "c.safetensors")
        tensors, metadata = read_safetensors((self.scratch / "c.safetensors").read_bytes())
        self.assertEqual(tensors["layers.0.weight"][0], [16, 3])
        self.assertEqual(json.loads(metadata["preprocessing"])["inputs"][0]["values"],
                         ["1", "2", "3"])
        answer = self.client.predict(job["model"], rows=[
            {"Pclass": 2}, {"Pclass": "2"}, {"Pclass": 2.0}, {"Pclass": " 2.0", "Age": "NA"},
            {"Pclass": 3}])
        self.assertEqual([p["label"] for p in answer], ["no"] * 4 + ["yes"])

    def test_an_autoencoder_gives_rows_back_in_their_own_units(self):
        rows = [{"width": i % 10 + 1, "area": 1000.0 * (i % 10 + 1), "kind": "ab"[i % 2]}
                for i in range(200)]
        text = "\n".join(["width,area,kind"] + [f"{r['width']},{r['area']},{r['kind']}"
                                                for r in rows])
        _, dataset = self.service.upload_text(text)
        job = self.client.submit(spec(
            dataset["id"], epochs=60, features={"target": "input"},
            optimizer={"type": "adam", "learning_rate": 0.01}))
        job = self.client.wait(job["id"], timeout=60)
        self.assertEqual(job["status"], "succeeded", job["error"])
        self.assertEqual(job["spec"]["features"]["target"], {"type": "input"})
        self.assertGreater(job["metrics"]["test"]["r2"], 0.99)
        for row, answer in zip(rows, self.client.predict(job["model"], rows=rows[:10])):
            self.assertEqual(list(answer["reconstruction"]), ["width", "area"])
            self.assertAlmostEqual(answer["reconstruction"]["area"], row["area"], delta=600)

    def test_an_autoencoder_of_images_needs_no_labels(self):
        parts = {name: path for name, path in image_parts(self.scratch).items()
                 if name.endswith("features")}
        dataset = self.client.upload(parts=parts)["id"]
        job = self.client.submit(spec(dataset, epochs=2, features={"target": "input"}))
        job = self.client.wait(job["id"], timeout=60)
        self.assertEqual(job["status"], "succeeded", job["error"])
        image = [[(7 * y + 31 * x) % 256 for x in range(5)] for y in range(6)]
        answer = self.client.predict(job["model"], inputs=[image])[0]["reconstruction"]
        self.assertEqual([len(line) for line in answer], [5] * 6)

    def test_images_are_scaled_as_in_training(self):
        dataset = self.client.upload(parts=image_parts(self.scratch))["id"]
        job = self.client.wait(self.client.submit(spec(dataset, epochs=3))["id"], timeout=60)
        self.client.download(job["model"], self.scratch / "w.safetensors")
        tensors, _ = read_safetensors((self.scratch / "w.safetensors").read_bytes())
        image = [[(7 * y + 31 * x) % 256 for x in range(5)] for y in range(6)]
        x = [value / 255 for line in image for value in line]
        hidden = [max(0, v) for v in dense(x, tensors["layers.0.weight"],
                                           tensors["layers.0.bias"])]
        logits = dense(hidden, tensors["layers.1.weight"], tensors["layers.1.bias"])
        total = sum(math.exp(v) for v in logits)
        answer = self.client.predict(job["model"], inputs=[image])[0]["probabilities"]
        self.assertAlmostEqual(answer["1"], math.exp(logits[1]) / total, delta=1e-5)


if __name__ == "__main__":
    unittest.main()
