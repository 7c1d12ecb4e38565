"""Damaged files of every format, posted to the real daemon: whatever they are, the answer is a
2xx or a 4xx problem with a code, soon, and the daemon is as sane afterwards as before.

The files are made here, from a fixed seed: good ones of each format, then changed (cut off, bits
turned, bytes put in and taken out, sizes in heads made huge, other line ends, NULs, broken UTF-8,
giant fields), wrapped in gzip once, twice or wrongly, and sent under types that they are not.

    BACKPROPD_MALFORMED=10000     so many instead of the usual few hundred
"""
import gzip
import io
import json
import os
import random
import struct
import time
import zipfile
import zlib

from service import ServiceTest, idx, passengers_csv

COUNT = int(os.environ.get("BACKPROPD_MALFORMED", "240"))
SECONDS = 60  # no answer may take so long, even under a sanitizer


def npy(descr, shape, payload, version=1):
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape!r}, }}\n".encode()
    size = struct.pack("<H" if version == 1 else "<I", len(head))
    return b"\x93NUMPY" + bytes([version, 0]) + size + head + payload


def npz(member):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", member)
    return file.getvalue()


def multipart(parts, boundary="xYz"):
    text = b""
    for name, content in parts:
        text += (f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; '
                 f'filename="f"\r\n\r\n').encode() + content + b"\r\n"
    return text + f"--{boundary}--\r\n".encode()


PIXELS = idx(8, (12, 4, 3), bytes(range(144)))
LABELS = idx(8, (12,), bytes(i % 3 for i in range(12)))
FLOATS = npy("<f4", (12, 3), struct.pack("<36f", *range(36)))
NUMBERS = npy("<i8", (12,), struct.pack("<12q", *range(12)), version=2)
FORM = "multipart/form-data; boundary=xYz"

# What is good: (content type, list of (part, bytes)); one part without a name is the body itself.
GOOD = {
    "csv": ("text/csv", [("", passengers_csv(40).encode())]),
    "tsv": ("text/tab-separated-values", [("", b"a\tb\n1\tx\n2\ty\n3\tx\n")]),
    "quoted": ("text/csv", [("", b'a;"b ""c"""\r\n1,5;"x\r\ny"\r\n2,5;z\r\n')]),
    "text": ("text/plain", [("", "To be, or not: \u00e4\u00f6\u20ac.\n".encode() * 5)]),
    "idx": (FORM, [("train.features", PIXELS), ("train.labels", LABELS)]),
    "idx test": (FORM, [("train.features", PIXELS), ("train.labels", LABELS),
                        ("test.features", PIXELS), ("test.labels", LABELS)]),
    "npy": (FORM, [("train.features", FLOATS), ("train.labels", NUMBERS)]),
    "npz": (FORM, [("train.features", npz(FLOATS))]),
    "table part": (FORM, [("table", b"a,b\n1,2\n3,4\n")]),
}


# ---- damage; each takes (random, bytes) and gives bytes ----

def cut(rng, content):
    return content[:rng.randrange(len(content) + 1)]


def turn_bits(rng, content):
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 10))):
        if content:
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def put_in(rng, content):
    at = rng.randrange(len(content) + 1)
    more = rng.choice((b"\0", b"\0" * 50, b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\r", b"\n\n",
                       b'"', b",", b";;", b"\x1a", b"NaN", b"1e999", b"-0", b"A" * 70000,
                       b"9" * 400, "\u2028\U0001f4a5".encode(), b"--xYz\r\n", b"\x93NUMPY\x01\0"))
    return content[:at] + more + content[at:]


def take_out(rng, content):
    at = rng.randrange(len(content) + 1)
    return content[:at] + content[at + rng.choice((1, 2, 4, 50)):]


def repeat(rng, content):
    at = rng.randrange(len(content) + 1)
    return content[:at] + content[at:at + 40] * rng.choice((2, 30)) + content[at:]


def huge_head(rng, content):
    """A number in the first bytes becomes one of those that overflow something."""
    at = rng.randrange(min(len(content), 24) + 1)
    value = rng.choice((0xffffffff, 0x7fffffff, 0x80000000, 0x10000, 0))
    return content[:at] + struct.pack(">I", value) + content[at + 4:]


def huge_shape(rng, content):
    shape = rng.choice((b"(4611686018427387904, 4)", b"(-1, 3)", b"(12, 99999999999999999999)",
                        b"(0, 3)", b"()", b"(1, 1, 1, 1, 1, 1, 1)", b"(12, 3", b"(True, 3)"))
    return content.replace(b"(12, 3)", shape).replace(b"(12,)", shape)


def other_line_ends(rng, content):
    return content.replace(b"\n", rng.choice((b"\r", b"\r\n", b"\n\r", b"\0\n", b"\xe2\x80\xa8")))


def other_magic(rng, content):
    magic = rng.choice((b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"%PDF-1.4", b"\x7fELF", b"\x1f\x8b",
                        b"SQLite format 3\0", b"\xff\xfea\0", b"{\"a\":", b"<html>", b"BPDATA\r\n"))
    return magic + content[len(magic):]


def as_gzip(rng, content):
    return gzip.compress(content)


def twice_gzip(rng, content):
    return gzip.compress(gzip.compress(content))


def broken_gzip(rng, content):
    return turn_bits(rng, gzip.compress(content))


def cut_gzip(rng, content):
    return cut(rng, gzip.compress(content))


def followed_gzip(rng, content):
    return gzip.compress(content) + rng.choice((b"x", b"\0" * 600, gzip.compress(b"1,2\n")))


def bomb(rng, content):
    """A few KB that become 64 MB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    byte = rng.choice((b"\0", b"1,", b"\n", b'"', b"a"))
    return packer.compress(content + byte * (1 << 26 >> (len(byte) - 1))) + packer.flush()


DAMAGES = [cut, turn_bits, put_in, take_out, repeat, huge_head, huge_shape, other_line_ends,
           other_magic, as_gzip, twice_gzip, broken_gzip, cut_gzip, followed_gzip]


def whole_bodies():
    """What is wrong with a body as such."""
    yield "text/csv", b""
    yield FORM, b""
    yield FORM, b"--xYz--\r\n"
    yield FORM, multipart([("table", b"a\n1\n")] * 2)
    yield FORM, multipart([("train.labels", LABELS)])
    yield FORM, multipart([("train.features", PIXELS), ("train.labels", LABELS[:-1])])
    yield FORM, multipart([(f"part{i}", b"x") for i in range(100)])
    yield FORM, multipart([("table", b"a\n1\n"), ("text", b"a")])
    yield FORM, multipart([("../../etc/passwd", b"a\n1\n")])
    yield FORM, multipart([("table", b"a\n1\n")])[:-8]
    yield "multipart/form-data; boundary=" + "y" * 300, b"x"
    yield "multipart/form-data", multipart([("table", b"a\n1\n")])
    yield "application/x-npz", npz(FLOATS)
    yield "text/csv", FLOATS
    yield "text/plain", PIXELS
    yield "text/csv; charset=utf-16", "a,b\n1,2\n".encode("utf-16")


class MalformedFilesTest(ServiceTest):
    arguments = ("--workers", "1", "--max-expanded", "8388608")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.counts = {}

    def post(self, content_type, body, encoding=None):
        headers = {"Content-Type": content_type}
        if encoding:
            headers["Content-Encoding"] = encoding
        began = time.monotonic()
        answer = self.service.request("POST", "/v1/datasets?name=x", body, headers)
        self.assertLess(time.monotonic() - began, SECONDS)
        return answer

    def check(self, what, answer):
        """A dataset that is whole, or a problem that says something."""
        status, headers, text = answer
        self.counts[status] = self.counts.get(status, 0) + 1
        body = json.loads(text)
        if status == 201:
            self.assertGreater(body["rows"]["train"], 0, what)
            self.assertEqual(
                self.service.request("DELETE", "/v1/datasets/" + body["id"])[0], 204, what)
            return
        self.assertIn(status, range(400, 500), f"{what}: {text[:400]}")
        self.assertEqual(headers["Content-Type"].split(";")[0], "application/problem+json", what)
        self.assertTrue(body["code"] and body["detail"], what)
        for secret in (str(self.service.folder), "/tmp/", "SELECT", ".c:"):
            self.assertNotIn(secret, text.decode(), what)

    def test_damaged_files_of_every_format_are_answered(self):
        tried = 0
        for number in range(COUNT):
            rng = random.Random(number)
            name = list(GOOD)[number % len(GOOD)]
            content_type, parts = GOOD[name]
            parts, done = list(parts), []
            for _ in range(rng.choice((1, 1, 2, 3))):
                damage, which = rng.choice(DAMAGES), rng.randrange(len(parts))
                parts[which] = (parts[which][0], damage(rng, parts[which][1]))
                done.append(damage.__name__)
            body = parts[0][1] if content_type != FORM else multipart(parts)
            if rng.random() < 0.1:
                body = rng.choice((cut, turn_bits, put_in, take_out))(rng, body)
            with self.subTest(number=number, name=name, done=done):
                self.check((number, name, done), self.post(content_type, body))
            tried += 1
        self.assertEqual(tried, COUNT)
        self.assertGreater(self.counts.get(422, 0), COUNT // 5, self.counts)
        print(f"files tried: {tried}, answers: {sorted(self.counts.items())}")

    def test_bodies_that_are_none_are_answered(self):
        for number, (content_type, body) in enumerate(whole_bodies()):
            with self.subTest(number=number):
                self.check(number, self.post(content_type, body))

    def test_what_expands_without_end_is_stopped(self):
        for number, (name, (content_type, parts)) in enumerate(sorted(GOOD.items())):
            rng = random.Random(number)
            parts = [(part, bomb(rng, content)) for part, content in parts]
            body = parts[0][1] if content_type != FORM else multipart(parts)
            with self.subTest(name=name):
                answer = self.post(content_type, body)
                self.check(name, answer)
                self.assertIn(answer[0], (413, 422))
        answer = self.post("text/csv", bomb(random.Random(1), b"a,b\n"), encoding="gzip")
        self.check("encoding", answer)
        self.assertIn(answer[0], (413, 422))

    def tearDown(self):
        status, body = self.service.upload_text("a,b\n1,x\n2,y\n")
        self.assertEqual(status, 201, body)
        self.assertEqual(self.service.request("GET", "/readyz")[0], 200)
        folder = self.service.folder / "data" / "tmp"
        self.assertEqual(list(folder.iterdir()), [])
