"""TLS: what is spoken and what is not, and certificates that are renewed under way."""
import http.client
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.error

from backpropd import Client
from service import BIN, START_SECONDS, Service, spirals_csv


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Authority:
    """A certificate authority of the test's own, in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.certificate = folder / "ca.pem"
        self.key = folder / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-keyout", self.key, "-out", self.certificate,
                "-subj", "/CN=authority of a test", "-days", "2")
        self.made = 0

    def issue(self, days=2):
        """A new pair for localhost and 127.0.0.1: (certificate, key)."""
        self.made += 1
        base = self.folder / f"server{self.made}"
        certificate, key, request, names = (base.with_suffix(s)
                                            for s in (".pem", ".key", ".csr", ".cnf"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", key, "-out", request, "-subj", f"/CN=server {self.made}")
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                "-set_serial", str(self.made), "-days", str(days), "-extfile", names,
                "-out", certificate)
        return certificate, key


class TlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="backpropd-tls-"))
        cls.authority = Authority(cls.folder)
        cls.certificate, cls.key = cls.folder / "cert.pem", cls.folder / "key.pem"
        cls.install(*cls.authority.issue())
        cls.service = Service("--tls-cert", cls.certificate, "--tls-key", cls.key, "--hsts", "600",
                              "--max-upload", "1M", cafile=cls.authority.certificate)

    @classmethod
    def tearDownClass(cls):
        cls.service.remove()
        shutil.rmtree(cls.folder)

    @classmethod
    def install(cls, certificate, key):
        shutil.copyfile(certificate, cls.certificate)
        shutil.copyfile(key, cls.key)
        cls.key.chmod(0o600)

    def context(self):
        return ssl.create_default_context(cafile=self.authority.certificate)

    def connect(self):
        return http.client.HTTPSConnection("localhost", self.service.port, timeout=60,
                                           context=self.context())

    def serial(self):
        """Of the certificate that a new connection gets."""
        with socket.create_connection(("127.0.0.1", self.service.port), timeout=60) as plain, \
                self.context().wrap_socket(plain, server_hostname="localhost") as secure:
            return int(secure.getpeercert()["serialNumber"], 16)

    def reload(self, event):
        """SIGHUP; waits until the log has one more line with the event."""
        log = self.service.folder / "log"
        seen = log.read_text().count(event)
        self.service.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + START_SECONDS
        while log.read_text().count(event) == seen:
            self.assertLess(time.monotonic(), deadline, self.service.log_text())
            time.sleep(0.02)

    def test_the_first_line_and_the_replies_are_those_of_https(self):
        self.assertTrue(self.service.url.startswith("https://127.0.0.1:"))
        self.assertEqual(self.service.client.info()["object"], "info")
        connection = self.connect()
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        self.assertEqual(answer.headers["Strict-Transport-Security"], "max-age=600")
        connection.close()

    def test_clients_check_the_certificate(self):
        with self.assertRaises(urllib.error.URLError):
            Client(self.service.url).info()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("BACKPROP_")}
        command = [BIN / "backprop", "--url", self.service.url]
        refused = subprocess.run([*command, "info"], env=environment, capture_output=True, text=True)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("cannot reach", refused.stderr)
        subprocess.run([*command, "--cacert", self.authority.certificate, "info"],
                       env=environment, check=True, capture_output=True)
        environment["BACKPROP_CACERT"] = str(self.authority.certificate)
        subprocess.run([*command, "info"], env=environment, check=True, capture_output=True)

    def test_old_versions_and_plain_text_are_not_spoken(self):
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = self.context()
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = version
            with socket.create_connection(("127.0.0.1", self.service.port), timeout=60) as plain:
                with self.assertRaises((ssl.SSLError, ConnectionError)):
                    context.wrap_socket(plain, server_hostname="localhost")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.context()
            context.minimum_version = context.maximum_version = version
            with socket.create_connection(("127.0.0.1", self.service.port), timeout=60) as plain:
                with context.wrap_socket(plain, server_hostname="localhost") as secure:
                    self.assertEqual(secure.version(), version.name.replace("_", "."))
        with socket.create_connection(("127.0.0.1", self.service.port), timeout=60) as plain:
            plain.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            try:
                while chunk := plain.recv(65536):
                    answer += chunk
            except ConnectionError:
                pass
            self.assertNotIn(b"HTTP/", answer)

    def test_uploads_trainings_and_streams_go_over_tls(self):
        client = self.service.client
        path = self.folder / "spirals.csv"
        path.write_text(spirals_csv(100))
        dataset = client.upload(path)["id"]
        job = client.submit({"dataset": dataset, "features": {"target": "arm"}, "epochs": 2,
                             "model": {"layers": [{"type": "dense", "units": "auto"}]}})
        connection = self.connect()
        connection.request("GET", f"/v1/jobs/{job['id']}/events",
                           headers={"Accept": "text/event-stream"})
        text = connection.getresponse().read().decode()
        self.assertIn('"to":"succeeded"', text)
        connection.close()
        weights = client.download(client.wait(job["id"])["model"], self.folder / "weights")
        self.assertGreater(weights.stat().st_size, 100)

    def test_a_refusal_in_the_middle_of_a_body_is_readable(self):
        connection = self.connect()
        connection.connect()
        connection.sock.sendall(b"POST /v1/datasets HTTP/1.1\r\nHost: localhost\r\n"
                                b"Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"1,2\n" * 16384 + b"\r\n"
        try:
            for _ in range(64):
                connection.sock.sendall(chunk)
        except OSError:
            pass
        answer = b""
        try:
            while piece := connection.sock.recv(65536):
                answer += piece
        except OSError:
            pass
        connection.close()
        self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer[:200])
        self.assertIn(b'"code":"too_large"', answer)

    def test_a_renewed_certificate_is_used_without_a_restart(self):
        old = self.connect()
        old.request("GET", "/livez")
        old.getresponse().read()
        before = self.serial()
        for _ in range(3):
            self.install(*self.authority.issue())
            self.reload("event=tls_loaded")
            self.assertEqual(self.serial(), self.authority.made)
            old.request("GET", "/livez")  # on the connection of before
            self.assertEqual(old.getresponse().read(), b'{"status":"ok"}\n')
        self.assertNotEqual(self.serial(), before)
        old.close()

    def test_bad_files_leave_the_old_certificate(self):
        certificate, key = self.authority.issue()
        other, _ = self.authority.issue()
        self.install(certificate, key)
        self.reload("event=tls_loaded")
        serial = self.serial()
        garbage = self.folder / "garbage"
        garbage.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        empty = self.folder / "empty"
        empty.write_bytes(b"")
        large = self.folder / "large"
        large.write_bytes(b"x" * (2 << 20))
        faults = 0
        for pair in ((garbage, key), (empty, key), (large, key), (certificate, garbage),
                     (certificate, empty), (other, key), (key, key), (certificate, certificate)):
            self.install(*pair)
            self.reload("event=reload_failed")
            self.assertEqual(self.serial(), serial)
            faults += 1
        self.key.unlink()
        self.reload("event=reload_failed")
        self.assertEqual(self.serial(), serial)
        faults += 1
        self.assertEqual(faults, 9)
        self.assertNotIn(str(self.folder), (self.service.folder / "log").read_text())
        self.install(certificate, key)
        self.reload("event=tls_loaded")

    def test_a_key_that_others_may_read_is_warned_of(self):
        self.key.chmod(0o644)
        self.reload("event=tls_key_readable mode=0644")
        self.key.chmod(0o600)
        self.assertNotIn("PRIVATE", (self.service.folder / "log").read_text())

    def test_the_health_check_speaks_tls(self):
        address = f"127.0.0.1:{self.service.port}"
        other = Authority(pathlib.Path(tempfile.mkdtemp(dir=self.folder)))
        check = [BIN / "backpropd", "healthcheck", "--listen", address]
        for arguments, status in (([], 1), (["--tls-cert", self.certificate], 0),
                                  (["--tls-cert", self.certificate, "--cacert",
                                    self.authority.certificate], 0),
                                  (["--tls-cert", self.certificate, "--cacert",
                                    other.certificate], 1)):
            run = subprocess.run([*check, *arguments], capture_output=True, text=True)
            self.assertEqual(run.returncode, status, run.stderr)

    def test_a_daemon_does_not_start_with_half_of_it(self):
        certificate, key = self.authority.issue()
        other, _ = self.authority.issue()
        for arguments in (["--tls-cert", certificate], ["--tls-key", key],
                          ["--tls-cert", other, "--tls-key", key],
                          ["--tls-cert", self.folder / "none", "--tls-key", key]):
            run = subprocess.run([BIN / "backpropd", "--data", self.folder / "data", "--listen",
                                  "127.0.0.1:0", *arguments], capture_output=True, text=True,
                                 timeout=START_SECONDS)
            self.assertIn(run.returncode, (1, 2))
            self.assertIn("--tls-", run.stderr)
            self.assertNotIn("listening", run.stdout)


if __name__ == "__main__":
    unittest.main()
