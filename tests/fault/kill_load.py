"""The load of the kill harness: threads that use the API as clients do, and note every answer.

A request whose answer did not come is sent again until one comes, as a client with an
idempotency key does. What was answered goes to the ledger.
"""
import http.client
import json
import random
import threading
import time

OPEN_JOBS = 14  # more are not posted meanwhile
DATASETS = 24
LATER = (429, 503)  # statuses that ask for patience


class Lost(Exception):
    """The connection broke before the answer was whole."""


class Door:
    """Lets the threads in while a daemon is there, and knows when none of them is inside."""

    def __init__(self):
        self.condition = threading.Condition()
        self.port, self.generation, self.inside, self.over = None, 0, 0, False

    def open(self, port):
        with self.condition:
            self.port, self.generation = port, self.generation + 1
            self.condition.notify_all()

    def close(self):
        """Returns when everybody is out: the daemon is dead, so none waits for long."""
        with self.condition:
            self.port = None
            self.condition.wait_for(lambda: self.inside == 0)

    def end(self):
        with self.condition:
            self.over = True
            self.condition.notify_all()

    def enter(self):
        with self.condition:
            self.condition.wait_for(lambda: self.port or self.over)
            if self.over:
                raise SystemExit
            self.inside += 1
            return self.port, self.generation

    def leave(self):
        with self.condition:
            self.inside -= 1
            self.condition.notify_all()

    def wait_after(self, generation):
        """Until another daemon is there than the one that went away."""
        with self.condition:
            self.condition.wait_for(lambda: self.generation > generation or self.over,
                                    timeout=0.2)  # the daemon may be there all the same


class Way:
    """One thread's way to the daemon: a connection that is kept as long as it lasts."""

    def __init__(self, port):
        self.port, self.connection = port, None

    def request(self, method, path, body=None, headers=None):
        """(status, headers, object). Raises Lost."""
        try:
            if not self.connection:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            self.connection.request(method, path, body=body, headers=headers or {})
            answer = self.connection.getresponse()
            text = answer.read()
            return answer.status, answer.headers, json.loads(text) if text else None
        except (OSError, http.client.HTTPException, ValueError) as reason:
            self.drop()
            raise Lost from reason

    def drop(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class GuardedWay(Way):
    """The same through the door, to whichever daemon is behind it."""

    def __init__(self, door):
        super().__init__(None)
        self.door, self.generation = door, 0

    def once(self, exchange):
        """Calls `exchange`, which also notes the answer: nobody is counted as out before."""
        port, generation = self.door.enter()
        try:
            if self.generation != generation:
                self.drop()
                self.port, self.generation = port, generation
            return exchange(self)
        finally:
            self.door.leave()

    def insist(self, exchange):
        """The same until there is an answer; `exchange` returns None to be called again."""
        while not self.door.over:
            try:
                answer = self.once(exchange)
            except Lost:
                self.door.wait_after(self.generation)
                continue
            if answer is not None:
                return answer
            time.sleep(0.05)


class Load:
    """Starts the threads; `templates` are bodies of jobs by name."""

    def __init__(self, door, ledger, templates, seed):
        self.door, self.ledger, self.templates = door, ledger, templates
        self.posting = True
        roles = [self.post, self.post, self.act, self.poll, self.poll, self.upload]
        self.threads = [threading.Thread(target=self.play, args=(role, f"{seed}-{i}"))
                        for i, role in enumerate(roles)]
        for thread in self.threads:
            thread.start()

    def play(self, role, seed):
        try:
            role(GuardedWay(self.door), random.Random(seed), seed)
        except SystemExit:
            pass
        except Exception as reason:  # a thread that died would make the test pass in silence
            self.ledger.fault(f"{role.__name__}: {type(reason).__name__}: {reason}")

    def end(self):
        self.door.end()
        for thread in self.threads:
            thread.join()

    def refused(self, what, answer):
        self.ledger.fault(f"{what} was answered {answer}")

    # What each thread does

    def post(self, way, rng, seed):
        number = 0
        while not self.door.over:
            time.sleep(rng.uniform(0, 0.06))
            if not self.posting or len(self.ledger.open_jobs()) >= OPEN_JOBS:
                with self.ledger.lock:
                    keys = list(self.ledger.by_key)
                if keys and rng.random() < 0.3:
                    self.post_once(way, rng.choice(keys))
                continue
            number += 1
            key = f"{seed}-{number}"
            template = rng.choices(list(self.templates), [4, 5, 5, 3, 3])[0]
            body = dict(self.templates[template], metadata={"key": key, "of": template},
                        priority=rng.choice([0, 0, 0, 1, -1]))
            with self.ledger.lock:
                self.ledger.keys[key] = json.dumps(body)
            self.post_once(way, key)

    def post_once(self, way, key):
        body = self.ledger.keys[key]

        def exchange(way):
            status, headers, answer = way.request("POST", "/v1/jobs", body, {
                "Content-Type": "application/json", "Idempotency-Key": key})
            if status == 201:
                self.ledger.posted(key, json.loads(body)["metadata"]["of"], answer["id"],
                                   headers.get("Idempotent-Replayed") == "true")
            elif status not in LATER:
                self.refused("a post", answer)
            return None if status in LATER else status

        way.insist(exchange)

    def act(self, way, rng, _):
        while not self.door.over:
            time.sleep(rng.uniform(0, 0.05))
            jobs = self.ledger.open_jobs()
            if not jobs:
                continue
            job = rng.choice(jobs)
            self.act_on(way, job, self.choose(rng, job))

    def choose(self, rng, job):
        if job.wish == "pause":
            return "resume" if not self.posting or rng.random() < 0.4 else None
        if job.wish in ("cancel", "stop"):
            return job.wish if rng.random() < 0.1 else None  # again: nothing changes
        if job.template == "endless":
            return rng.choices(["stop", "cancel", None], [3, 1, 3])[0]
        if not self.posting:
            return None
        return rng.choices(["cancel", "pause", None], [1, 3, 30])[0]

    def act_on(self, way, job, action):
        if not action:
            return
        with self.ledger.lock:
            job.doubtful = action

        def exchange(way):
            with job.lock:
                status, _, answer = way.request("POST", f"/v1/jobs/{job.id}/{action}")
                if status in LATER:
                    return None
                with self.ledger.lock:
                    job.doubtful = None
                    if status in (200, 202):
                        job.wish = None if action == "resume" else action
                        self.ledger.counts[f"{action} acknowledged"] += 1
                        self.ledger.saw_job(answer)
                    elif status != 409:
                        self.refused(action, answer)
                return status

        way.insist(exchange)

    def poll(self, way, rng, _):
        while not self.door.over:
            time.sleep(rng.uniform(0, 0.03))
            jobs = self.ledger.open_jobs()
            if not jobs:
                continue
            job = rng.choice(jobs)
            try:
                with job.lock:
                    way.once(lambda way: look(way, self.ledger, job))
            except Lost:
                self.door.wait_after(way.generation)

    def upload(self, way, rng, seed):
        number = 0
        while not self.door.over:
            time.sleep(rng.uniform(0, 0.1))
            number += 1
            text = "a,b,c\n" + "".join(
                f"{rng.random():.6f},{rng.random():.6f},{i % 3}\n" for i in range(200))
            with self.ledger.lock:
                spare = [] if len(self.ledger.datasets) < DATASETS else [
                    dataset for dataset in self.ledger.datasets
                    if dataset != self.templates["short"]["dataset"]]
            if spare:
                self.delete(way, rng.choice(spare))
                continue
            if rng.random() < 0.2:
                self.break_off(text)
                continue
            try:
                way.once(lambda way: self.upload_once(way, f"u{seed}-{number}", text))
            except Lost:
                self.ledger.count("uploads without an answer")

    def upload_once(self, way, name, text):
        status, _, answer = way.request("POST", f"/v1/datasets?name={name}", text,
                                        {"Content-Type": "text/csv"})
        if status == 201:
            with self.ledger.lock:
                self.ledger.datasets[answer["id"]] = answer["sha256"]
                self.ledger.counts["uploads acknowledged"] += 1
        elif status not in LATER:
            self.refused("an upload", answer)

    def delete(self, way, dataset):
        self.ledger.deleting.add(dataset)

        def exchange(way):
            status, _, answer = way.request("DELETE", f"/v1/datasets/{dataset}")
            if status in LATER:
                return None
            with self.ledger.lock:
                if status not in (200, 204, 404):  # 404: the first answer was lost
                    self.refused("a deletion", answer)
                self.ledger.datasets.pop(dataset, None)
                self.ledger.deleting.discard(dataset)
                self.ledger.deleted.add(dataset)
                self.ledger.counts["deletions acknowledged"] += 1
            return status

        way.insist(exchange)

    def break_off(self, text):
        """Half an upload, and the client is gone."""
        port, _ = self.door.enter()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.putrequest("POST", "/v1/datasets")
            connection.putheader("Content-Type", "text/csv")
            connection.putheader("Content-Length", str(len(text)))
            connection.endheaders()
            connection.send(text[:len(text) // 2].encode())
            connection.close()
            self.ledger.count("uploads broken off")
        except OSError:
            pass
        finally:
            self.door.leave()


def events_of(way, job):
    events, after = [], 0
    while True:
        _, _, page = way.request("GET", f"/v1/jobs/{job}/events?limit=1000&after={after}")
        events += page["data"]
        if not page["has_more"]:
            return events
        after = events[-1]["id"]


def look(way, ledger, job, settled=False):
    """Reads everything of a job and compares it with what was known."""
    for path, take in (("", lambda answer: ledger.saw_job(answer, settled)),
                       ("/metrics", lambda answer: ledger.saw_metrics(job.id, answer))):
        status, _, answer = way.request("GET", f"/v1/jobs/{job.id}{path}")
        if status == 200:
            take(answer)
        else:
            ledger.fault(f"GET {path} of {job.id} was answered {answer}")
    ledger.saw_events(job.id, events_of(way, job.id))


def listed(way, path):
    """All objects of a list."""
    objects, after = [], ""
    while True:
        mark = "&" if "?" in path else "?"
        _, _, page = way.request("GET", f"{path}{mark}limit=100{after}")
        objects += page["data"]
        if not page["has_more"]:
            return objects
        after = f"&after={page['last_id']}"
