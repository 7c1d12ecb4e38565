"""What the daemon says on standard error, and the identifiers that tie it to replies and events."""
import json
import pathlib
import re
import unittest

from service import ServiceTest, spirals_csv
from until import until

ROOT = pathlib.Path(__file__).parents[2]
PAIR = re.compile(r'([a-z0-9_]+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?: |$)')
SECRET = "bpd_secret-that-must-not-be-logged"


def logfmt(line):
    """The pairs of a line; an error if it is not made of pairs alone."""
    pairs, at = {}, 0
    while at < len(line):
        match = PAIR.match(line, at)
        if not match:
            raise AssertionError(f"not logfmt from {at}: {line}")
        pairs[match[1]] = match[2].strip('"')
        at = match.end()
    return pairs


class AccessLog(ServiceTest):
    arguments = ("--workers", "1", "--access-log", "--log-format", "json")

    def lines(self):
        text = (self.service.folder / "log").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def line_of(self, request):
        """The line comes when the reply has been sent, so perhaps after the client has it."""
        return until(lambda: next((line for line in self.lines()
                                   if line.get("request") == request), None))

    def test_every_line_is_an_object_with_time_level_and_event(self):
        self.service.request("GET", "/livez")
        lines = until(self.lines)
        self.assertIn("started", {line["event"] for line in lines})
        for line in lines:
            self.assertRegex(line["ts"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
            self.assertIn(line["level"], ("debug", "info", "warn", "error"))
            self.assertRegex(line["event"], r"^[a-z0-9_]+$")

    def test_a_request_is_one_line(self):
        _, headers, _ = self.service.request("GET", "/v1/jobs/job_missing?x=1")
        line = self.line_of(headers["X-Request-Id"])
        self.assertEqual((line["event"], line["level"], line["method"], line["route"],
                          line["object"], line["status"], line["client"]),
                         ("request", "info", "GET", "/v1/jobs/{id}", "job_missing", 400,
                          "127.0.0.1"))
        self.assertGreater(line["us"], 0)

    def test_a_good_identifier_of_the_client_is_kept(self):
        for name in ("a", "7f1c9d0e-5a53-4d0c-b3c7-2f2f6f0f9a55", "12345", "x" * 64, "a.b_c:d"):
            _, headers, body = self.service.request("GET", "/v1/jobs/job_0", headers={
                "X-Request-ID": name})
            self.assertEqual(headers["X-Request-Id"], name)
            self.assertEqual(json.loads(body)["request_id"], name)
            self.assertEqual(self.line_of(name)["event"], "request")

    def test_other_identifiers_are_replaced(self):
        for name in ("", "x" * 65, "a b", 'a"b', "a=b", "\xe9", "a\\b", "{}"):
            _, headers, body = self.service.request("GET", "/v1/jobs/job_0", headers={
                "X-Request-ID": name})
            self.assertRegex(headers["X-Request-Id"], r"^req_[0-9a-z]{26}$")
            self.assertEqual(json.loads(body)["request_id"], headers["X-Request-Id"])

    def test_the_events_of_a_job_name_the_requests(self):
        dataset = self.service.upload_text(spirals_csv(40))[1]["id"]
        spec = {"dataset": dataset, "epochs": 100000, "features": {"target": "arm"},
                "model": {"layers": [{"type": "dense", "units": "auto"}]}}
        _, _, body = self.service.request("POST", "/v1/jobs", json.dumps(spec), {
            "X-Request-ID": "the-post", "Idempotency-Key": "k"})
        job = json.loads(body)["id"]
        self.service.request("POST", "/v1/jobs", json.dumps(spec), {
            "X-Request-ID": "the-repetition", "Idempotency-Key": "k"})
        self.service.request("POST", f"/v1/jobs/{job}/cancel", headers={
            "X-Request-ID": "the-cancel"})
        self.client.wait(job)
        named = {(event["data"]["to"], event["data"].get("request_id"))
                 for event in self.client.events(job)["data"] if event["type"] == "status"}
        self.assertIn(("queued", "the-post"), named)
        self.assertEqual({name for _, name in named} - {None}, {"the-post", "the-cancel"})

    def test_nothing_secret_is_logged(self):
        self.service.request("GET", f"/v1/jobs?after={SECRET}", headers={
            "Authorization": f"Bearer {SECRET}", "Cookie": SECRET})
        self.service.request("GET", f"/{SECRET}", headers={"Referer": SECRET})
        self.service.request("POST", "/v1/jobs", SECRET, {"Content-Type": SECRET})
        text = (self.service.folder / "log").read_text()
        self.assertNotIn(SECRET, text)
        self.assertNotIn(str(self.service.folder), text)
        self.assertNotRegex(text, r"(?i)\b(select|insert|update|delete) .* (from|into|set)\b")


class Logfmt(ServiceTest):
    arguments = ("--workers", "1", "--log-level", "debug")

    def requests(self):
        lines = [logfmt(line) for line in
                 (self.service.folder / "log").read_text().splitlines()]
        requests = {line["request"]: line for line in lines if line["event"] == "request"}
        return requests if {"r1", "r2"} <= requests.keys() else None

    def test_every_line_is_pairs(self):
        self.service.request("GET", '/v1/jobs?status="a%20b"', headers={"X-Request-ID": "r1"})
        self.service.request("GET", "/v2/none", headers={"X-Request-ID": "r2"})
        requests = until(self.requests)
        self.assertEqual(requests["r1"]["level"], "debug")
        self.assertEqual(requests["r2"]["route"], "none")


class Sources(unittest.TestCase):
    """Lines of logfmt are made by hand, so their formats are looked at: pairs alone, each key once,
    none that every line has."""

    def test_formats_are_pairs(self):
        call = re.compile(r'log_event\(\s*[^"]*?"(\w+)",((?:\s*"(?:[^"\\]|\\.)*")+)')
        seen = 0
        for file in sorted((ROOT / "src").rglob("*.c")):
            for event, strings in call.findall(file.read_text()):
                seen += 1
                text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', strings)).replace('\\"', '"')
                if text in ("", "%s"):  # no pairs
                    continue
                keys = list(logfmt(text))
                self.assertEqual(len(keys), text.count("="), f"{event}: {text}")
                self.assertFalse({"ts", "level", "event"} & set(keys), f"{event}: {text}")
        self.assertGreater(seen, 30)


if __name__ == "__main__":
    unittest.main()
