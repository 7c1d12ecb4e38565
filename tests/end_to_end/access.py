"""What the tests of access share: a service that asks for tokens, its callers, and its routes."""
import json
import pathlib
import re
import subprocess
import time

from backpropd import Client
from service import BIN, Service, spec, spirals_csv

ROUTES_FILE = pathlib.Path(__file__).resolve().parents[2] / "src/server/http/routes.c"


def routes():
    """Every row of the table of routes: (method, pattern, scope)."""
    row = re.compile(r'^\s*\{"([A-Z]+)", "([^"]+)", (0|READ|SUBMIT|ADMIN),', re.MULTILINE)
    text = ROUTES_FILE.read_text()
    found = row.findall(text)
    if len(found) != len(re.findall(r'^\s*\{"[A-Z]+", "/', text, re.MULTILINE)):
        raise AssertionError("a row of the table of routes cannot be read")
    return found


def token_command(data, *words):
    """backpropd token …: (exit status, standard output, standard error)."""
    run = subprocess.run([BIN / "backpropd", "token", *words, "--data", data],
                         capture_output=True, text=True, timeout=60)
    return run.returncode, run.stdout, run.stderr


class GuardedService(Service):
    """With --require-token; `admin` is a token of that scope, made while it runs."""

    def __init__(self, *arguments, **more):
        super().__init__("--require-token", "--workers", "2", *arguments, **more)
        self.admin = self.make("admin", "operator")

    def make(self, scope, owner=None):
        """A new token's text."""
        status, text, notice = token_command(self.folder / "data", "create", "--scope", scope,
                                             *(["--owner", owner] if owner else []))
        if status != 0:
            raise AssertionError(notice)
        return text.strip()

    def ask(self, token, method, path, body=None, headers=None):
        """(status, headers, bytes) for a caller; a dictionary is sent as JSON."""
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if isinstance(body, dict):
            body = json.dumps(body)
            headers["Content-Type"] = "application/json"
        return self.request(method, path, body, headers)

    def json(self, token, method, path, body=None, status=None):
        got, _, answer = self.ask(token, method, path, body)
        if status and got != status:
            raise AssertionError(f"{method} {path}: {got} {answer[:300]}")
        return json.loads(answer) if answer else None

    def id_of(self, token):
        """Of a token, by the name of its text in no place: the newest one."""
        return self.json(self.admin, "GET", "/v1/tokens?limit=1", status=200)["data"][0]["id"]

    def make_expired(self, owner):
        made = self.json(self.admin, "POST", "/v1/tokens",
                         {"scope": "admin", "owner": owner, "expires_in_seconds": 1}, 201)
        time.sleep(1.1)
        return made["token"]

    def make_revoked(self, owner):
        made = self.json(self.admin, "POST", "/v1/tokens", {"scope": "admin", "owner": owner}, 201)
        self.ask(made["token"], "GET", "/v1/info")  # now it is remembered
        status, _, _ = self.ask(self.admin, "DELETE", f"/v1/tokens/{made['id']}")
        assert status == 204, status
        return made["token"]


class Objects:
    """A dataset, a finished job and its model of one owner."""

    def __init__(self, service, token):
        self.client = Client(service.url, token=token)
        status, _, answer = service.ask(token, "POST", "/v1/datasets?name=spirals",
                                        spirals_csv(60), {"Content-Type": "text/csv"})
        assert status == 201, answer
        self.dataset = json.loads(answer)["id"]
        job = self.client.submit(self.spec(metadata={"team": "vision"}))
        job = self.client.wait(job["id"], timeout=60)
        self.job, self.model = job["id"], job["model"]

    def spec(self, **more):
        return spec(self.dataset, "arm", epochs=1, **more)

    def new_job(self):
        """Another job, ended, to be deleted."""
        job = self.client.wait(self.client.submit(self.spec())["id"], timeout=60)
        return job["id"], job["model"]
