"""A client for backpropd that needs only Python's standard library.

    from backpropd import Client

    client = Client("http://127.0.0.1:8080")
    dataset = client.upload("titanic.csv")
    job = client.submit({"dataset": dataset["id"], "features": {"target": "Survived"},
                         "model": {"layers": [{"type": "dense", "units": 16, "activation": "relu"},
                                              {"type": "dense", "units": "auto"}]}})
    job = client.wait(job["id"])
    print(job["metrics"]["test"])
    print(client.predict(job["model"], rows=[{"Age": 22, "Sex": "male", "Pclass": 3}]))
    client.download(job["model"], "titanic.safetensors")

Every method returns what the server answered, as plain dictionaries (docs/API.md describes
them), or raises Problem.
"""
from __future__ import annotations

import json
import os
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

__all__ = ["Client", "Problem"]

Json = dict[str, Any]


class Problem(Exception):
    """The server refused: `status`, `code`, `detail`, and `errors`, each with a JSON Pointer."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(body.get("code", "unknown"))
        self.detail = str(body.get("detail", ""))
        self.errors: list[Json] = list(body.get("errors", []))
        lines = [f"{status} {self.code}: {self.detail}"]
        lines += [f"  {error.get('pointer', '')}: {error.get('detail', '')}" for error in self.errors]
        super().__init__("\n".join(lines))


class _Multipart:
    """A multipart/form-data body that is read from its files while it is sent."""

    def __init__(self, parts: Mapping[str, Path]) -> None:
        self.boundary = uuid.uuid4().hex
        self._pieces: list[bytes | Path] = []
        for name, path in parts.items():
            head = (f"--{self.boundary}\r\nContent-Disposition: form-data; "
                    f'name="{name}"; filename="{path.name}"\r\n\r\n')
            self._pieces += [head.encode(), path, b"\r\n"]
        self._pieces.append(f"--{self.boundary}--\r\n".encode())

    def __len__(self) -> int:
        return sum(piece.stat().st_size if isinstance(piece, Path) else len(piece)
                   for piece in self._pieces)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            with piece.open("rb") as file:
                while chunk := file.read(1 << 20):
                    yield chunk


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The server sends none, and the token is for no other."""

    def redirect_request(self, *arguments: Any, **more: Any) -> None:
        return None


class Client:
    """One server. `token` defaults to the environment's BACKPROP_TOKEN; `cafile`, certificates
    that may vouch for an https server in place of the system's, to BACKPROP_CACERT.
    Thread-safe."""

    def __init__(self, url: str = "http://127.0.0.1:8080", token: str | None = None,
                 timeout: float = 60.0, cafile: str | os.PathLike[str] | None = None) -> None:
        self.url = url.rstrip("/")
        self.token = token or os.environ.get("BACKPROP_TOKEN")
        self.timeout = timeout
        context = ssl.create_default_context(cafile=cafile or os.environ.get("BACKPROP_CACERT"))
        self._opener = urllib.request.build_opener(
            _NoRedirects, urllib.request.HTTPSHandler(context=context))

    # Datasets

    def upload(self, *files: str | os.PathLike[str], name: str | None = None,
               parts: Mapping[str, str | os.PathLike[str]] | None = None,
               **options: str) -> Json:
        """Uploads one file, or several as `parts`: {"train.features": path, …}. Options are the
        query arguments: header, delimiter, missing."""
        query = dict(options, **({"name": name} if name else {}))
        path = "/v1/datasets" + ("?" + urllib.parse.urlencode(query) if query else "")
        if parts:
            body = _Multipart({key: Path(value) for key, value in parts.items()})
            kind = f"multipart/form-data; boundary={body.boundary}"
            return self._json("POST", path, data=body, headers={
                "Content-Type": kind, "Content-Length": str(len(body))})
        if len(files) != 1:
            raise ValueError("upload() takes one file, or parts=")
        file = Path(files[0])
        with file.open("rb") as data:
            return self._json("POST", path, data=data, headers={
                "Content-Type": "application/octet-stream",
                "Content-Length": str(file.stat().st_size)})

    def datasets(self, **query: Any) -> Iterator[Json]:
        return self._list("/v1/datasets", query)

    def dataset(self, dataset: str) -> Json:
        return self._json("GET", f"/v1/datasets/{dataset}")

    def preview(self, dataset: str) -> Json:
        return self._json("GET", f"/v1/datasets/{dataset}/preview")

    def delete_dataset(self, dataset: str) -> None:
        self._json("DELETE", f"/v1/datasets/{dataset}")

    # Jobs

    def validate(self, spec: Mapping[str, Any]) -> Json:
        return self._json("POST", "/v1/jobs:validate", body=spec)

    def check_gradients(self, spec: Mapping[str, Any]) -> Json:
        """The gradients of the spec's network beside finite differences, layer by layer."""
        return self._json("POST", "/v1/jobs:gradcheck", body=spec)

    def submit(self, spec: Mapping[str, Any], idempotency_key: str | None = None) -> Json:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._json("POST", "/v1/jobs", body=spec, headers=headers)

    def jobs(self, **query: Any) -> Iterator[Json]:
        """All jobs, newest first; filters as keywords: status="failed"."""
        return self._list("/v1/jobs", query)

    def job(self, job: str) -> Json:
        return self._json("GET", f"/v1/jobs/{job}")

    def wait(self, job: str, timeout: float | None = None, interval: float = 0.2) -> Json:
        """Polls until the job has ended. Raises TimeoutError."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            answer = self.job(job)
            if answer["terminal"]:
                return answer
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{job} is {answer['status']} after {timeout} s")
            time.sleep(interval)

    def cancel(self, job: str) -> Json:
        return self._json("POST", f"/v1/jobs/{job}/cancel")

    def stop(self, job: str) -> Json:
        return self._json("POST", f"/v1/jobs/{job}/stop")

    def pause(self, job: str) -> Json:
        return self._json("POST", f"/v1/jobs/{job}/pause")

    def resume(self, job: str) -> Json:
        return self._json("POST", f"/v1/jobs/{job}/resume")

    def delete_job(self, job: str) -> None:
        self._json("DELETE", f"/v1/jobs/{job}")

    def metrics(self, job: str, names: Sequence[str] = (), since_step: int = 0,
                max_points: int | None = None) -> Json:
        query: Json = {"since_step": since_step}
        if names:
            query["names"] = ",".join(names)
        if max_points:
            query["max_points"] = max_points
        return self._json("GET", f"/v1/jobs/{job}/metrics?{urllib.parse.urlencode(query)}")

    def events(self, job: str, after: int = 0, limit: int = 100) -> Json:
        return self._json("GET", f"/v1/jobs/{job}/events?after={after}&limit={limit}")

    def follow(self, job: str, after: int = 0) -> Iterator[Json]:
        """Live events until the job has ended: stored events, and progress as it is."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        with self._open("GET", f"/v1/jobs/{job}/events", headers=headers) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    def checkpoints(self, job: str) -> Json:
        return self._json("GET", f"/v1/jobs/{job}/checkpoints")

    # Models

    def models(self, **query: Any) -> Iterator[Json]:
        return self._list("/v1/models", query)

    def model(self, model: str) -> Json:
        return self._json("GET", f"/v1/models/{model}")

    def delete_model(self, model: str) -> None:
        self._json("DELETE", f"/v1/models/{model}")

    def download(self, model: str, path: str | os.PathLike[str],
                 format: str = "safetensors") -> Path:
        """Saves the weights; the file appears only when it is whole."""
        target = Path(path)
        partial = target.with_name(target.name + ".part")
        try:
            with self._open("GET", f"/v1/models/{model}/weights?format={format}") as answer, \
                    partial.open("wb") as file:
                shutil.copyfileobj(answer, file, 1 << 20)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return target

    def predict(self, model: str, rows: Sequence[Mapping[str, Any]] | None = None,
                inputs: Sequence[Any] | None = None) -> list[Json]:
        """One prediction a row (tables: rows=[{column: value}]; arrays: inputs=[sample];
        texts: inputs=["text"])."""
        body: Json = {"rows": rows} if rows is not None else {"inputs": inputs}
        answer: list[Json] = self._json("POST", f"/v1/models/{model}/predict",
                                        body=body)["predictions"]
        return answer

    def generate(self, model: str, prompt: str, **options: Any) -> Json:
        """Goes on with a text. Options: max_tokens, temperature, top_k, seed."""
        return self._json("POST", f"/v1/models/{model}/generate",
                          body=dict(options, prompt=prompt))

    def generate_stream(self, model: str, prompt: str, **options: Any) -> Iterator[str]:
        """The same, piece by piece as it is made."""
        body = json.dumps(dict(options, prompt=prompt, stream=True)).encode()
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        with self._open("POST", f"/v1/models/{model}/generate", body, headers) as answer:
            event = ""
            for line in answer:
                if line.startswith(b"event: "):
                    event = line[7:].strip().decode()
                elif line.startswith(b"data: ") and event != "done":
                    data = json.loads(line[6:])
                    if event == "error":
                        raise Problem(500, data)
                    yield data["text"]

    def evaluate(self, model: str, dataset: str, split: str = "all") -> Json:
        """A model's metrics over a split of a dataset: train, validation, test or all."""
        return self._json("POST", f"/v1/models/{model}/evaluate",
                          body={"dataset": dataset, "split": split})

    # Access, for tokens of scope admin

    def create_token(self, scope: str, **wishes: Any) -> Json:
        """A new token; its text, `token`, is in this answer alone. Wishes: owner, name,
        expires_in_seconds."""
        return self._json("POST", "/v1/tokens", body=dict(wishes, scope=scope))

    def tokens(self) -> Iterator[Json]:
        return self._list("/v1/tokens", {})

    def get_token(self, token: str) -> Json:
        return self._json("GET", f"/v1/tokens/{token}")

    def revoke_token(self, token: str) -> None:
        self._json("DELETE", f"/v1/tokens/{token}")

    def audit(self) -> Iterator[Json]:
        """What was changed, by whom, newest first."""
        return self._list("/v1/audit", {})

    def info(self) -> Json:
        return self._json("GET", "/v1/info")

    # How it is done

    def _open(self, method: str, path: str, data: Any = None,
              headers: Mapping[str, str] | None = None) -> IO[bytes]:
        request = urllib.request.Request(self.url + path, data=data, method=method,
                                         headers=dict(headers or {}))
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            answer: IO[bytes] = self._opener.open(request, timeout=self.timeout)
            return answer
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                body = json.loads(text)
            except ValueError:
                body = {"detail": text[:200].decode(errors="replace")}
            raise Problem(error.code, body) from None

    def _json(self, method: str, path: str, body: Mapping[str, Any] | None = None,
              data: Any = None, headers: Mapping[str, str] | None = None) -> Json:
        headers = dict(headers or {})
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        with self._open(method, path, data, headers) as answer:
            text = answer.read()
        result: Json = json.loads(text) if text else {}
        return result

    def _list(self, path: str, query: Mapping[str, Any]) -> Iterator[Json]:
        after: str | None = None
        while True:
            words = dict(query, limit=100, **({"after": after} if after else {}))
            page = self._json("GET", f"{path}?{urllib.parse.urlencode(words)}")
            yield from page["data"]
            if not page["has_more"]:
                return
            after = page["last_id"]
