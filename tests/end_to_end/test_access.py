"""Who may do what: every route with every kind of caller. A route without a row here fails."""
import json
import shutil
import unittest

from access import GuardedService, Objects, routes
from service import spirals_csv

CALLERS = ("none", "bad", "expired", "revoked", "read", "submit", "admin", "other", "other_read")

# What a caller gets who is let in, by route: (method, pattern): (statuses, whose, body).
# `whose`: "owned": the path names an object of the owner of read and submit; "token": a token;
# None: it names nothing. A body that is a function of the test's objects is made anew each time.
CSV = ("csv", lambda o: spirals_csv(20))
ROWS = {
    ("GET", "/livez"): ({200}, None, None),
    ("GET", "/readyz"): ({200}, None, None),
    ("GET", "/metrics"): ({200}, None, None),
    ("GET", "/openapi.json"): ({200}, None, None),
    ("GET", "/"): ({200}, None, None),
    ("GET", "/v1/info"): ({200}, None, None),
    ("POST", "/v1/datasets"): ({201}, None, CSV),
    ("GET", "/v1/datasets"): ({200}, None, None),
    ("GET", "/v1/datasets/{id}"): ({200}, "owned", None),
    ("DELETE", "/v1/datasets/{id}"): ({204}, "owned", None),
    ("GET", "/v1/datasets/{id}/preview"): ({200}, "owned", None),
    # Another's dataset in a body is one that is not there: 422.
    ("POST", "/v1/jobs"): ({201}, "body", ("json", lambda o: o.spec())),
    ("POST", "/v1/jobs:validate"): ({200}, "body", ("json", lambda o: o.spec())),
    ("POST", "/v1/jobs:gradcheck"): ({200}, "body", ("json", lambda o: o.spec())),
    ("GET", "/v1/jobs"): ({200}, None, None),
    ("GET", "/v1/jobs/{id}"): ({200}, "owned", None),
    ("DELETE", "/v1/jobs/{id}"): ({204}, "owned", None),
    # The job has ended: who is let in hears of that.
    ("POST", "/v1/jobs/{id}/cancel"): ({409}, "owned", None),
    ("POST", "/v1/jobs/{id}/stop"): ({200, 409}, "owned", None),
    ("POST", "/v1/jobs/{id}/pause"): ({409}, "owned", None),
    ("POST", "/v1/jobs/{id}/resume"): ({409}, "owned", None),
    ("GET", "/v1/jobs/{id}/metrics"): ({200}, "owned", None),
    ("GET", "/v1/jobs/{id}/events"): ({200}, "owned", None),
    ("GET", "/v1/jobs/{id}/checkpoints"): ({200}, "owned", None),
    ("GET", "/v1/models"): ({200}, None, None),
    ("GET", "/v1/models/{id}"): ({200}, "owned", None),
    ("DELETE", "/v1/models/{id}"): ({204}, "owned", None),
    ("GET", "/v1/models/{id}/weights"): ({200}, "owned", None),
    ("POST", "/v1/models/{id}/evaluate"):
        ({200}, "owned", ("json", lambda o: {"dataset": o.dataset})),
    ("POST", "/v1/models/{id}/predict"):
        ({200}, "owned", ("json", lambda o: {"rows": [{"x": 0.5, "y": 0.5}]})),
    ("POST", "/v1/models/{id}/generate"):
        ({422}, "owned", ("json", lambda o: {"prompt": "a"})),  # it is no text model
    ("POST", "/v1/tokens"): ({201}, None, ("json", lambda o: {"scope": "read"})),
    ("GET", "/v1/tokens"): ({200}, None, None),
    ("GET", "/v1/tokens/{id}"): ({200}, "token", None),
    ("DELETE", "/v1/tokens/{id}"): ({204}, "token", None),
    ("GET", "/v1/audit"): ({200}, None, None),
    ("GET", "/{*file}"): ({200}, None, None),
}

SCOPES = {"0": 0, "READ": 1, "SUBMIT": 2, "ADMIN": 3}
HELD = {"read": 1, "submit": 2, "admin": 3, "other": 2, "other_read": 1}


def expected(caller, scope, whose, statuses):
    """The statuses that are right for a caller."""
    if scope == 0:
        return statuses
    if caller not in HELD:
        return {401}
    if HELD[caller] < scope:
        return {403}
    if caller.startswith("other") and whose == "owned":
        return {404}
    if caller.startswith("other") and whose == "body":
        return {422}
    return statuses


class AccessTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = service = GuardedService()
        cls.tokens = {"none": None, "bad": "bp_" + "0" * 52, "read": service.make("read", "alice"),
                      "submit": service.make("submit", "alice"), "admin": service.admin,
                      "other": service.make("submit", "bob"),
                      "other_read": service.make("read", "bob"),
                      "expired": service.make_expired("alice"),
                      "revoked": service.make_revoked("alice")}
        cls.objects = Objects(service, cls.tokens["submit"])

    @classmethod
    def tearDownClass(cls):
        cls.service.remove()

    def target(self, method, pattern, fresh):
        """The path of a request; `fresh`: it is let in and may delete what it names."""
        objects = self.objects
        if pattern == "/{*file}":
            return "/app.js"
        if "{id}" not in pattern:
            return pattern
        kind = pattern.split("/")[2]
        if kind == "tokens":
            made = self.service.json(self.service.admin, "POST", "/v1/tokens", {"scope": "read"}, 201)
            return pattern.replace("{id}", made["id"])
        names = {"datasets": objects.dataset, "jobs": objects.job, "models": objects.model}
        if method == "DELETE" and fresh:
            if kind == "datasets":
                status, _, answer = self.service.ask(
                    self.tokens["submit"], "POST", "/v1/datasets", spirals_csv(20),
                    {"Content-Type": "text/csv"})
                self.assertEqual(status, 201)
                names[kind] = json.loads(answer)["id"]
            else:
                job, model = objects.new_job()
                names = {"jobs": job, "models": model}
        return pattern.replace("{id}", names[kind])

    def send(self, caller, method, pattern, body, fresh):
        path = self.target(method, pattern, fresh)
        headers = {}
        content = body[1](self.objects) if body else None
        if body and body[0] == "csv":
            headers["Content-Type"] = "text/csv"
        return path, self.service.ask(self.tokens[caller], method, path, content, headers)

    def test_every_route_has_a_row(self):
        found = {(method, pattern) for method, pattern, _ in routes()}
        self.assertEqual(found - set(ROWS), set(), "routes without a row in this test")
        self.assertEqual(set(ROWS) - found, set(), "rows without a route")

    def test_every_route_with_every_caller(self):
        tried = refused = 0
        for method, pattern, scope in routes():
            statuses, whose, body = ROWS[(method, pattern)]
            for caller in CALLERS:
                right = expected(caller, SCOPES[scope], whose, statuses)
                path, (status, _, answer) = self.send(caller, method, pattern, body,
                                                      right == statuses)
                with self.subTest(method=method, pattern=pattern, caller=caller):
                    self.assertIn(status, right, answer[:300])
                tried += 1
                if right != statuses:
                    refused += 1
                    with self.subTest(method=method, pattern=pattern, caller=caller):
                        self.check_refusal(path, status, answer)
        self.assertEqual(tried, len(ROWS) * len(CALLERS))
        self.assertGreater(refused, 150)
        # What was refused changed nothing: the owner's objects are all there.
        for path in (f"/v1/datasets/{self.objects.dataset}", f"/v1/jobs/{self.objects.job}",
                     f"/v1/models/{self.objects.model}"):
            self.service.json(self.tokens["read"], "GET", path, status=200)

    def check_refusal(self, path, status, answer):
        """A refusal is a problem, and what is another's is told like what is not there."""
        problem = json.loads(answer)
        self.assertEqual(problem["status"], status)
        if status != 404:
            return
        there = path.split("/")[3]
        none = path.replace(there, there[:-1] + ("0" if there[-1] != "0" else "1"))
        method = "GET" if none.count("/") == 3 else None
        if method:
            got, _, other = self.service.ask(self.tokens["other"], method, none)
            self.assertEqual(got, 404)
            for key in ("code", "detail", "title", "type"):
                self.assertEqual(json.loads(other)[key], problem[key])

    def test_lists_show_what_is_ones_own(self):
        for kind, own in (("datasets", self.objects.dataset), ("jobs", self.objects.job),
                          ("models", self.objects.model)):
            for query in ("?limit=1000",) + (
                    ("?limit=1000&status=succeeded", "?limit=1000&metadata[team]=vision",
                     "?limit=1000&metadata[team]=vision&status=succeeded")
                    if kind == "jobs" else ()):
                seen = {caller: self.service.json(self.tokens[caller], "GET", f"/v1/{kind}{query}",
                                                  status=200)["data"]
                        for caller in ("read", "submit", "admin", "other", "other_read")}
                for caller, data in seen.items():
                    ids = [item["id"] for item in data]
                    with self.subTest(kind=kind, query=query, caller=caller):
                        self.assertEqual(own in ids, not caller.startswith("other"))
                        owners = {item["owner"] for item in data}
                        if caller != "admin":
                            self.assertLessEqual(
                                owners, {"bob" if caller.startswith("other") else "alice"})

    def test_an_idempotency_key_is_its_owners(self):
        bob = Objects(self.service, self.tokens["other"])
        first = self.objects.client.submit(self.objects.spec(), idempotency_key="same")
        second = bob.client.submit(bob.spec(), idempotency_key="same")
        self.assertNotEqual(first["id"], second["id"])
        self.assertEqual(second["owner"], "bob")
        again = self.objects.client.submit(self.objects.spec(), idempotency_key="same")
        self.assertEqual(again["id"], first["id"])

    def test_anothers_dataset_cannot_be_evaluated_on(self):
        bob = Objects(self.service, self.tokens["other"])
        status, _, answer = self.service.ask(self.tokens["submit"], "POST",
                                             f"/v1/models/{self.objects.model}/evaluate",
                                             {"dataset": bob.dataset})
        self.assertEqual(status, 422)
        _, _, none = self.service.ask(self.tokens["submit"], "POST",
                                      f"/v1/models/{self.objects.model}/evaluate",
                                      {"dataset": bob.dataset[:-1] + "0"})
        self.assertEqual(json.loads(answer)["errors"], json.loads(none)["errors"])

    def test_malformed_headers_let_nobody_in(self):
        token = self.tokens["admin"]
        tried = 0
        for header in ("", "Bearer", "Bearer ", f"Basic {token}", token, f"Bearer {token}x",
                       f"Bearer {token[:-1]}", f"Bearer {token.upper()}", f"Bearer x{token}",
                       f"Bearer {token} {token}", f"Bearer {token},", f"Token {token}",
                       "Bearer " + "bp_" + "a" * 5000, f"Bearer {token[3:]}", "Bearer null",
                       f"Bearer bp_%30{token[4:]}"):
            with self.subTest(header=header[:40]):
                try:
                    status, _, _ = self.service.request("GET", "/v1/jobs",
                                                        headers={"Authorization": header})
                except ValueError:
                    continue  # the client's library does not even send it
                self.assertIn(status, (400, 401))
                tried += 1
        self.assertGreaterEqual(tried, 14)
        for query in (f"?token={token}", f"?access_token={token}"):
            self.assertEqual(self.service.request("GET", "/v1/jobs" + query)[0], 401)
        status, _, _ = self.service.request("GET", "/v1/jobs",
                                            headers={"Cookie": f"token={token}"})
        self.assertEqual(status, 401)


class TraversalTest(unittest.TestCase):
    """Paths that would lead out of where they belong lead nowhere."""

    @classmethod
    def setUpClass(cls):
        cls.service = GuardedService()
        (cls.service.folder / "data" / "secret.txt").write_text("TOP SECRET")

    @classmethod
    def tearDownClass(cls):
        cls.service.remove()

    def test_no_path_leads_out(self):
        ups = ("..", "%2e%2e", "%2E%2E", ".%2e", "%252e%252e", "..%00", "..;", "%c0%ae%c0%ae",
               "%uff0e%uff0e", "..%5c..", "..\\..", "....", "./..")
        slashes = ("/", "//", "%2f", "%5c", "\\", "%252f", "%c0%af")
        targets = ("etc/passwd", "secret.txt", "backpropd.db", "dashboard/index.html",
                   "docs/openapi.json", "livez", "v1/info")
        heads = ("/", "/v1/datasets/", "/v1/jobs/", "/v1/models/", "//", "/dashboard/")
        tried = 0
        for head in heads:
            for up in ups:
                for slash in slashes:
                    for target in targets:
                        path = head + (up + slash) * 3 + target
                        status, _, answer = self.service.ask(self.service.admin, "GET", path)
                        tried += 1
                        if status not in (400, 404):
                            self.fail(f"{path}: {status} {answer[:100]}")
                        self.assertNotIn(b"TOP SECRET", answer)
                        self.assertNotIn(b"root:", answer)
                        self.assertNotIn(b"<!doctype", answer)
        self.assertEqual(tried, len(heads) * len(ups) * len(slashes) * len(targets))

    def test_other_spellings_are_not_there(self):
        for path in ("/index.html%00", "/index.html%00.js", "/%69ndex.html", "/app.js/", "/app.js%20",
                     "/INDEX.HTML", "/index.html\\", "//index.html", "/./index.html", "/app.js;x",
                     "/dashboard/app.js", "/v1/jobs/", "/v1//jobs", "/v1/jobs/%00", "/v1/jobs/.",
                     "/V1/jobs", "/v1/jobs%2f", "/v1/%6aobs", "/livez/", "/livez%00"):
            with self.subTest(path=path):
                status, _, answer = self.service.ask(self.service.admin, "GET", path)
                self.assertIn(status, (400, 404), answer[:100])
        # A NUL in the request line ends nothing early.
        with self.subTest(path="raw NUL"):
            import socket
            with socket.create_connection(("127.0.0.1", self.service.port), timeout=60) as peer:
                peer.sendall(b"GET /v1/info\0/../x HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = peer.recv(65536)
            self.assertNotIn(b" 200 ", answer.split(b"\r\n")[0])

    def test_ids_that_are_paths_or_sql_are_not_there(self):
        for kind in ("datasets", "jobs", "models", "tokens"):
            for text in ("'", "%27%20OR%201=1", "1;DROP%20TABLE%20jobs", "*", "%25", "_" * 29, "a" * 127,
                         "a" * 4000, "%ff", "job_%00", "-1", "null"):
                status, _, answer = self.service.ask(self.service.admin, "GET", f"/v1/{kind}/{text}")
                self.assertIn(status, (400, 404), answer[:100])


if __name__ == "__main__":
    unittest.main()
