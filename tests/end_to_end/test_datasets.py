"""Uploads: tables, arrays, their facts, previews and deletion."""
import gzip
import hashlib
import json
import time
import unittest

from backpropd import Problem
from service import ServiceTest, idx, image_parts, images, passengers_csv, prices_csv, spec


class DatasetsTest(ServiceTest):
    def columns(self, dataset):
        return {column["name"]: column for column in dataset["columns"]}

    def test_a_table_is_understood(self):
        text = passengers_csv()
        status, dataset = self.service.upload_text(text, "?name=passengers")
        self.assertEqual(status, 201, dataset)
        self.assertEqual((dataset["object"], dataset["kind"], dataset["name"]),
                         ("dataset", "table", "passengers"))
        self.assertEqual(dataset["sha256"], hashlib.sha256(text.encode()).hexdigest())
        self.assertEqual(dataset["bytes"], len(text))
        self.assertEqual(dataset["rows"]["train"], 300)
        columns = self.columns(dataset)
        self.assertEqual([columns[name]["type"] for name in ("Sex", "Age", "Name", "Port")],
                         ["category", "number", "text", "category"])
        self.assertTrue(columns["Id"]["row_id"])
        self.assertEqual(columns["Sex"]["values"], ["female", "male"])
        self.assertGreater(columns["Age"]["missing"], 30)
        ages = [float(line.split('",')[1].split(",")[1]) for line in text.splitlines()[1:]
                if line.split('",')[1].split(",")[1]]
        mean = sum(ages) / len(ages)
        self.assertAlmostEqual(columns["Age"]["mean"], mean, places=6)
        self.assertAlmostEqual(
            columns["Age"]["std"], (sum((a - mean) ** 2 for a in ages) / len(ages)) ** 0.5,
            places=6)

    def test_a_messy_table_trains_without_cleaning(self):
        _, dataset = self.service.upload_text(passengers_csv())
        job = self.client.submit(spec(dataset["id"], "Survived", epochs=40))
        job = self.client.wait(job["id"], timeout=60)
        self.assertEqual(job["status"], "succeeded", job["error"])
        self.assertGreater(job["metrics"]["test"]["accuracy"], 0.75)
        inputs = [i["name"] for i in job["spec"]["features"]["inputs"]]
        self.assertEqual(inputs, ["Sex", "Age", "Fare", "Port"])
        answer = self.client.predict(job["model"], rows=[
            {"Sex": "female", "Age": 30, "Fare": 20, "Port": "S"}, {"Sex": "male"}])
        self.assertEqual([p["label"] for p in answer], ["1", "0"])
        self.assertAlmostEqual(sum(answer[0]["probabilities"].values()), 1, places=5)

    def test_delimiters_gzip_and_missing_headers_are_found(self):
        _, dataset = self.service.upload_text(gzip.compress(prices_csv().encode()))
        self.assertEqual(list(self.columns(dataset)), ["size", "rooms", "kind", "price"])
        _, dataset = self.service.upload_text("1,2.5,a\r\n2,3.5,b\r\n3,4.5,a\r\n")
        self.assertEqual(list(self.columns(dataset)), ["c0", "c1", "c2"])
        self.assertEqual(dataset["rows"]["train"], 3)
        _, dataset = self.service.upload_text("1,2\n3,4\n", "?header=true")
        self.assertEqual(list(self.columns(dataset)), ["1", "2"])

    def test_a_delimiter_may_be_named_or_be_itself(self):
        for name in ("tab", "%09"):
            status, dataset = self.service.upload_text("a b\tc\n1\t2\n", f"?delimiter={name}")
            self.assertEqual(status, 201, dataset)
            self.assertEqual(list(self.columns(dataset)), ["a b", "c"])

    def test_labels_may_be_negative(self):
        features, _ = images(60, 1)
        labels = idx(9, (60,), bytes(255 if i % 2 else 1 for i in range(60)))
        dataset = self.client.upload(name="signs", parts={
            "train.features": self.write("f", features), "train.labels": self.write("l", labels)})
        self.assertEqual(dataset["columns"][0]["values"], ["-1", "1"])
        job = self.client.wait(self.client.submit(spec(dataset["id"]))["id"], timeout=60)
        self.assertEqual(job["spec"]["features"]["target"]["type"], "category")
        answer = self.client.predict(job["model"], inputs=[[0] * 30])[0]
        self.assertEqual(set(answer["probabilities"]), {"-1", "1"})

    def test_images_come_as_parts_and_train(self):
        dataset = self.client.upload(parts=image_parts(self.scratch), name="lines")
        self.assertEqual((dataset["kind"], dataset["rows"]), ("arrays", {"train": 600, "test": 200}))
        self.assertEqual(dataset["sample_shape"], [6, 5])
        job = self.client.submit(spec(dataset["id"], epochs=40))
        job = self.client.wait(job["id"], timeout=60)
        self.assertEqual(job["status"], "succeeded", job["error"])
        self.assertGreater(job["metrics"]["test"]["accuracy"], 0.95)
        bright = [[250] * 5 if y == 2 else [20] * 5 for y in range(6)]
        self.assertEqual(self.client.predict(job["model"], inputs=[bright])[0]["label"], "1")

    def test_a_preview_shows_rows_and_statistics(self):
        _, dataset = self.service.upload_text(passengers_csv())
        preview = self.client.preview(dataset["id"])
        self.assertEqual(preview["rows"][0]["Name"], 'Doe, "J." 0')
        self.assertEqual(len(preview["columns"]), 7)

    def test_a_dataset_in_use_is_not_deleted(self):
        _, dataset = self.service.upload_text(passengers_csv())
        job = self.client.submit(spec(dataset["id"], "Survived", units=256, epochs=100000))["id"]
        with self.assertRaises(Problem) as caught:
            self.client.delete_dataset(dataset["id"])
        self.assertEqual(caught.exception.status, 409)
        self.client.cancel(job)
        self.client.wait(job, timeout=30)
        self.client.delete_dataset(dataset["id"])
        self.assert_problem(self.service.request("GET", f"/v1/datasets/{dataset['id']}"), 404)

    def test_two_uploads_of_the_same_bytes_are_two_datasets(self):
        _, first = self.service.upload_text("a,b\n1,2\n3,4\n")
        _, second = self.service.upload_text("a,b\n1,2\n3,4\n")
        self.assertNotEqual(first["id"], second["id"])
        self.client.delete_dataset(first["id"])
        self.assertEqual(self.client.preview(second["id"])["rows"][1]["b"], 4)

    def test_datasets_are_listed_newest_first(self):
        names = [self.service.upload_text("a,b\n1,2\n", f"?name=n{i}")[1]["name"]
                 for i in range(3)]
        listed = [dataset["name"] for dataset in self.client.datasets()]
        self.assertEqual(listed[:3], names[::-1])


class LyingFilesTest(ServiceTest):
    """Files that are not what they say: a clear 4xx each, and nothing is left behind."""

    def refuse(self, text, *phrases, query="", content_type="text/csv"):
        status, body = self.service.upload_text(text, query, content_type)
        self.assertIn(status, (400, 413, 415, 422), body)
        said = json.dumps(body)
        for phrase in phrases:
            self.assertIn(phrase, said)

    def test_tables_that_are_none(self):
        self.refuse("", "found none")
        self.refuse("a,b\n1,2\n3\n", "row 2")
        self.refuse('a,b\n1,"2\n', "quote")
        self.refuse(b"\x89PNG\r\n\x1a\n" + bytes(100))
        self.refuse(bytes(1000))
        self.refuse(b"a,b\n1,\xff\xfe\n", "UTF-8")
        self.refuse("a,b\n", "row")
        self.refuse("a,b", "--data-binary")  # curl -d drops line ends

    def test_compressed_lies(self):
        whole = gzip.compress(b"a,b\n" + b"1,2\n" * 1000)
        self.refuse(whole[:-20], "gzip")
        self.refuse(whole[:30] + b"\x00\x01\x02" + whole[33:], "gzip")

    def test_a_bomb_is_stopped_at_its_bound(self):
        bomb = gzip.compress(b"1,2,3,4,5,6,7,8\n" * (1 << 22), compresslevel=9)
        service = self.service
        status, body = service.upload_text(bomb)
        self.assertEqual(status, 201, "64 MB of rows are a dataset")
        twice = gzip.compress(bomb)
        status, body = service.upload_text(twice)
        self.assertIn(status, (413, 422), body)

    def test_nothing_is_left_in_the_folder_of_temporary_files(self):
        self.refuse("a,b\n1,2\n3\n")
        folder = self.service.folder / "data" / "tmp"
        deadline = time.monotonic() + 5
        while list(folder.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(list(folder.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
