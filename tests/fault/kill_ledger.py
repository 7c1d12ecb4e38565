"""What the kill harness was promised: every acknowledged write and everything that was read.

A fact that was acknowledged or seen once holds for ever; the ledger compares each later
answer with it and notes what does not fit.
"""
import collections
import threading

TERMINAL = ("succeeded", "failed", "cancelled")


class Job:
    """One posted job: what was asked of it, and what was seen."""

    def __init__(self, job, key, template):
        self.id, self.key, self.template = job, key, template
        self.wish = None      # of the last acknowledged action: cancel, stop or pause
        self.doubtful = None  # an action that was sent and not answered yet
        self.status = "queued"
        self.end = None       # (status, stop_reason, weights, finished_at) once seen
        self.points = {}      # (series, step) -> (value, time, epoch)
        self.events = {}      # number -> (type, created_at)
        self.lock = threading.Lock()  # held from a request about it until its answer is noted

    @property
    def open(self):
        return self.end is None


class Ledger:
    """Shared by all threads; every method takes the lock."""

    def __init__(self):
        self.lock = threading.RLock()
        self.keys = {}      # idempotency key -> body of the request
        self.jobs = {}      # ID -> Job
        self.by_key = {}    # idempotency key -> ID
        self.datasets = {}  # ID -> sha256 of the upload
        self.deleted, self.deleting = set(), set()
        self.order = []     # queued jobs as last seen, in order
        self.counts = collections.Counter()
        self.faults = []

    def count(self, what, by=1):
        with self.lock:
            self.counts[what] += by

    def fault(self, text):
        with self.lock:
            if len(self.faults) < 50:
                print(f"FAULT {text}", flush=True)
            self.faults.append(text)

    # Jobs

    def posted(self, key, template, job, replayed):
        """The job that a key gave: the first answer counts for ever."""
        with self.lock:
            known = self.by_key.setdefault(key, job)
            if known != job:
                self.fault(f"key {key} gave {job} after {known}")
            elif replayed:
                self.counts["posts replayed"] += 1
            else:
                self.counts["posts acknowledged"] += 1
            if job not in self.jobs:
                self.jobs[job] = Job(job, key, template)

    def open_jobs(self):
        with self.lock:
            return [job for job in self.jobs.values() if job.open]

    def saw_job(self, answer, settled=False):
        """`settled`: the daemon has just started, so nothing is on its way to its end."""
        with self.lock:
            job = self.jobs[answer["id"]]
            status = job.status = answer["status"]
            end = (status, answer["stop_reason"], answer["weights_sha256"],
                   answer["finished_at"])
            if job.end is not None and job.end != end:
                self.fault(f"{job.id} had ended as {job.end}, now it is {end}")
            if status == "failed":
                self.fault(f"{job.id} failed: {answer['error']}")
            if (job.wish and job.doubtful in (None, job.wish)
                    and status not in self._allowed(job.wish, settled)):
                self.fault(f"{job.id} is {status} after an acknowledged {job.wish}")
            if status == "cancelled" and "cancel" not in (job.wish, job.doubtful):
                self.fault(f"{job.id} is cancelled, and nobody asked for it")
            if answer["terminal"] and job.end is None:
                job.end = end
                self.counts[f"jobs {status}"] += 1

    @staticmethod
    def _allowed(wish, settled):
        """The statuses that a job may have after an acknowledged wish."""
        if wish == "cancel":
            return ("cancelled",) if settled else ("cancelling", "cancelled")
        if wish == "pause":  # a job may end before it is paused
            return ("paused", "succeeded") + (() if settled else ("pausing",))
        return ("queued", "running", "stopping", "succeeded")

    def saw_metrics(self, job_id, answer):
        with self.lock:
            job = self.jobs[job_id]
            now = {}
            for series in answer["series"]:
                for step, value, time, epoch in zip(series["step"], series["value"],
                                                    series["time"], series["epoch"]):
                    if (series["name"], step) in now:
                        self.fault(f"{job_id} has {series['name']} twice at step {step}")
                    now[series["name"], step] = (value, time, epoch)
            for point, seen in job.points.items():
                if point not in now:
                    self.fault(f"{job_id} lost its point {point} {seen}")
                elif now[point] != seen:
                    self.fault(f"{job_id} had {seen} as {point}, now {now[point]}")
            self.counts["metric points seen"] += len(now) - len(job.points)
            self.counts["metric reads"] += 1
            job.points = now

    def saw_events(self, job_id, events):
        """All events of a job, from the first."""
        with self.lock:
            job = self.jobs[job_id]
            now = {event["id"]: (event["type"], event["created_at"]) for event in events}
            for number, seen in job.events.items():
                if now.get(number) != seen:
                    self.fault(f"{job_id} had event {number} {seen}, now {now.get(number)}")
            for number, (kind, _) in now.items():
                if number not in job.events and kind == "resumed":
                    self.counts["resumed from a checkpoint"] += 1
            job.events = now

    def saw_queue(self, answers):
        """All queued jobs, by their position: 1, 2, 3 …, in the same order as before."""
        with self.lock:
            answers = sorted(answers, key=lambda answer: answer["queue_position"])
            places = [answer["queue_position"] for answer in answers]
            if places != list(range(1, len(places) + 1)):
                self.fault(f"the places in the queue are {places}")
            priorities = [answer["priority"] for answer in answers]
            if priorities != sorted(priorities, reverse=True):
                self.fault(f"the priorities in the queue are {priorities}")
            now = [answer["id"] for answer in answers]
            both = set(now) & set(self.order)
            before = [job for job in self.order if job in both]
            after = [job for job in now if job in both]
            if before != after:
                self.fault(f"the queue was {before} and became {after}")
            self.counts["places in the queue compared"] += len(both)
            self.order = now

    # Datasets

    def saw_datasets(self, answers):
        """All datasets. Those whose 201 was lost are there or not, and stay so."""
        with self.lock:
            now = {answer["id"]: answer["sha256"] for answer in answers}
            for dataset, sha256 in self.datasets.items():
                if now.get(dataset) != sha256 and dataset not in self.deleting:
                    self.fault(f"dataset {dataset} {sha256} is {now.get(dataset)}")
            for dataset in self.deleted & set(now):
                self.fault(f"dataset {dataset} is back")
            self.counts["uploads committed without a reply"] += len(set(now) - set(self.datasets))
            self.datasets = now
