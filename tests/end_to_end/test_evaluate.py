"""POST /v1/models/{id}/evaluate: what a model is worth on a dataset, beside predict."""
import math
import subprocess
import unittest

from backpropd import Problem
from service import BIN, ServiceTest, image_parts, prices_csv, spec, spirals_csv


class EvaluateTest(ServiceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.spirals = cls.put("spirals", spirals_csv())
        cls.prices = cls.put("prices", prices_csv())
        cls.classes = cls.train(spec(cls.spirals, "arm", epochs=20))
        cls.numbers = cls.train(spec(cls.prices, "price", epochs=20))

    @classmethod
    def put(cls, name, text):
        path = cls.scratch / f"{name}.csv"
        path.write_text(text)
        return cls.client.upload(path, name=name)["id"]

    @classmethod
    def train(cls, body):
        job = cls.client.submit(body)
        return cls.client.wait(job["id"], timeout=60)

    def refused(self, model, body, pointer, phrase):
        with self.assertRaises(Problem) as caught:
            self.client._json("POST", f"/v1/models/{model}/evaluate", body=body)
        self.assertEqual(caught.exception.status, 422)
        found = {error["pointer"]: error["detail"] for error in caught.exception.errors}
        self.assertIn(pointer, found)
        self.assertIn(phrase, found[pointer])

    def test_the_test_split_scores_as_it_did_at_the_end_of_the_job(self):
        for job, dataset in ((self.classes, self.spirals), (self.numbers, self.prices)):
            answer = self.client.evaluate(job["model"], dataset, "test")
            self.assertEqual((answer["object"], answer["model"], answer["dataset"],
                              answer["split"], answer["rows"]),
                             ("evaluation", job["model"], dataset, "test", 40))
            self.assertEqual(set(answer["metrics"]), set(job["metrics"]["test"]))
            for name, value in job["metrics"]["test"].items():
                self.assertAlmostEqual(answer["metrics"][name], value, 5, name)

    def test_the_metrics_follow_from_the_predictions(self):
        answer = self.client.evaluate(self.classes["model"], self.spirals)
        rows = [line.split(",") for line in spirals_csv().split()[1:]]
        self.assertEqual(answer["rows"], len(rows))
        predictions = self.client.predict(
            self.classes["model"], rows=[{"x": float(x), "y": float(y)} for x, y, _ in rows])
        counts = [[0, 0], [0, 0]]
        loss, scores = 0.0, {"a": [], "b": []}
        for (_, _, arm), prediction in zip(rows, predictions):
            counts["ab".index(arm)]["ab".index(prediction["label"])] += 1
            loss -= math.log(prediction["probabilities"][arm])
            probabilities = prediction["probabilities"]
            scores[arm].append(math.log(probabilities["b"] / probabilities["a"]))
        metrics = answer["metrics"]
        self.assertEqual(answer["confusion_matrix"], {"labels": ["a", "b"], "counts": counts})
        self.assertAlmostEqual(metrics["loss"], loss / len(rows), 4)
        self.assertAlmostEqual(metrics["accuracy"], (counts[0][0] + counts[1][1]) / len(rows), 9)
        precision = [counts[c][c] / (counts[0][c] + counts[1][c]) for c in (0, 1)]
        recall = [counts[c][c] / sum(counts[c]) for c in (0, 1)]
        f1 = [2 * p * r / (p + r) for p, r in zip(precision, recall)]
        for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
            self.assertAlmostEqual(metrics[name], sum(values) / 2, 9)
        ahead = sum((b > a) + (b == a) / 2 for b in scores["b"] for a in scores["a"])
        self.assertAlmostEqual(metrics["auc"], ahead / len(scores["a"]) / len(scores["b"]), 3)

    def test_numbers_have_no_matrix(self):
        answer = self.client.evaluate(self.numbers["model"], self.prices, "validation")
        self.assertIsNone(answer["confusion_matrix"])
        self.assertEqual(set(answer["metrics"]), {"loss", "r2", "mae"})

    def test_another_dataset_goes_through_the_models_preprocessing(self):
        lines = prices_csv().splitlines()
        half = self.put("half", "\n".join(lines[:1] + lines[201:]) + "\n")
        answer = self.client.evaluate(self.numbers["model"], half)
        self.assertEqual(answer["rows"], 200)
        errors = []
        for line in lines[201:]:
            size, rooms, kind, price = line.split(";")
            value = self.client.predict(self.numbers["model"], rows=[
                {"size": size, "rooms": rooms, "kind": kind}])[0]["value"]
            errors.append(abs(value - float(price)))
        mean = sum(errors) / len(errors)
        self.assertAlmostEqual(answer["metrics"]["mae"] / mean, 1, 4)

    def test_both_parts_of_images_are_all(self):
        dataset = self.client.upload(parts=image_parts(self.scratch), name="images")["id"]
        job = self.train(spec(dataset, epochs=2))
        answer = self.client.evaluate(job["model"], dataset)
        self.assertEqual(answer["rows"], 800)
        self.assertEqual(sum(map(sum, answer["confusion_matrix"]["counts"])), 800)
        test = self.client.evaluate(job["model"], dataset, "test")
        self.assertEqual(test["rows"], 200)
        self.assertAlmostEqual(test["metrics"]["loss"], job["metrics"]["test"]["loss"], 5)

    def test_what_does_not_fit_is_said(self):
        model = self.classes["model"]
        self.refused(model, {"dataset": self.prices}, "/dataset", "column")
        self.refused(model, {"dataset": "ds_nothing"}, "/dataset", "no such dataset")
        self.refused(model, {"split": "all"}, "/dataset", "expected the ID")
        self.refused(model, {"dataset": self.spirals, "split": "half"}, "/split", "one of")
        self.refused(model, {"dataset": self.spirals, "rows": 1}, "", "found one more")
        twin = self.put("twin", spirals_csv(seed=9))
        self.refused(model, {"dataset": twin, "split": "test"}, "/split", "another dataset")
        self.assertGreater(self.client.evaluate(model, twin)["metrics"]["accuracy"], 0.5)
        job = self.train(spec(self.spirals, "arm", epochs=1, split={
            "fractions": {"train": 0.9, "validation": 0.1}}))
        with self.assertRaises(Problem) as caught:
            self.client.evaluate(job["model"], self.spirals, "test")
        self.assertEqual(caught.exception.status, 422)
        with self.assertRaises(Problem) as caught:
            self.client.evaluate("mdl_nothing", self.spirals)
        self.assertEqual(caught.exception.status, 404)

    def test_the_command_line_prints_it(self):
        done = subprocess.run([BIN / "backprop", "--url", self.client.url, "evaluate",
                               self.classes["model"], self.spirals, "test"],
                              capture_output=True, text=True, check=True)
        self.assertIn('"confusion_matrix"', done.stdout)


if __name__ == "__main__":
    unittest.main()
