"""deploy/ and the manual name only what there is: metrics, labels, flags, files."""
import json
import pathlib
import re
import subprocess
import unittest

import exposition
import yaml
from service import BIN, Service

ROOT = pathlib.Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MANUAL = (ROOT / "docs" / "OPERATIONS.md").read_text()
SELECTOR = re.compile(r"\b((?:backpropd|process)_\w+)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
OF_PROMETHEUS = {"instance", "job"}


def rules():
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def help_text():
    return subprocess.run([BIN / "backpropd", "--help"], capture_output=True, text=True).stdout


def flags():
    """Those of the daemon itself."""
    served = help_text().split("Options:")[1].split("Options of")[0]
    return set(re.findall(r"^  --([a-z][a-z-]+)", served, re.MULTILINE)) - {"help"}


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        service = Service("--workers", "1")
        try:
            service.request("GET", "/v1/jobs/none")
            service.request("GET", "/metrics")
            cls.families = exposition.parse(service.request("GET", "/metrics")[2].decode())
        finally:
            service.remove()

    def check(self, expression):
        """Returns how many metrics it names."""
        found = SELECTOR.findall(expression)
        for name, matchers in found:
            family = self.families.get(exposition.family_of(name, self.families))
            self.assertIsNotNone(family, f"{name} in {expression}")
            if family.type == "histogram":
                self.assertNotEqual(family.name, name, f"no sample has this name: {expression}")
            pairs = [dict(labels) for _, labels in family.samples]
            known = {label for labels in pairs for label in labels} | OF_PROMETHEUS
            for label, wanted in MATCHER.findall(matchers):
                self.assertIn(label, known, expression)
                values = {labels.get(label) for labels in pairs}
                # Of fixed sets, where each value is always there.
                if label in ("reason", "task", "result", "thread") or (
                        label == "status" and name == "backpropd_jobs"):
                    self.assertLessEqual(set(wanted.split("|")), values, expression)
        return len(found)

    def test_the_dashboard_asks_for_metrics_that_there_are(self):
        dashboard = json.loads((DEPLOY / "grafana/dashboards/backpropd.json").read_text())
        named = 0
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                named += self.check(target["expr"])
                for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                    known = {label for name, _ in SELECTOR.findall(target["expr"])
                             for _, labels in self.families[
                                 exposition.family_of(name, self.families)].samples
                             for label, _ in labels}
                    self.assertIn(label, known, target)
        self.assertGreater(named, 50)

    def test_alerts_ask_for_metrics_that_there_are(self):
        for rule in rules():
            if rule["alert"] != "BackpropdDown":
                self.assertGreater(self.check(rule["expr"]), 0, rule)

    def test_every_metric_is_in_the_manual_and_every_one_there_exists(self):
        section = MANUAL.split("### Metrics")[1].split("###")[0]
        endings = re.findall(r"`…(_\w+)`", section)
        for name in self.families:
            self.assertTrue(f"`{name}`" in section or name.startswith("process_")
                            or any(name.endswith(ending) for ending in endings), name)
        for name in re.findall(r"`((?:backpropd|process)_\w+)`", MANUAL):
            self.assertIn(exposition.family_of(name, self.families), self.families)


class Dashboard(unittest.TestCase):
    def test_panels_have_places_of_their_own(self):
        dashboard = json.loads((DEPLOY / "grafana/dashboards/backpropd.json").read_text())
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        taken = set()
        for panel in dashboard["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24)
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                     for y in range(at["y"], at["y"] + at["h"])}
            self.assertEqual(cells & taken, set(), panel["title"])
            taken |= cells

    def test_it_uses_the_source_that_is_provisioned(self):
        sources = yaml.safe_load(
            (DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())
        uid = sources["datasources"][0]["uid"]
        text = (DEPLOY / "grafana/dashboards/backpropd.json").read_text()
        self.assertEqual(set(re.findall(r'"type": "prometheus", "uid": "(\w+)"', text)), {uid})


class Alerts(unittest.TestCase):
    def test_every_alert_is_in_the_manual_and_tested(self):
        tests = (DEPLOY / "prometheus/alerts_test.yml").read_text()
        for rule in rules():
            self.assertTrue(f'alertname="{rule["alert"]}"' in tests, rule["alert"])
            self.assertIn(rule["labels"]["severity"], ("critical", "warning", "info"))
            self.assertTrue(rule["annotations"]["summary"].endswith("."))
        named = set(re.findall(r"`(Backpropd\w+)`", MANUAL))
        self.assertEqual(named, {rule["alert"] for rule in rules()})


class Configuration(unittest.TestCase):
    def test_every_flag_is_in_the_manual(self):
        known = flags()
        self.assertGreater(len(known), 20)
        missing = {flag for flag in known if f"`--{flag}" not in MANUAL} - {"version"}
        self.assertEqual(missing, set(), "not in docs/OPERATIONS.md")

    def test_compose_starts_what_is_here(self):
        compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
        for service in compose["services"].values():
            for port in service["ports"]:
                self.assertTrue(port.startswith("127.0.0.1:"), port)
            for volume in service["volumes"]:
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue((DEPLOY / source).exists(), volume)
                else:
                    self.assertIn(source, compose["volumes"])
        for name in compose["services"]["backpropd"]["environment"]:
            self.assertIn(name.removeprefix("BACKPROPD_").lower().replace("_", "-"), flags())

    def test_the_sample_configuration_is_accepted(self):
        sample = (DEPLOY / "backpropd.conf").read_text()
        named = set(re.findall(r"^; ([a-z-]+) = ", sample, re.MULTILINE))
        self.assertGreater(len(named), 5)
        self.assertLessEqual(named, flags())

    def test_the_manual_page_names_flags_that_there_are(self):
        page = (DEPLOY / "backpropd.1").read_text().replace("\\-", "-")
        options = page.split(".SH OPTIONS")[1].split(".SH")[0]
        named = set(re.findall(r"--([a-z][a-z-]+)", options))
        self.assertGreater(len(named), 8)
        self.assertEqual(named - set(re.findall(r"--([a-z][a-z-]+)", help_text())), set())


if __name__ == "__main__":
    unittest.main()
