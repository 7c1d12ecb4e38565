"""POST /v1/jobs:gradcheck: the user's own network against finite differences."""
import unittest

from backpropd import Problem
from service import ServiceTest, prices_csv, spec, spirals_csv


class GradcheckTest(ServiceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, text in (("spirals", spirals_csv()), ("prices", prices_csv())):
            path = cls.scratch / f"{name}.csv"
            path.write_text(text)
            setattr(cls, name, cls.client.upload(path, name=name)["id"])

    def check(self, body, layers):
        report = self.client.check_gradients(body)
        self.assertEqual((report["object"], report["rows"]), ("gradcheck", 8))
        self.assertTrue(report["passed"], report)
        self.assertEqual([layer["layer"] for layer in report["layers"]], layers)
        for layer in report["layers"]:
            self.assertTrue(layer["passed"], layer)
            self.assertGreater(layer["parameters_checked"], 0)
            self.assertGreaterEqual(layer["max_relative_error"], 0)
            self.assertLessEqual(layer["max_relative_error"], report["tolerance"])

    def test_networks_of_both_kinds_of_target_pass(self):
        self.check(spec(self.spirals, "arm"), ["layers.0", "layers.1"])
        self.check(spec(self.prices, "price"), ["layers.0", "layers.1"])
        self.check(spec(self.prices, "price", loss="huber"), ["layers.0", "layers.1"])

    def test_deep_wide_and_saturating_networks_pass(self):
        for function in ("sigmoid", "tanh", "relu", "gelu"):
            deep = [{"type": "dense", "units": 64, "activation": function} for _ in range(12)]
            body = spec(self.spirals, "arm",
                        model={"layers": [*deep, {"type": "dense", "units": "auto"}]})
            self.check(body, [f"layers.{i}" for i in range(13)])
        self.check(spec(self.spirals, "arm", units=4096), ["layers.0", "layers.1"])

    def test_nothing_is_created(self):
        before = list(self.client.jobs())
        self.client.check_gradients(spec(self.spirals, "arm"))
        self.assertEqual(list(self.client.jobs()), before)

    def test_bad_specs_are_refused_as_by_jobs(self):
        for body in (spec(self.spirals, "nobody"), spec("ds_00000000000000000000000000", "arm"),
                     spec(self.spirals, "arm", epochs=-1)):
            with self.assertRaises(Problem) as caught:
                self.client.check_gradients(body)
            self.assertEqual((caught.exception.status, caught.exception.code), (422, "invalid_spec"))
            self.assertTrue(caught.exception.errors)


if __name__ == "__main__":
    unittest.main()
