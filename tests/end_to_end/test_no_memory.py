"""A daemon that gets no more memory from the system. A sanitizer takes terabytes of addresses for
itself and dies without them, so its builds do not have this test."""
import json
import resource

from service import spec
from test_limits import PATIENCE, LimitTest


class MemoryTest(LimitTest):
    def test_without_memory_it_says_so_and_goes_on_when_there_is_some(self):
        dataset = json.loads(self.upload()[2])["id"]
        pid = self.service.process.pid
        with open(f"/proc/{pid}/status") as status:
            size = next(int(line.split()[1]) for line in status if line.startswith("VmSize"))
        before = resource.prlimit(pid, resource.RLIMIT_AS)
        refused, jobs = 0, []
        try:
            resource.prlimit(pid, resource.RLIMIT_AS, (size << 10, before[1]))
            for seed in range(20):
                answer = self.upload(seed=seed)
                if answer[0] != 201:
                    self.assert_problem(answer, 503)
                    self.assertGreaterEqual(int(answer[1]["Retry-After"]), 1)
                    refused += 1
                answer = self.post(spec(dataset, "arm", seed=seed))
                self.assertIn(answer[0], (201, 503))
                if answer[0] == 201:
                    jobs.append(json.loads(answer[2])["id"])
                self.assertIn(self.service.request("GET", "/v1/jobs?limit=100")[0], (200, 503))
        finally:
            resource.prlimit(pid, resource.RLIMIT_AS, before)
        self.assertGreaterEqual(refused, 1)
        for job in jobs:
            ended = self.client.wait(job, timeout=PATIENCE)
            self.assertEqual((ended["status"], ended["attempt"]), ("succeeded", 1))
        self.assertEqual(self.upload()[0], 201)
