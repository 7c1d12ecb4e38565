"""ONNX downloads: valid files whose values are those of predict, for every layer."""
import json
import random
import struct
import unittest

import numpy as np

from onnx_numpy import Model
from service import ServiceTest, image_parts, passengers_csv, prices_csv, spec, spirals_csv

FLOAT = 13  # of an IDX file
TOLERANCE = 2e-5


def idx(element, shape, payload):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, element, len(shape), *shape) + payload


def arrays(folder, shape, rows=60, seed=1):
    """Files of float samples of any shape, whose sum says the class."""
    rng = random.Random(seed)
    count = int(np.prod(shape))
    samples = np.array([[rng.gauss(0, 1) for _ in range(count)] for _ in range(rows)], dtype=">f4")
    labels = bytes((samples.sum(axis=1) > 0).astype(np.uint8) + (samples[:, 0] > 1))
    features = folder / f"features-{'x'.join(map(str, shape))}.idx"
    features.write_bytes(idx(FLOAT, (rows, *shape), samples.tobytes()))
    target = folder / f"labels-{'x'.join(map(str, shape))}.idx"
    target.write_bytes(idx(8, (rows,), labels))
    return {"train.features": features, "train.labels": target}, samples.astype(np.float32)


class OnnxTest(ServiceTest):
    def train(self, body):
        job = self.client.wait(self.client.submit(body)["id"], timeout=120)
        self.assertEqual(job["status"], "succeeded", job["error"])
        return job["model"]

    def download(self, model):
        status, headers, data = self.service.request(
            "GET", f"/v1/models/{model}/weights?format=onnx")
        self.assertEqual(status, 200, data[:300])
        self.assertEqual(int(headers["Content-Length"]), len(data))
        self.assertIn(".onnx", headers["Content-Disposition"])
        return data

    def model_of(self, body):
        model = self.train(body)
        return model, Model(self.download(model))

    def assert_classes_agree(self, predictions, outputs):
        self.assertEqual([p["label"] for p in predictions], list(outputs["label"]))
        expected = np.array([list(p["probabilities"].values()) for p in predictions])
        np.testing.assert_allclose(outputs["probabilities"], expected, rtol=0, atol=TOLERANCE)

    def check_network(self, shape, layers):
        """Trains the layers for a moment on samples of a shape; returns the ONNX model."""
        parts, samples = arrays(self.scratch, shape)
        dataset = self.client.upload(parts=parts)["id"]
        body = {"dataset": dataset, "epochs": 2, "batch_size": 16, "model": {"layers": layers}}
        model, onnx_model = self.model_of(body)
        inputs = samples.reshape(-1, *shape)[:20]
        predictions = self.client.predict(model, inputs=inputs.tolist())
        self.assert_classes_agree(predictions, onnx_model.run({"input": inputs}))
        return onnx_model

    # ---- ends ----

    def test_a_table_goes_in_as_it_is(self):
        path = self.scratch / "passengers.csv"
        path.write_text(passengers_csv())
        dataset = self.client.upload(path)["id"]
        model, network = self.model_of(spec(dataset, features={"target": "Survived", "inputs": [
            {"name": "Port", "missing": "indicator"},
            {"name": "Age", "missing": "indicator"}, "Sex",
            {"name": "Fare", "normalization": "minmax"}]}))
        self.assertEqual(network.inputs, ["Port", "Age", "Sex", "Fare"])
        rows = [{"Port": port, "Age": age, "Sex": sex, "Fare": fare}
                for port in ("S", "C", "Q", "elsewhere", None) for age in (None, 4, 61.5)
                for sex in ("male", "female", None) for fare in (0.5, 300)]
        inputs = {}
        for name in ("Port", "Sex"):
            inputs[name] = np.array([[row[name] or ""] for row in rows], dtype=object)
        for name in ("Age", "Fare"):
            inputs[name] = np.array([[np.nan if row[name] is None else row[name]] for row in rows],
                                    dtype=np.float32)
        self.assert_classes_agree(self.client.predict(model, rows=rows), network.run(inputs))

    def test_columns_may_be_called_as_an_output(self):
        text = "value,label,other\n" + "".join(
            f"{i % 7},{'ab'[i % 2]},{i % 5}\n" for i in range(100))
        _, dataset = self.service.upload_text(text)
        model, network = self.model_of(spec(dataset["id"], "other", features={
            "target": {"name": "other", "type": "number"}, "inputs": ["value", "label"]}))
        self.assertEqual(network.inputs, ["input:value", "input:label"])
        self.assertEqual(network.outputs, ["value"])

    def test_numbers_come_out_in_their_own_units(self):
        path = self.scratch / "prices.csv"
        path.write_text(prices_csv())
        model, network = self.model_of(spec(self.client.upload(path)["id"], "price"))
        rows = [{"size": 80.5, "rooms": 3, "kind": "flat"}, {"size": 150, "rooms": 1, "kind": "house"}]
        outputs = network.run({
            "size": np.array([[80.5], [150]], np.float32), "rooms": np.array([[3], [1]], np.float32),
            "kind": np.array([["flat"], ["house"]], dtype=object)})
        expected = [p["value"] for p in self.client.predict(model, rows=rows)]
        np.testing.assert_allclose(outputs["value"], expected, rtol=1e-5)

    def test_bytes_go_in_as_bytes(self):
        dataset = self.client.upload(parts=image_parts(self.scratch))["id"]
        model, network = self.model_of(spec(dataset, epochs=2))
        image = np.array([[(7 * y + 31 * x) % 256 for x in range(5)] for y in range(6)], np.uint8)
        self.assert_classes_agree(self.client.predict(model, inputs=[image.tolist()]),
                                  network.run({"input": image[None]}))

    def test_one_logit_gives_two_probabilities(self):
        path = self.scratch / "spirals.csv"
        path.write_text(spirals_csv())
        body = spec(self.client.upload(path)["id"], "arm")
        body["loss"] = "binary_cross_entropy"
        model, network = self.model_of(body)
        rows = [{"x": 0.5, "y": -1.0}, {"x": -0.25, "y": 0.75}]
        outputs = network.run({"x": np.array([[0.5], [-0.25]], np.float32),
                               "y": np.array([[-1.0], [0.75]], np.float32)})
        self.assert_classes_agree(self.client.predict(model, rows=rows), outputs)

    def test_the_file_says_what_it_is(self):
        path = self.scratch / "spirals.csv"
        path.write_text(spirals_csv())
        model, network = self.model_of(spec(self.client.upload(path)["id"], "arm"))
        described = self.client.model(model)
        self.assertEqual(json.loads(network.metadata["preprocessing"]), described["preprocessing"])
        self.assertEqual(json.loads(network.metadata["spec"]), described["spec"])
        self.assertEqual(network.proto.opset_import[0].version, 17)
        data = self.download(model)
        part = self.service.request("GET", f"/v1/models/{model}/weights?format=onnx",
                                    headers={"Range": "bytes=100-1999"})
        self.assertEqual((part[0], part[2]), (206, data[100:2000]))

    def test_a_model_that_onnx_cannot_say_is_refused(self):
        parts, _ = arrays(self.scratch, (4,))
        body = {"dataset": self.client.upload(parts=parts)["id"], "epochs": 1,
                "features": {"target": "input"},
                "model": {"layers": [{"type": "dense", "units": 2}, {"type": "dense", "units": "auto"}]}}
        model = self.train(body)
        problem = self.assert_problem(self.service.request(
            "GET", f"/v1/models/{model}/weights?format=onnx"), 409, "format_unavailable")
        self.assertIn("safetensors, npz", problem["detail"])

    # ---- layers ----

    def test_dense_networks_with_joins_and_norms(self):
        network = self.check_network((7,), [
            {"type": "dense", "units": 8, "name": "a"},
            {"type": "batch_norm"}, {"type": "relu", "name": "r"},
            {"type": "dense", "units": 8, "activation": "tanh", "use_bias": False, "name": "b"},
            {"type": "add", "inputs": ["r", "b"]}, {"type": "layer_norm", "name": "n"},
            {"type": "multiply", "inputs": ["a", "b"], "name": "m"},
            {"type": "concat", "inputs": ["m", "n", "input"]}, {"type": "rms_norm"},
            {"type": "residual", "layers": [{"type": "dense", "units": 5}, {"type": "dropout", "rate": 0.5}],
             "activation": "relu"},
            {"type": "dense", "units": "auto"}])
        self.assertLessEqual({"Gemm", "BatchNormalization", "LayerNormalization", "Concat"},
                             network.operators())

    def test_every_activation(self):
        functions = ["linear", "relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh",
                     "softplus", "softmax"]
        layers = [{"type": "dense", "units": 6, "activation": name} for name in functions]
        layers += [{"type": "leaky_relu", "alpha": 0.3}, {"type": "elu", "alpha": 0.7},
                   {"type": "dense", "units": "auto"}]
        self.check_network((4,), layers)

    def test_sequences(self):
        for causal in (False, True):
            self.check_network((6, 8), [
                {"type": "position_embedding", "embeddings_initializer": "normal"},
                {"type": "sinusoidal_positions"},
                {"type": "residual", "layers": [
                    {"type": "layer_norm"},
                    {"type": "multi_head_attention", "num_heads": 2, "causal": causal}]},
                {"type": "multi_head_attention", "num_heads": 3, "key_dim": 4, "use_bias": False},
                {"type": "batch_norm"}, {"type": "rms_norm"},
                {"type": "dense", "units": 4, "activation": "gelu"},
                {"type": "reshape", "shape": [3, 8]}, {"type": "flatten"},
                {"type": "dense", "units": "auto"}])

    def test_convolutions(self):
        self.check_network((7, 6, 4), [
            {"type": "conv2d", "filters": 6, "kernel_size": 3, "padding": "same", "strides": 2,
             "activation": "relu"},
            {"type": "batch_norm"},
            {"type": "conv2d", "filters": 6, "kernel_size": [3, 2], "groups": 6, "use_bias": False,
             "padding": [1, 1]},
            {"type": "residual", "layers": [{"type": "conv2d", "filters": 8, "kernel_size": 1}]},
            {"type": "flatten"}, {"type": "dense", "units": "auto"}])
        self.check_network((9, 8), [
            {"type": "conv2d", "filters": 5, "kernel_size": [2, 3], "strides": [1, 2]},
            {"type": "conv2d", "filters": 3, "kernel_size": 2, "dilation_rate": [3, 1]},
            {"type": "flatten"}, {"type": "dense", "units": "auto"}])
        self.check_network((11, 3), [
            {"type": "conv1d", "filters": 4, "kernel_size": 3, "padding": "same", "dilation_rate": 2},
            {"type": "conv1d", "filters": 4, "kernel_size": 4, "strides": 3, "padding": 1},
            {"type": "flatten"}, {"type": "dense", "units": "auto"}])

    def test_poolings_and_what_goes_with_them(self):
        last = {"type": "dense", "units": "auto"}
        conv = {"type": "conv2d", "filters": 6, "kernel_size": 3, "padding": "same"}
        self.check_network((9, 8, 2), [
            {"type": "residual", "layers": [{**conv, "strides": 2}]},
            {"type": "group_norm", "groups": 3}, {"type": "max_pool2d", "padding": "same"},
            {"type": "upsample2d", "size": [1, 2]}, {"type": "global_average_pool2d"}, last])
        self.check_network((9, 8), [
            conv, {"type": "average_pool2d", "pool_size": [2, 3], "padding": 1},
            {"type": "average_pool2d", "padding": "same", "count_include_pad": False},
            {"type": "flatten"}, last])
        self.check_network((20, 3), [
            {"type": "residual", "layers": [{"type": "max_pool1d"}]},
            {"type": "average_pool1d", "strides": 3}, {"type": "group_norm", "groups": 1},
            {"type": "global_average_pool1d"}, last])

    def test_recurrent_layers(self):
        for bias in (True, False):
            self.check_network((6, 5), [
                {"type": "lstm", "units": 7, "return_sequences": True, "use_bias": bias,
                 "bias_initializer": "pytorch"},
                {"type": "gru", "units": 6, "return_sequences": True, "use_bias": bias,
                 "bias_initializer": "pytorch"},
                {"type": "lstm", "units": 6, "use_bias": bias}, {"type": "reshape", "shape": [2, 3]},
                {"type": "gru", "units": 4, "use_bias": bias}, {"type": "dense", "units": "auto"}])

    def test_a_text_goes_in_as_tokens(self):
        text = "the cat sat on the mat, and the rat sat on the cat. " * 40
        _, dataset = self.service.upload_text(text, content_type="text/plain")
        model, network = self.model_of({
            "dataset": dataset["id"], "epochs": 1, "batch_size": 8,
            "features": {"tokenizer": "char", "context_length": 9},
            "model": {"layers": [
                {"type": "embedding", "output_dim": 8, "name": "tokens"}, {"type": "position_embedding"},
                {"type": "transformer_block", "num_heads": 2, "causal": True},
                {"type": "dense", "units": "auto", "shared_weights": "tokens"}]}})
        alphabet = json.loads(network.metadata["preprocessing"])["alphabet"]
        self.assertEqual(alphabet, "".join(sorted(set(text))))
        tokens = np.array([[alphabet.index(c) for c in text[at:at + 9]] for at in (0, 17)])
        probabilities = network.run({"tokens": tokens})["probabilities"]
        self.assertEqual(probabilities.shape, (2, 9, len(alphabet)))
        for row, at in enumerate((0, 17)):
            status, _, answer = self.service.request(
                "POST", f"/v1/models/{model}/predict",
                json.dumps({"inputs": [text[at:at + 9]], "top_k": len(alphabet)}),
                {"Content-Type": "application/json"})
            self.assertEqual(status, 200, answer)
            expected = {token["id"]: token["probability"]
                        for token in json.loads(answer)["predictions"][0]["next"]}
            np.testing.assert_allclose(probabilities[row, -1],
                                       [expected[i] for i in range(len(alphabet))],
                                       rtol=0, atol=TOLERANCE)
        # Nothing after a position has a say in it.
        tokens[:, 5:] = 0
        np.testing.assert_allclose(network.run({"tokens": tokens})["probabilities"][:, :5],
                                   probabilities[:, :5], rtol=0, atol=TOLERANCE)


if __name__ == "__main__":
    unittest.main()
