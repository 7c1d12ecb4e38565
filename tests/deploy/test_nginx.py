"""The example for nginx, run in front of a daemon, with ports and files of this machine."""
import http.client
import json
import os
import pathlib
import socket
import ssl
import subprocess
import tempfile
import unittest

from service import Service, spirals_csv
from until import until

EXAMPLE = pathlib.Path(__file__).parents[2] / "deploy" / "nginx" / "backpropd.conf"
NAME = "train.example"
PROGRAM = os.environ["NGINX_PROGRAM"]  # NGINX itself means something to nginx


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Proxy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.scratch.name)
        folder.chmod(0o755)
        cls.service = Service("--workers", "1", "--allow-host", NAME,
                              "--max-connections-per-address", "0",
                              "--max-streams-per-address", "0")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-keyout",
                        folder / "key", "-out", folder / "cert"], check=True,
                       capture_output=True)
        cls.plain, cls.port = free_port(), free_port()
        text = EXAMPLE.read_text()
        for old, new in (("127.0.0.1:8080", f"127.0.0.1:{cls.service.port}"),
                         ("listen 80;", f"listen 127.0.0.1:{cls.plain};"),
                         ("listen 443 ", f"listen 127.0.0.1:{cls.port} "),
                         ("/etc/ssl/certs/train.example.pem", str(folder / "cert")),
                         ("/etc/ssl/private/train.example.key", str(folder / "key"))):
            assert old in text, old
            text = text.replace(old, new)
        text = "\n".join(line for line in text.split("\n") if "listen [::]" not in line)
        cls.config = folder / "nginx.conf"
        user = "user root;\n" if os.geteuid() == 0 else ""
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        cls.config.write_text(
            f"{user}daemon off;\nworker_processes 1;\npid {folder}/pid;\n"
            f"error_log {folder}/log;\nevents {{ worker_connections 256; }}\n"
            f"http {{\naccess_log off;\n{temporary}{text}\n}}\n")
        cls.nginx = subprocess.Popen([PROGRAM, "-e", "stderr", "-c", cls.config],
                                     stderr=subprocess.DEVNULL)
        cls.trust = ssl.create_default_context(cafile=folder / "cert")
        until(cls.answers)

    @classmethod
    def answers(cls):
        try:
            socket.create_connection(("127.0.0.1", cls.port), timeout=5).close()
            return True
        except ConnectionRefusedError:
            return False

    @classmethod
    def tearDownClass(cls):
        cls.nginx.terminate()
        cls.nginx.wait(timeout=30)
        cls.service.remove()
        cls.scratch.cleanup()

    def connect(self, source="127.0.0.1"):
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=30,
                                        source_address=(source, 0))
        connection = http.client.HTTPConnection(NAME)
        connection.sock = self.trust.wrap_socket(sock, server_hostname=NAME)
        self.addCleanup(connection.close)
        return connection

    def ask(self, method, path, body=None, headers=None):
        connection = self.connect()
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()

    def test_nginx_accepts_it(self):
        done = subprocess.run([PROGRAM, "-t", "-q", "-e", "stderr", "-c",
                               self.config], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_requests_pass_with_an_identifier_and_over_tls_alone(self):
        status, headers, body = self.ask("GET", "/v1/info")
        self.assertEqual((status, json.loads(body)["object"]), (200, "info"))
        self.assertRegex(headers["X-Request-Id"], "^[0-9a-f]{32}$")
        self.assertIn("max-age=", headers["Strict-Transport-Security"])
        plain = http.client.HTTPConnection("127.0.0.1", self.plain, timeout=30)
        plain.request("GET", "/v1/info", headers={"Host": NAME})
        reply = plain.getresponse()
        self.assertEqual((reply.status, reply.headers["Location"]),
                         (308, f"https://{NAME}/v1/info"))
        plain.close()

    def test_what_is_for_the_machine_is_there(self):
        for path in ("/livez", "/readyz", "/metrics"):
            self.assertEqual(self.ask("GET", path)[0], 200, path)

    def test_a_page_of_the_site_may_change_something(self):
        """The browser's view of the address, with TLS, differs from the daemon's."""
        headers = {"Origin": f"https://{NAME}", "Sec-Fetch-Site": "same-origin",
                   "Content-Type": "text/csv"}
        status, _, body = self.ask("POST", "/v1/datasets", spirals_csv(30), headers)
        self.assertEqual(status, 201, body)
        headers["Origin"] = "https://evil.example"
        headers["Sec-Fetch-Site"] = "cross-site"
        self.assertEqual(self.ask("POST", "/v1/datasets", spirals_csv(30), headers)[0], 403)

    def test_uploads_larger_than_nginx_would_take_pass(self):
        text = "a,b\n" + "1,2\n" * 1_000_000  # 4 MB; nginx takes 1 MB unless told otherwise
        status, _, body = self.ask("POST", "/v1/datasets", text, {"Content-Type": "text/csv"})
        self.assertEqual(status, 201, body)

    def test_events_come_when_they_happen(self):
        dataset = self.service.upload_text(spirals_csv(60))[1]["id"]
        spec = {"dataset": dataset, "epochs": 1_000_000, "features": {"target": "arm"},
                "model": {"layers": [{"type": "dense", "units": "auto"}]}}
        job = self.service.client.submit(spec)["id"]
        connection = self.connect()
        connection.request("GET", f"/v1/jobs/{job}/events",
                           headers={"Accept": "text/event-stream"})
        reply = connection.getresponse()
        self.assertEqual(reply.headers["Content-Type"].split(";")[0], "text/event-stream")
        seen = b""
        while b"running" not in seen:  # the job goes on: nothing closes the stream
            piece = reply.read1(4096)
            self.assertTrue(piece, seen)
            seen += piece
        self.service.client.cancel(job)
        while piece := reply.read1(4096):
            seen += piece
        self.assertIn(b"cancelled", seen)

    def test_a_flood_is_told_to_slow_down(self):
        connection = self.connect(source="127.0.0.2")  # the others shall not suffer from it
        statuses = set()
        for _ in range(400):
            connection.request("GET", "/v1/info")
            reply = connection.getresponse()
            reply.read()
            statuses.add(reply.status)
            if reply.status == 429:
                break
        self.assertEqual(statuses, {200, 429})


if __name__ == "__main__":
    unittest.main()
