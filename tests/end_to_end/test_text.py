"""Language models: a text goes up, a network learns it, and goes on with it."""
import http.client
import json
import time
import unittest

from backpropd import Problem
from service import ServiceTest, spirals_csv, spec as table_spec

PHRASE = "der Bär saß am Fluß. "


def spec(dataset, **more):
    """A small transformer that learns the phrase in a second."""
    body = {"dataset": dataset, "seed": 3, "epochs": 10, "batch_size": 8,
            "features": {"context_length": 24},
            "model": {"layers": [
                {"type": "embedding", "output_dim": 16}, {"type": "position_embedding"},
                {"type": "transformer_block", "num_heads": 2, "causal": True},
                {"type": "layer_norm"}, {"type": "dense", "units": "auto"}]},
            "optimizer": {"type": "adamw", "learning_rate": 0.01},
            "split": {"fractions": {"train": 0.8, "validation": 0.2}}}
    body.update(more)
    return body


class TextTest(ServiceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        status, cls.dataset = cls.service.upload_text(PHRASE * 300, "?name=bear", "text/plain")
        assert status == 201, cls.dataset
        cls.job = cls.client.wait(cls.client.submit(spec(cls.dataset["id"]))["id"], timeout=60)
        cls.model = cls.job["model"]

    def generate(self, body, **headers):
        headers = {"Content-Type": "application/json",
                   **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.service.request("POST", f"/v1/models/{self.model}/generate",
                                    json.dumps(body), headers)

    def test_a_text_tells_its_characters(self):
        self.assertEqual(self.dataset["kind"], "text")
        self.assertEqual(self.dataset["rows"]["train"], len((PHRASE * 300).encode()))
        self.assertEqual(self.dataset["text"]["characters"], len(PHRASE) * 300)
        self.assertEqual(self.dataset["text"]["alphabet"], "".join(sorted(set(PHRASE))))

    def test_training_reaches_the_end_and_tells_perplexity(self):
        self.assertEqual(self.job["status"], "succeeded", self.job["error"])
        best = self.job["metrics"]["best"]
        self.assertLess(best["val_perplexity"], 1.5)
        self.assertGreater(best["val_accuracy"], 0.9)
        names = {series["name"] for series in self.client.metrics(self.job["id"])["series"]}
        self.assertTrue({"perplexity", "val_perplexity", "accuracy"} <= names)
        self.assertEqual(self.job["spec"]["features"]["vocabulary"], len(set(PHRASE)))
        self.assertEqual(self.client.model(self.model)["preprocessing"]["kind"], "text")

    def test_evaluating_gives_the_validation_metrics_again(self):
        answer = self.client.evaluate(self.model, self.dataset["id"], "validation")
        latest = self.job["metrics"]["latest"]
        for name in ("loss", "accuracy", "perplexity", "precision", "recall", "f1"):
            self.assertAlmostEqual(answer["metrics"][name], latest["val_" + name], 4)
        self.assertIsNone(answer["confusion_matrix"])
        everything = self.client.evaluate(self.model, self.dataset["id"])
        self.assertGreater(everything["rows"], answer["rows"])
        status, other = self.service.upload_text("ganz anders\n" * 100, "?name=other",
                                                 "text/plain")
        self.assertEqual(status, 201)
        with self.assertRaises(Problem) as caught:
            self.client.evaluate(self.model, other["id"])
        self.assertEqual(caught.exception.errors[0]["pointer"], "/dataset")

    def test_the_likeliest_text_is_the_phrase(self):
        answer = self.client.generate(self.model, "der B", max_tokens=60, temperature=0)
        self.assertEqual(answer["text"], (PHRASE * 4)[5:65])
        self.assertEqual((answer["object"], answer["tokens"], answer["prompt_tokens"],
                          answer["finish_reason"]), ("generation", 60, 5, "length"))
        longer = self.client.generate(self.model, PHRASE * 5 + "der B", max_tokens=9, temperature=0)
        self.assertEqual(longer["text"], PHRASE[5:14])

    def test_the_same_seed_gives_the_same_text_whole_or_in_pieces(self):
        options = {"max_tokens": 80, "temperature": 3.0, "seed": 8}
        whole = self.client.generate(self.model, "am ", **options)["text"]
        self.assertEqual(whole, self.client.generate(self.model, "am ", **options)["text"])
        self.assertEqual(whole, "".join(self.client.generate_stream(self.model, "am ", **options)))
        others = {self.client.generate(self.model, "am ", **dict(options, seed=seed))["text"]
                  for seed in range(3)}
        self.assertEqual(len(others), 3)
        top = self.client.generate(self.model, "am ", **dict(options, top_k=1))["text"]
        self.assertEqual(top, self.client.generate(self.model, "am ", max_tokens=80,
                                                   temperature=0)["text"])

    def test_a_stream_ends_with_the_whole_answer(self):
        status, headers, text = self.generate({"prompt": "der ", "max_tokens": 20},
                                              Accept="text/event-stream")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/event-stream"))
        events = [block.split("\n") for block in text.decode().strip().split("\n\n")]
        self.assertEqual({event[0] for event in events[:-1]}, {"event: text"})
        self.assertEqual(events[-1][0], "event: done")
        done = json.loads(events[-1][1].removeprefix("data: "))
        pieces = [json.loads(event[1].removeprefix("data: "))["text"] for event in events[:-1]]
        self.assertEqual("".join(pieces), done["text"])
        self.assertEqual(done["tokens"], 20)

    def test_who_goes_away_ends_the_generation(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=30)
        began = time.monotonic()
        for _ in range(5):
            connection.request("POST", f"/v1/models/{self.model}/generate", json.dumps(
                {"prompt": "am ", "max_tokens": 10000, "stream": True}),
                {"Content-Type": "application/json"})
            answer = connection.getresponse()
            self.assertEqual(answer.status, 200)
            answer.read(20)
            connection.close()
        self.client.generate(self.model, "am ", max_tokens=1)
        self.assertLess(time.monotonic() - began, 20)

    def test_the_next_token_can_be_asked_for(self):
        first, second = self.client.predict(self.model, inputs=["der B", "saß am Flu"])
        self.assertEqual((first["next"][0]["token"], second["next"][0]["token"]), ("ä", "ß"))
        self.assertEqual(len(first["next"]), 10)
        chances = [entry["probability"] for entry in first["next"]]
        self.assertEqual(chances, sorted(chances, reverse=True))
        self.assertLessEqual(sum(chances), 1 + 1e-9)

    def test_bad_questions_are_answered_with_all_that_is_wrong(self):
        body = self.assert_problem(self.generate(
            {"prompt": "der Xaver", "max_tokens": 0, "temperature": "hot", "top": 3}), 422)
        self.assertEqual({error["pointer"] for error in body["errors"]},
                         {"/prompt", "/max_tokens", "/temperature", "/top"})
        for question, status in (({"prompt": ""}, 422), ({}, 422), ([], 422), ({"prompt": 3}, 422),
                                 ({"prompt": "d", "stream": 1}, 422),
                                 ({"prompt": "d", "seed": -1}, 422),
                                 ({"prompt": "X", "stream": True}, 422)):
            self.assert_problem(self.generate(question, Accept="text/event-stream"), status)
        answer = self.service.request("POST", f"/v1/models/{self.model}/generate", "{",
                                      {"Content-Type": "application/json"})
        self.assert_problem(answer, 400)
        answer = self.service.request("POST", "/v1/models/mdl_none/generate", '{"prompt": "d"}',
                                      {"Content-Type": "application/json"})
        self.assert_problem(answer, 404)
        with self.assertRaises(Problem) as refused:
            self.client.predict(self.model, inputs=["der", "", "X"])
        self.assertEqual({error["pointer"] for error in refused.exception.errors},
                         {"/inputs/1", "/inputs/2"})

    def test_a_model_of_a_table_does_not_generate(self):
        _, dataset = self.service.upload_text(spirals_csv())
        job = self.client.wait(self.client.submit(table_spec(dataset["id"], "arm"))["id"], timeout=60)
        with self.assertRaises(Problem) as refused:
            self.client.generate(job["model"], "der")
        self.assertEqual((refused.exception.status, refused.exception.code),
                         (422, "not_a_text_model"))

    def test_bytes_that_are_no_characters_are_replaced(self):
        body = spec(self.dataset["id"], epochs=1, steps_per_epoch=1)
        body["features"]["tokenizer"] = "byte"
        job = self.client.wait(self.client.submit(body)["id"], timeout=60)
        self.assertEqual(job["progress"]["steps"], 1)
        options = {"max_tokens": 300, "temperature": 50}
        answer = self.client.generate(job["model"], "ß", **options)
        self.assertEqual((answer["tokens"], answer["prompt_tokens"]), (300, 2))
        self.assertIn("\ufffd", answer["text"])
        pieces = self.client.generate_stream(job["model"], "ß", **options)
        self.assertEqual("".join(pieces), answer["text"])

    def test_a_network_that_answers_once_needs_a_whole_window(self):
        body = spec(self.dataset["id"], epochs=3)
        body["features"]["context_length"] = 8
        body["model"]["layers"] = [{"type": "embedding", "output_dim": 8}, {"type": "flatten"},
                                   {"type": "dense", "units": "auto"}]
        job = self.client.wait(self.client.submit(body)["id"], timeout=60)
        self.assertEqual(job["status"], "succeeded", job["error"])
        answer = self.client.generate(job["model"], "der Bär ", max_tokens=13, temperature=0)
        self.assertEqual(len(answer["text"]), 13)
        with self.assertRaises(Problem) as refused:
            self.client.generate(job["model"], "der")
        self.assertIn("at least 8 tokens", refused.exception.detail)

    def test_validation_and_the_gradient_check_know_texts(self):
        report = self.client.validate(spec(self.dataset["id"]))
        self.assertEqual(report["layers"][0]["output_shape"], [24, 16])
        self.assertEqual(report["layers"][-1]["output_shape"], [24, len(set(PHRASE))])
        status, _, text = self.service.request(
            "POST", "/v1/jobs:gradcheck", json.dumps(spec(self.dataset["id"])),
            {"Content-Type": "application/json"})
        self.assertEqual(status, 200, text)
        self.assertTrue(json.loads(text)["passed"], text)
        with self.assertRaises(Problem) as refused:
            self.client.validate(spec(self.dataset["id"], features={"context_length": 10000}))
        self.assertIn("/features/context_length",
                      {error["pointer"] for error in refused.exception.errors})


if __name__ == "__main__":
    unittest.main()
