"""The life of tokens: made with and without a daemon, revoked at once, noted, and never told."""
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import time
import unittest

from access import GuardedService, Objects, token_command
from backpropd import Client, Problem
from service import BIN, START_SECONDS, Service, spirals_csv


class CommandTest(unittest.TestCase):
    """backpropd token, by itself and by way of the daemon."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="backpropd-token-"))
        self.data = self.folder / "data"

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def life(self):
        """create, list, revoke: the same words with and without a daemon."""
        status, text, notice = token_command(self.data, "create", "--scope", "submit", "--owner",
                                             "alice", "--name", "a laptop", "--expires-days", "3")
        self.assertEqual(status, 0, notice)
        self.assertRegex(text, r"^bp_[0-9a-hjkmnp-tv-z]{52}\n$")
        identifier = re.search(r"tok_[0-9a-z]{26}", notice).group()
        self.assertIn("owner alice", notice)
        status, table, _ = token_command(self.data, "list")
        self.assertEqual(status, 0)
        row = next(line for line in table.splitlines() if identifier in line)
        for word in ("submit", "alice", "a laptop", "never"):  # used: never
            self.assertIn(word, row)
        self.assertNotIn(text.strip(), table)
        for words, status, said in (
                (("create",), 2, "--scope"), (("create", "--scope", "root"), 2, "--scope"),
                (("create", "--scope", "read", "--owner", "a/b"), 2, "owner"),
                (("create", "--scope", "read", "--name", "x" * 200), 2, "name"),
                (("revoke", "nonsense"), 2, "tok_"), (("revoke",), 2, "expected"),
                (("frobnicate",), 2, "expected"),
                (("revoke", identifier[:-1] + ("0" if identifier[-1] != "0" else "1")), 1, "no such token")):
            got, out, fault = token_command(self.data, *words)
            with self.subTest(words=words):
                self.assertEqual((got, out), (status, ""))
                self.assertIn(said, fault)
        return identifier, text.strip()

    def test_without_a_daemon(self):
        identifier, _ = self.life()
        self.assertEqual(token_command(self.data, "revoke", identifier)[0], 0)
        self.assertNotIn(identifier, token_command(self.data, "list")[1])

    def test_by_a_running_daemon(self):
        service = Service("--require-token", data=self.folder)
        try:
            identifier, text = self.life()
            client = Client(service.url, token=text)
            self.assertEqual(list(client.jobs()), [])
            self.assertEqual(token_command(self.data, "revoke", identifier)[0], 0)
            with self.assertRaises(Problem) as caught:
                next(client.jobs(), None)
            self.assertEqual(caught.exception.status, 401)
            control = self.data / "control"
            mode = control.lstat().st_mode
            self.assertTrue(stat.S_ISSOCK(mode))
            self.assertEqual(stat.S_IMODE(mode), 0o600)
            self.assertEqual(service.stop(), 0)
            self.assertFalse(control.exists())
            service.start()
            service.kill()  # leaves its socket
            self.assertTrue(control.exists())
            self.life()
            service.start()
            self.life()
        finally:
            service.remove()

    def test_what_comes_to_the_control_socket_is_bounded_and_checked(self):
        service = Service("--require-token", data=self.folder)
        try:
            sent = 0
            for order in (b"", b"{", b"[]", b"{}", b'{"verb": 3}', b'{"verb": "halt"}', b"\x00" * 100,
                          b'{"verb": "create", "scope": 7}', b'{"verb": "list", "verb": "list"}',
                          b'{"verb": "create", "scope": "admin"' + b" " * 10000 + b"}",
                          b'{"verb": "revoke"}', b"[" * 5000):
                with socket.socket(socket.AF_UNIX) as peer:
                    peer.settimeout(60)
                    peer.connect(str(self.data / "control"))
                    try:
                        peer.sendall(order)
                        peer.shutdown(socket.SHUT_WR)
                    except OSError:
                        pass
                    answer = b""
                    try:
                        while chunk := peer.recv(65536):
                            answer += chunk
                    except ConnectionError:
                        pass
                with self.subTest(order=order[:40]):
                    self.assertLess(json.loads(answer)["code"], 0)
                sent += 1
            self.assertEqual(sent, 12)
            self.assertNotIn("tok_", token_command(self.data, "list")[1])
        finally:
            service.remove()

    def test_root_leaves_the_store_to_the_owner_of_the_folder(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to act in another user's folder")
        self.data.mkdir(mode=0o700)
        os.chown(self.data, 65534, 65534)
        outside = self.folder / "outside"
        outside.write_text("root's")
        os.link(outside, self.data / "backpropd.lock")  # as a mischievous user might
        self.assertEqual(token_command(self.data, "create", "--scope", "admin")[0], 0)
        self.assertEqual((self.data / "backpropd.db").stat().st_uid, 65534)
        self.assertEqual(outside.stat().st_uid, 0)
        (self.data / "backpropd.lock").unlink()
        self.assertEqual(token_command(self.data, "list")[0], 0)
        self.assertEqual({path.stat().st_uid for path in self.data.iterdir()}, {65534})

    def test_other_users_do_not_reach_the_socket(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to become another user")
        service = Service("--require-token", data=self.folder)
        try:
            self.folder.chmod(0o755)
            self.data.chmod(0o755)
            (self.data / "control").chmod(0o666)  # as a careless operator might
            probe = ("import os, socket, sys\nos.setgid(65534); os.setuid(65534)\n"
                     "peer = socket.socket(socket.AF_UNIX); peer.settimeout(60)\n"
                     "peer.connect(sys.argv[1])\n"
                     "try:\n peer.sendall(b'{\"verb\": \"create\", \"scope\": \"admin\"}')\n"
                     " peer.shutdown(socket.SHUT_WR)\n print(peer.recv(1000))\n"
                     "except OSError: print(b'')\n")
            run = subprocess.run(["/usr/bin/python3", "-c", probe, str(self.data / "control")],
                                 capture_output=True, text=True, timeout=60)
            self.assertEqual(run.stdout.strip(), "b''", run.stderr)
            self.assertNotIn("tok_", token_command(self.data, "list")[1])
        finally:
            service.remove()


class ListenTest(unittest.TestCase):
    """Beyond loopback nothing is served without tokens."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="backpropd-listen-"))

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def attempt(self, address):
        """Starts a daemon there; its first line, or None and what it said."""
        process = subprocess.Popen([BIN / "backpropd", "--data", self.folder / "data", "--listen",
                                    address], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        line = process.stdout.readline()
        if line:
            process.terminate()
        _, said = process.communicate(timeout=START_SECONDS)
        return line, said, process.returncode

    def test_it_refuses_to_listen_without_tokens(self):
        # Addresses that no machine of the test's has are refused before they are bound.
        refused = 0
        for address in ("0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0", "192.0.2.1:0", "[2001:db8::1]:0",
                        "0:0", "backpropd.invalid:0", "[::ffff:192.0.2.1]:0", "*:0"):
            line, said, status = self.attempt(address)
            with self.subTest(address=address):
                self.assertEqual((line, status), ("", 1), said)
                self.assertIn("token create --scope admin", said)
            refused += 1
        self.assertEqual(refused, 9)
        for address in ("127.0.0.1:0", "localhost:0", "127.8.8.8:0"):
            line, said, status = self.attempt(address)
            self.assertIn("listening on http://", line, said)
            self.assertEqual(status, 0)

    def test_expired_and_revoked_tokens_do_not_count(self):
        data = self.folder / "data"
        _, _, notice = token_command(data, "create", "--scope", "admin")
        identifier = re.search(r"tok_[0-9a-z]{26}", notice).group()
        self.assertEqual(token_command(data, "revoke", identifier)[0], 0)
        line, said, _ = self.attempt("[::ffff:192.0.2.1]:0")
        self.assertEqual(line, "")
        self.assertIn("there is no token", said)


class LifeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = GuardedService("--log-level", "debug", "--access-log")
        cls.alice = cls.service.make("submit", "alice")
        cls.objects = Objects(cls.service, cls.alice)
        cls.admin = Client(cls.service.url, token=cls.service.admin)

    @classmethod
    def tearDownClass(cls):
        cls.service.remove()

    def test_a_revoked_token_gets_nothing_from_the_reply_on(self):
        revoked = 0
        for by_command in (False, True) * 5:
            made = self.admin.create_token("read", owner="alice")
            client = Client(self.service.url, token=made["token"])
            for _ in range(3):
                client.info()  # it is remembered
            if by_command:
                self.assertEqual(token_command(self.service.folder / "data", "revoke", made["id"])[0], 0)
            else:
                self.admin.revoke_token(made["id"])
            with self.assertRaises(Problem) as caught:
                client.info()
            self.assertEqual(caught.exception.code, "invalid_token")
            revoked += 1
        self.assertEqual(revoked, 10)

    def test_a_token_that_is_in_use_while_it_is_revoked_is_not_remembered(self):
        for _ in range(20):
            made = self.admin.create_token("read")
            gone = threading.Event()
            late = []

            def poll(text=made["token"], gone=gone, late=late):
                client = Client(self.service.url, token=text)
                while True:
                    asked_after = gone.is_set()
                    try:
                        client.info()
                    except Problem:
                        return
                    if asked_after:
                        late.append(1)
                        return

            pollers = [threading.Thread(target=poll) for _ in range(3)]
            for poller in pollers:
                poller.start()
            self.admin.revoke_token(made["id"])
            gone.set()
            for poller in pollers:
                poller.join()
            self.assertEqual(late, [])

    def test_streams_of_a_revoked_or_expired_token_end(self):
        spec = self.objects.spec()
        spec["epochs"] = 1000000
        job = self.objects.client.submit(spec)["id"]
        ended = 0
        for seconds in (None, 2):
            made = self.admin.create_token("read", owner="alice", expires_in_seconds=seconds)
            connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=60)
            connection.request("GET", f"/v1/jobs/{job}/events", headers={
                "Accept": "text/event-stream", "Authorization": f"Bearer {made['token']}"})
            answer = connection.getresponse()
            self.assertEqual(answer.status, 200)
            self.assertTrue(answer.readline())
            if seconds is None:
                self.admin.revoke_token(made["id"])
            while answer.readline():  # to its end, or the timeout fails
                pass
            connection.close()
            ended += 1
        self.assertEqual(ended, 2)
        self.assertFalse(self.objects.client.job(job)["terminal"])
        self.objects.client.cancel(job)
        self.objects.client.wait(job, timeout=60)

    def test_a_new_token_of_an_owner_finds_what_the_old_one_made(self):
        new = self.admin.create_token("read", owner="alice", name="rotated")
        client = Client(self.service.url, token=new["token"])
        self.assertEqual(client.job(self.objects.job)["owner"], "alice")
        self.assertEqual(client.model(self.objects.model)["owner"], "alice")
        self.assertEqual(client.dataset(self.objects.dataset)["owner"], "alice")

    def test_the_command_line_client_manages_tokens(self):
        def backprop(token, *words, status=0):
            run = subprocess.run([BIN / "backprop", "--url", self.service.url, *words], text=True,
                                 capture_output=True, timeout=60,
                                 env={**os.environ, "BACKPROP_TOKEN": token})
            self.assertEqual(run.returncode, status, run.stderr)
            return json.loads(run.stdout) if run.stdout else None

        made = backprop(self.service.admin, "token", "read", "alice", "--name", "by hand")
        self.assertEqual((made["scope"], made["owner"], made["name"]), ("read", "alice", "by hand"))
        self.assertIn(self.objects.job, [job["id"] for job in backprop(made["token"], "jobs")["data"]])
        self.assertEqual(backprop(self.service.admin, "tokens", made["id"])["id"], made["id"])
        self.assertIn(made["id"], [t["id"] for t in backprop(self.service.admin, "tokens")["data"]])
        self.assertEqual(backprop(self.service.admin, "audit")["data"][0]["target"], made["id"])
        backprop(made["token"], "tokens", status=1)
        backprop(self.service.admin, "delete", made["id"])
        backprop(made["token"], "jobs", status=1)

    def test_use_is_noted(self):
        made = self.admin.create_token("read")
        self.assertIsNone(made["last_used_at"])
        Client(self.service.url, token=made["token"]).info()
        deadline = time.monotonic() + START_SECONDS
        while self.admin.get_token(made["id"])["last_used_at"] is None:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def test_wishes_that_make_no_sense_are_refused(self):
        for body, pointer in (({}, "/scope"), ({"scope": "root"}, "/scope"), ({"scope": 1}, "/scope"),
                              ({"scope": "read", "owner": "a b"}, "/owner"),
                              ({"scope": "read", "owner": 3}, "/owner"),
                              ({"scope": "read", "name": "x" * 101}, "/name"),
                              ({"scope": "read", "name": "a\u0007"}, "/name"),
                              ({"scope": "read", "expires_in_seconds": 0}, "/expires_in_seconds"),
                              ({"scope": "read", "expires_in_seconds": -1}, "/expires_in_seconds"),
                              ({"scope": "read", "expires_in_seconds": 1.5}, "/expires_in_seconds"),
                              ({"scope": "read", "expires_in_seconds": 10 ** 15}, "/expires_in_seconds"),
                              ({"scope": "read", "expires_in_days": 1}, "")):
            with self.subTest(body=body):
                status, _, answer = self.service.ask(self.service.admin, "POST", "/v1/tokens", body)
                self.assertEqual(status, 422, answer)
                self.assertIn(pointer, [e["pointer"] for e in json.loads(answer)["errors"]])
        status, _, _ = self.service.ask(self.service.admin, "POST", "/v1/tokens", "[")
        self.assertEqual(status, 400)

    def test_every_change_is_in_the_audit_log(self):
        seen = next(self.admin.audit())["id"]
        made = self.admin.create_token("submit", owner="carol")
        carol = Client(self.service.url, token=made["token"])
        path = self.service.folder / "carol.csv"
        path.write_text(spirals_csv(20))
        dataset = carol.upload(path)["id"]
        job = carol.submit({**self.objects.spec(), "dataset": dataset, "epochs": 1000000},
                           idempotency_key="once")["id"]
        carol.submit({**self.objects.spec(), "dataset": dataset, "epochs": 1000000},
                     idempotency_key="once")  # a replay changes nothing
        carol.stop(job)
        model = carol.wait(job, timeout=60)["model"]
        for attempt in (lambda: carol.delete_job(self.objects.job), lambda: carol.cancel(job)):
            with self.assertRaises(Problem):  # what is refused changes nothing
                attempt()
        if model:
            carol.delete_model(model)
        carol.delete_job(job)
        carol.delete_dataset(dataset)
        self.admin.revoke_token(made["id"])
        entries = [e for e in self.admin.audit() if e["id"] > seen]
        mine = [(e["action"], e["target"], e["status"]) for e in reversed(entries)
                if e["target"] in (dataset, job, model, made["id"])]
        wanted = [("POST /v1/tokens", made["id"], 201), ("POST /v1/datasets", dataset, 201),
                  ("POST /v1/jobs", job, 201), ("POST /v1/jobs/{id}/stop", job, 202)]
        if model:
            wanted.append(("DELETE /v1/models/{id}", model, 204))
        wanted += [("DELETE /v1/jobs/{id}", job, 204), ("DELETE /v1/datasets/{id}", dataset, 204),
                   ("DELETE /v1/tokens/{id}", made["id"], 204)]
        self.assertEqual(mine, wanted)
        for entry in entries:
            if entry["target"] in (dataset, job):
                self.assertEqual((entry["owner"], entry["token"]), ("carol", made["id"]))
                self.assertEqual(entry["address"], "127.0.0.1")
                self.assertRegex(entry["request_id"], "^req_")
        _, _, notice = token_command(self.service.folder / "data", "create", "--scope", "read")
        entry = next(self.admin.audit())
        self.assertEqual((entry["owner"], entry["action"], entry["token"], entry["address"]),
                         ("operator", "token create", None, "local"))
        self.assertIn(entry["target"], notice)

    def test_nothing_secret_is_told(self):
        """Neither log nor reply has a token, a path of the server or SQL."""
        texts = [self.service.admin, self.alice]
        replies = []
        for token in (None, "bp_" + "1" * 52, self.alice, self.service.admin):
            for method, path, body in (
                    ("GET", "/v1/info", None), ("GET", "/v1/jobs", None), ("GET", "/metrics", None),
                    ("GET", "/v1/tokens", None), ("GET", "/v1/audit", None), ("GET", "/v1/jobs/x'", None),
                    ("GET", f"/v1/jobs?after={self.service.admin}", None),
                    ("GET", f"/v1/jobs?token={self.service.admin}", None),
                    ("GET", f"/v1/jobs/{self.service.admin}", None),
                    ("GET", f"/{self.service.admin}", None),
                    ("POST", "/v1/jobs", {"dataset": "ds_00000000000000000000000000"}),
                    ("POST", "/v1/jobs", "{"), ("POST", "/v1/datasets", ""),
                    ("POST", f"/v1/models/{self.objects.model}/predict", {"rows": [{"x": "y"}]}),
                    ("DELETE", f"/v1/datasets/{self.objects.dataset[:-1]}x", None),
                    ("POST", "/v1/datasets", b"\x00\xff" * 100)):
                status, headers, answer = self.service.ask(token, method, path, body)
                if self.service.admin not in path:  # its own words may come back to who said them
                    replies.append(f"{headers}{answer.decode(errors='replace')}")
        log = (self.service.folder / "log").read_text()
        self.assertGreater(len(log.splitlines()), 50)
        self.assertGreater(len(replies), 40)
        data = str(self.service.folder)
        sql = re.compile(r"\b(SELECT|INSERT INTO|DELETE FROM|UPDATE \w+ SET|PRAGMA|sqlite)\b")
        secret = re.compile(r"bp_[0-9a-hjkmnp-tv-z]{52}")
        for where, text in [("log", log)] + [("reply", r) for r in replies]:
            with self.subTest(where=where):
                for token in texts:
                    self.assertNotIn(token, text)
                    self.assertNotIn(token[3:], text)
                self.assertIsNone(secret.search(text))
                self.assertNotIn(data, text)
                self.assertNotIn(str(BIN), text)
                self.assertIsNone(sql.search(text), text[:300])
        for file in (self.service.folder / "data").rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                for token in texts:
                    self.assertNotIn(token.encode(), content, file.name)


class OpenTest(unittest.TestCase):
    """Where no token is asked for."""

    def test_everything_is_locals_and_nobody_makes_tokens(self):
        service = Service("--workers", "2")
        try:
            client = service.client
            path = service.folder / "s.csv"
            path.write_text(spirals_csv(20))
            self.assertEqual(client.upload(path)["owner"], "local")
            self.assertEqual(list(client.tokens()), [])
            self.assertEqual([e["owner"] for e in client.audit()], ["local"])
            for attempt in (lambda: client.create_token("admin"),
                            lambda: client.revoke_token("tok_" + "0" * 26)):
                with self.assertRaises(Problem) as caught:
                    attempt()
                self.assertEqual(caught.exception.code, "nobody_identified")
            self.assertNotIn("tok_", token_command(service.folder / "data", "list")[1])
            # Later, behind tokens, what was made then is there for who acts for "local".
            status, text, _ = token_command(service.folder / "data", "create", "--scope", "read",
                                            "--owner", "local")
            self.assertEqual(status, 0)
            service.stop()
            service.arguments = ("--require-token",)
            service.start()
            self.assertEqual(len(list(Client(service.url, token=text.strip()).datasets())), 1)
        finally:
            service.remove()


if __name__ == "__main__":
    unittest.main()
