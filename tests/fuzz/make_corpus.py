"""Writes the seeds of every harness to tests/fuzz/corpus/<harness>/seed_*.

    tests/fuzz/make_corpus.py

What a fuzzer found stands beside them under names of its own (regression_*), and is left
alone. Only Python's standard library is needed.
"""
import gzip
import io
import json
import pathlib
import struct
import zipfile

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"
TABLE, HOUSES, IMAGES, SIGNALS, TEXT, UNKNOWN = range(6)  # the facts of sample_facts.h


def write(harness, inputs):
    folder = CORPUS / harness
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("seed_*"):
        old.unlink()
    for i, content in enumerate(inputs):
        (folder / f"seed_{i:02d}").write_bytes(content)


def dump(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def choice(bits, count, which):
    """The first byte: these high bits, and `which` of `count`."""
    return bytes([next(c for c in range(bits, 256) if c % count == which)])


# ---- specs ----

DENSE = {"type": "dense", "units": "auto"}


def spec(*layers, **more):
    return {"dataset": "ds_1", "model": {"layers": list(layers)}, **more}


def specs():
    """(facts, spec) that are right, one for most of what a spec can say."""
    survived = {"target": "Survived"}
    yield TABLE, spec({"type": "dense", "units": 4, "activation": "relu", "l2": 0.01,
                       "kernel_initializer": {"type": "normal", "stddev": 0.1}}, DENSE,
                      features=survived, loss={"type": "focal", "gamma": 2})
    yield TABLE, spec({"type": "dropout", "rate": 0.2}, DENSE,
                      features={"inputs": ["Age", {"name": "Sex", "missing": "indicator"},
                                           {"name": "Pclass", "type": "category"},
                                           {"name": "Fare", "normalization": "minmax"}],
                                "target": {"name": "Survived", "type": "category"}},
                      loss={"type": "cross_entropy", "class_weights": {"0": 1, "1": 2}},
                      split={"type": "stratified",
                             "fractions": {"train": .7, "validation": .1, "test": .2}},
                      early_stopping={"monitor": "val_loss", "patience": 3},
                      optimizer={"type": "sgd", "momentum": 0.9, "nesterov": True},
                      gradient_clip={"norm": 1}, metadata={"team": "x", "n": 1, "b": True})
    yield HOUSES, spec({"type": "dense", "units": 3, "activation": "tanh", "name": "a"},
                       {"type": "dense", "units": 3, "name": "b", "inputs": ["input"]},
                       {"type": "concat", "inputs": ["a", "b"]}, DENSE,
                       features={"target": {"name": "price", "type": "number"}},
                       loss={"type": "huber", "delta": 2}, optimizer="rmsprop",
                       learning_rate_schedule={"type": "reduce_on_plateau", "patience": 2},
                       on_divergence={"retries": 2}, gradient_accumulation=2)
    yield HOUSES, spec({"type": "dense", "units": 2, "activation": "leaky_relu"}, DENSE,
                       features={"inputs": ["income", "rooms", "score"], "target": "input"},
                       weight_averaging={"type": "ema", "decay": 0.9},
                       checkpoint={"every_seconds": 5, "keep_best": 1, "keep_latest": 2})
    yield HOUSES, spec({"type": "conv1d", "filters": 2, "kernel_size": 2}, {"type": "flatten"},
                       DENSE, features={"target": "ocean"}, optimizer="adagrad")
    yield IMAGES, spec({"type": "conv2d", "filters": 2, "kernel_size": 3, "padding": "same",
                        "activation": "relu"},
                       {"type": "residual", "activation": "relu", "layers": [
                           {"type": "conv2d", "filters": 3, "kernel_size": [3, 3],
                            "strides": 2, "padding": "same"}, {"type": "batch_norm"}]},
                       {"type": "max_pool2d", "pool_size": 2}, {"type": "flatten"}, DENSE,
                       augmentation=["horizontal_flip", {"type": "crop", "padding": 2},
                                     {"type": "rotation", "degrees": 10},
                                     {"type": "cutout", "size": 4},
                                     {"type": "mixup", "alpha": 0.2}],
                       learning_rate_schedule={"type": "cosine", "warmup_steps": 10})
    yield IMAGES, spec({"type": "conv2d", "filters": 4, "kernel_size": 5, "strides": 3,
                        "dilation_rate": 1, "padding": 2},
                       {"type": "group_norm", "groups": 2},
                       {"type": "conv2d", "filters": 4, "kernel_size": 3, "groups": 4},
                       {"type": "average_pool2d", "pool_size": 2, "padding": "same",
                        "count_include_pad": False},
                       {"type": "upsample2d", "size": 2}, {"type": "global_average_pool2d"},
                       DENSE, split={"type": "fixed", "fractions": {"train": 0.9,
                                                                    "validation": 0.1}})
    yield IMAGES, spec({"type": "reshape", "shape": [14, -1]}, {"type": "gru", "units": 3},
                       DENSE, optimizer={"type": "adadelta"})
    yield SIGNALS, spec({"type": "lstm", "units": 4, "return_sequences": True, "truncate": 5},
                        {"type": "layer_norm"}, {"type": "lstm", "units": 3},
                        {"type": "dense", "units": "auto"}, loss="log_cosh")
    yield SIGNALS, spec({"type": "sinusoidal_positions"},
                        {"type": "multi_head_attention", "num_heads": 2, "dropout": 0.1},
                        {"type": "rms_norm"}, {"type": "global_average_pool1d"}, DENSE)
    yield SIGNALS, spec({"type": "conv1d", "filters": 3, "kernel_size": 3, "name": "c"},
                        {"type": "max_pool1d"}, {"type": "average_pool1d", "padding": "same"},
                        {"type": "flatten"}, DENSE, loss="mae")
    yield TEXT, spec({"type": "embedding", "output_dim": 4, "name": "e"},
                     {"type": "position_embedding"},
                     {"type": "transformer_block", "num_heads": 2, "causal": True},
                     {"type": "dense", "units": "auto", "use_bias": False,
                      "shared_weights": "e"},
                     features={"tokenizer": "char", "context_length": 6},
                     optimizer={"type": "adamw", "weight_decay": 0.1}, steps_per_epoch=2)
    yield TEXT, spec({"type": "embedding", "output_dim": 3}, {"type": "flatten"}, DENSE,
                     features={"tokenizer": "byte", "context_length": 3})
    yield UNKNOWN, spec(DENSE)


WRONG_SPECS = [b"", b"{", b"[]", b"null", b'{"dataset":"d"}', b'{"a":1,"a":2}',
               b'{"dataset":"\xff"}', b'{"dataset":"\\ud800"}', b"[" * 40,
               b'{"dataset":1,"model":{"layers":[{"type":"dens"},{"type":"dense"}]},"epochs":0}']


def spec_inputs():
    for facts, body in specs():
        yield bytes([facts]) + dump(body)
    for text in WRONG_SPECS:
        yield bytes([TABLE]) + text


# ---- facts and preprocessing ----

def facts_inputs():
    number = {"name": "Age", "type": "number", "missing": 1, "min": 0, "max": 9, "mean": 4,
              "std": 2, "integer": False, "row_id": False}
    category = {"name": "Sex", "type": "category", "missing": 0, "categories": 2,
                "values": ["f", "m"]}
    whole = {"kind": "table", "rows": {"train": 9, "test": 0},
             "columns": [number, category, {"name": "Name", "type": "text", "missing": 0}]}
    yield dump(whole)
    yield dump({**whole, "columns": [dict(number, integer=True, categories=2,
                                          values=["0", "9"])]})
    yield dump({"kind": "arrays", "rows": {"train": 9, "test": 2}, "element": "uint8",
                "sample_shape": [28, 28, 1],
                "columns": [dict(number, name="label", width=3)]})
    yield dump({"kind": "arrays", "rows": {"train": 9}, "element": "float64",
                "sample_shape": [4], "columns": []})
    yield dump({"kind": "text", "rows": {"train": 90}, "columns": [],
                "text": {"characters": 80, "lines": 3, "distinct_characters": 4,
                         "alphabet": "\nabö"}})
    for text in (b"{}", b"[]", b'{"kind":"table"}', b'{"kind":"text","rows":{"train":-1}}'):
        yield text


def preprocess_inputs():
    table = {"kind": "table", "inputs": [
        {"name": "Age", "type": "number", "fill": 29.7, "shift": 29.7, "scale": 14.5,
         "indicator": True},
        {"name": "Sex", "type": "category", "values": ["f", "m"], "required": True}],
        "ignored": ["Id"], "target": {"name": "y", "type": "category", "values": ["0", "1"]}}
    arrays = {"kind": "arrays", "sample_shape": [2, 2], "element": "uint8",
              "input": {"shift": 0, "scale": 255},
              "target": {"name": "label", "type": "number", "shift": 1, "scale": 2, "width": 1}}
    bodies = [{"rows": [{"Age": 22, "Sex": "m", "Id": 7}, {"Age": " NA ", "Sex": "f"}]},
              {"rows": [{"Sex": None}, {"Age": "1e3", "Sex": "zz", "No": 1}]},
              {"rows": []}, {"rows": 3}, {}]
    for body in bodies:
        yield dump({"preprocessing": table, "body": body})
    for inputs in ([[0, 128, 255, 1]], [[[0, 128], [255, 1]]], [[[[1], [2]], [[3], [4]]]],
                   [[1, 2, 3]], [[1, "a", None, True]], [1], [[1e300, -1, 0.5, 256]]):
        yield dump({"preprocessing": arrays, "body": {"inputs": inputs}})
    yield dump({"preprocessing": {"kind": "text", "tokenizer": "char", "context_length": 4,
                                  "alphabet": "abö"}})
    yield dump({"preprocessing": {"kind": "text", "tokenizer": "byte", "context_length": 4}})
    yield dump({"preprocessing": dict(arrays, target={"type": "input"}), "body": {}})


def question_inputs():
    table, arrays, char, byte, same = range(5)
    for body in ({"rows": [{"Age": 22}]}, {"rows": [{"Age": "x", "Id": "y"}]}, {"rows": [{}]},
                 {"inputs": [[1]]}, [], None):
        yield bytes([table]) + dump(body)
    for body in ({"inputs": [[1, 2, 3, 4, 5, 6]]}, {"inputs": [[[1, 2, 3], [4, 5, 6]]] * 3}):
        yield bytes([arrays]) + dump(body)
    for model in (char, byte):
        yield bytes([model]) + dump({"inputs": ["ab", "aböa"], "top_k": 2})
    for model in range(5):
        yield choice(0x80, 5, model) + dump({"prompt": "aböab", "max_tokens": 7,
                                                "temperature": 0.5, "top_k": 2, "seed": 3,
                                                "stream": True})
    yield choice(0x40, 5, char) + b"nothing\n{}"
    yield bytes([same]) + dump({"rows": [{"Age": 1, "Sex": "f"}]})
    yield bytes([char]) + b'{"inputs":["'
    yield bytes([char]) + dump({"inputs": ["a\x01é", "z"]})


# ---- datasets ----

CSVS = [
    b"a,b,c\n1,2,x\n3,4,y\n5,,x\n",
    b"\xef\xbb\xbfa;b\r\n1,5;\"q;\"\"x\"\"\"\r\n2,5;z\r\n",
    b"1\t2\t3\n4\t5\t6\n",
    b"a|b\n1|x\n2|y\n\n\n3|z",
    b'Name,Age\n"Doe, J.\nX",3\nNA,?\nnull,-\n',
    b"x\n1\n2\n3\n", b"a,a\n1,2\n", b"a,b\n1,2,3\n", b'a,b\n"1,2\n', b"\n\n", b"",
    b"a,b\n1e308,inf\n-1e400,nan\n", b"a\n\xff\xfe\n", b"a,b\n1,\x002\n",
    b"id,v\n" + b"".join(b"%d,%d.5\n" % (i, i % 3) for i in range(40)),
    b"PK\x03\x04 not a table", b"{\"a\": 1}\n", b"<html>\n", b"\r1\r2\r",
    gzip.compress(b"a,b\n1,2\n3,4\n", mtime=0),
]


def table_inputs():
    for i, text in enumerate(CSVS):
        yield bytes([0]) + text
        if i < 5:
            yield bytes([i * 13 % 45 + 1]) + text


def text_inputs():
    for text in ("To be, or not to be.\n" * 3, "zwölf Boxkämpfer 拳 🥊\n", "\ufeffx", "a", ""):
        yield text.encode()
    for raw in (b"\xff\xfe", b"a\x00b", b"\xc3", b"a\r\nb\r\n", b"\xf0\x9f\x92",
                gzip.compress("abc öä\n".encode(), mtime=0), b"\x1f\x8b\x08\x00cut"):
        yield raw


def idx(element, shape, payload):
    return (struct.pack(">BBBB", 0, 0, element, len(shape))
            + b"".join(struct.pack(">I", n) for n in shape) + payload)


def npy(descr, shape, payload, fortran=False, version=1):
    head = (f"{{'descr': '{descr}', 'fortran_order': {fortran}, "
            f"'shape': ({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''}), }}")
    head = head.encode() + b" " * (-(len(head) + 11) % 16) + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(head))
    return b"\x93NUMPY" + bytes([version, 0]) + size + head + payload


def npz():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("x.npy"), npy("<f4", (2, 2), bytes(16)))
    return file.getvalue()


def runs(*parts):
    """All but the last with their lengths before them."""
    return b"".join(struct.pack(">H", len(p)) + p for p in parts[:-1]) + parts[-1]


def arrays_inputs():
    features, both, all_parts = 1, 3, 15
    pixels = bytes(range(24))
    yield bytes([features]) + idx(8, (4, 3, 2), pixels)
    yield bytes([both]) + runs(idx(8, (4, 3, 2), pixels), idx(8, (4,), b"\0\1\2\1"))
    yield bytes([all_parts]) + runs(
        gzip.compress(idx(8, (4, 6), pixels), mtime=0), idx(8, (4,), b"\0\1\1\0"),
        idx(8, (2, 6), pixels[:12]), idx(8, (2,), b"\0\1"))
    for element, code in ((9, "b"), (11, ">h"), (12, ">i"), (13, ">f"), (14, ">d")):
        size = struct.calcsize(code)
        yield bytes([features]) + idx(element, (2, 2), bytes(4 * size))
    for descr in ("<f4", ">f8", "|u1", "<i8", ">u2", "<f2", "|b1", "<c8", "|O"):
        size = 1 if descr[0] == "|" else int(descr[2:])
        yield bytes([features]) + npy(descr, (2, 3), bytes(6 * size))
    yield bytes([features]) + npy("<f4", (2, 3), bytes(24), fortran=True)
    yield bytes([both]) + runs(npy("<f4", (3, 2), struct.pack("<6f", *range(6)), version=2),
                               npy("<f8", (3, 2), struct.pack("<6d", *range(6))))
    yield bytes([both]) + runs(npy("<f4", (3, 1), struct.pack("<3f", 1, float("nan"), 2)),
                               npy("<i8", (3,), struct.pack("<3q", -5, 2 ** 40, 7)))
    yield bytes([features]) + idx(8, (0xffffffff, 0xffffffff, 0xffffffff), b"")
    yield bytes([features]) + npy("<f8", (2 ** 62, 2 ** 62), b"")
    yield bytes([features]) + idx(8, (0, 3), b"")
    yield bytes([features]) + npz()
    yield bytes([features | 0x80]) + idx(8, (9, 1), bytes(9))
    yield bytes([both]) + runs(b"", b"")


def gzip_inputs():
    plain = b"hello hello hello\n" * 20
    packed = gzip.compress(plain, mtime=0)
    raw = (plain[:40], packed, packed + packed, packed + b"\0" * 20, packed[:-4], packed[:30],
           packed + b"rubbish", gzip.compress(bytes(200000), mtime=0),
           gzip.compress(bytes(600000), mtime=0), b"\x1f\x8b", b"\x1f\x8b\x08", b"",
           b"\x1f\x8b\x08\x1f" + bytes(40), packed[:12] + b"\xff" + packed[13:])
    for content in raw:
        yield bytes([20]) + content
    for choice in (1, 3, 5, 7):
        yield bytes([choice]) + plain


# ---- files and frames ----

UINT8, INT8, INT16, INT32, FLOAT32, FLOAT64 = range(6)


def dataset_file(arrays):
    """[(part, column, element, dims, payload)] as src/data/dataset_file.h draws it."""
    at = 64 + 64 * len(arrays)
    entries, body = b"", b""
    for part, column, element, dims, payload in arrays:
        entries += struct.pack("<BBBBi", part, element, len(dims), 0, column)
        entries += struct.pack("<5q", *(list(dims) + [0] * (5 - len(dims))))
        entries += struct.pack("<QQ", at, len(payload))
        padded = payload + bytes(-len(payload) % 64)
        body += padded
        at += len(padded)
    end = max(64 + 64 * len(arrays) + len(body), 64)
    return b"BPDATA\r\n" + struct.pack("<IIQ", 1, len(arrays), end) + bytes(40) + entries + body


def dataset_file_inputs():
    number = struct.pack("<8f", 1, 2, float("nan"), 4, 5, 6, 7, 8)
    code = struct.pack("<8i", 0, 1, 2, -1, 0, 1, 2, 0)
    flag = struct.pack("<8i", 0, 1, 0, 1, 0, 1, 0, 1)
    table = dataset_file([(0, 0, FLOAT32, (8,), number), (0, 1, INT32, (8,), code),
                          (0, 2, INT32, (8,), flag), (1, 0, FLOAT32, (2,), number[:8]),
                          (1, 1, INT32, (2,), code[:8]), (1, 2, INT32, (2,), flag[:8])])
    images = dataset_file([(0, -1, UINT8, (6, 3, 2), bytes(range(36))),
                           (0, 0, INT32, (6,), struct.pack("<6i", 0, 1, 2, 0, 1, 2)),
                           (1, -1, UINT8, (2, 3, 2), bytes(12)),
                           (1, 0, INT32, (2,), struct.pack("<2i", 2, 0))])
    signals = dataset_file([(0, -1, FLOAT32, (6, 4), struct.pack("<24f", *range(24))),
                            (0, 0, FLOAT32, (6, 2), struct.pack("<12f", *range(12)))])
    text = dataset_file([(0, -1, UINT8, (60,), "ab c\nbö a\ncab".encode().ljust(60, b"a"))])
    for kind, content in enumerate((table, images, signals, text)):
        yield bytes([kind]) + content
        yield bytes([kind]) + content[:-64]
    yield bytes([0]) + dataset_file([])
    yield bytes([0]) + dataset_file([(0, 0, FLOAT32, (0,), b"")])
    yield bytes([0]) + table.replace(code, struct.pack("<8i", 3, 1, 2, -1, 9, 1, 2, 0))
    yield bytes([1]) + images.replace(struct.pack("<6i", 0, 1, 2, 0, 1, 2),
                                      struct.pack("<6i", 0, 1, 2, 0, 1, -1))
    yield bytes([3]) + text.replace("ö".encode(), b"\xff\xff")
    yield bytes([0])


def frame(kind, payload):
    return struct.pack(">IB", len(payload) + 1, kind) + payload


def frames_inputs():
    daemon, worker = 0, 1
    task, blob, blob_end, command, request = 1, 2, 3, 4, 5
    ready, progress, metrics, event, checkpoint, model, reply, done, failed, piece = range(16, 26)
    yield bytes([daemon, 3]) + (frame(task, b'{"task":"train"}') + frame(blob, b"abc")
                                + frame(blob_end, b"") + frame(command, b"{}"))
    yield bytes([daemon, 0]) + frame(task, b"{}") + frame(request, b"predict\n{}") * 3
    yield bytes([worker, 7]) + (frame(ready, b"{}") + frame(progress, b"{}")
                                + frame(metrics, b'{"points":[]}') + frame(event, b"{}")
                                + frame(checkpoint, b'{"bytes":3}') + frame(blob, b"abc")
                                + frame(blob_end, b"") + frame(model, b"{}") + frame(blob, b"x")
                                + frame(blob_end, b"") + frame(done, b"{}"))
    yield bytes([worker, 1]) + frame(ready, b"{}") + frame(piece, b"{}") + frame(reply, b"{}")
    yield bytes([worker, 1]) + frame(ready, b"{}") + frame(failed, b"{}") + frame(event, b"{}")
    yield bytes([worker, 2]) + frame(done, b"{}")
    yield bytes([worker, 9]) + frame(ready, b"{}") + struct.pack(">IB", 0xffffffff, event)
    yield bytes([worker, 9]) + struct.pack(">IB", 0, ready)
    yield bytes([worker, 9]) + frame(ready, b"{}") + struct.pack(">IB", 30 << 20, metrics) + b"x"
    yield bytes([daemon, 9]) + frame(99, b"{}")
    yield bytes([daemon, 9]) + frame(task, b"{}") + frame(ready, b"{}")
    yield bytes([daemon, 9])


def payload_inputs():
    point = {"step": 1, "epoch": 0.5, "time": 3, "names": ["loss", "a/b"], "values": [1.5, "NaN"]}
    yield dump({"points": [point, dict(point, values=["Infinity", "-Infinity"])]})
    yield dump({"points": []})
    yield dump({"points": [dict(point, names=["x"])]})
    yield dump({"points": [dict(point, step=-1)]})
    yield dump({"points": [1, None]})
    yield dump({"epoch": 1, "epochs": 2, "step": 3, "steps": 4, "fraction": 0.5,
                "eta_seconds": None, "samples_per_second": 1e5})
    yield dump({"type": "epoch", "message": "m", "data": {"a": 1}, "step": 5, "epoch": 1})
    yield dump({"type": "", "data": [], "step": 1e3, "epoch": "x", "eta_seconds": -1})
    yield b"[]"
    yield b"{"
    yield b'{"a":1,"a":2}'


def checkpoint_inputs():
    for job in range(3):
        plain, edits = choice(0, 3, job), choice(0x80, 3, job)  # edits of a real one
        yield plain + b"BPCKPT\r\n" + struct.pack("<IIQQ", 2, 0, 40, 1) + bytes(8)
        yield edits
        for offset in range(32, 32 + 8 * 40, 40):
            yield edits + struct.pack(">H", offset) + struct.pack("<q", 2)
            yield edits + struct.pack(">H", offset) + struct.pack("<d", float("nan"))
        yield edits + struct.pack(">H", 16 + 17 * 20) + bytes(8)
    yield b""


# ---- HTTP ----

def multipart_body(boundary, *parts):
    text = b""
    for name, filename, content in parts:
        file = f'; filename="{filename}"' if filename else ""
        text += (f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n'
                 f"\r\n").encode() + content + b"\r\n"
    return text + f"--{boundary}--\r\n".encode()


def multipart_inputs():
    kind = b"multipart/form-data; boundary=xYz\n"
    whole = multipart_body("xYz", ("table", "t.csv", b"a,b\n1,2\n"), ("text", None, b"\r\n--xY"))
    for piece in (0, 1, 7, 79):
        yield bytes([piece]) + kind + whole
    yield b"\0" + b'multipart/form-data; boundary="x Yz"; charset=utf-8\n' + whole
    yield b"\0" + b"text/plain\n" + whole
    yield b"\0" + b"multipart/form-data\n" + whole
    yield b"\0" + b"multipart/form-data; boundary=" + b"x" * 71 + b"\n" + whole
    yield b"\0" + kind + whole[:-4]
    yield b"\0" + kind + whole.replace(b"Content-Disposition", b"X-" + b"y" * 2100)
    yield b"\0" + kind + whole.replace(b"form-data;", b"attachment;")
    yield b"\0" + kind + b"preamble\r\n" + whole + b"epilogue"
    yield b"\0" + kind + multipart_body("xYz", ('a\\"b', "../../etc/passwd", b"STOP!"))
    yield b"\0" + kind + b"--xYz\r\n" + b"A: b\r\n" * 40 + b"\r\nx\r\n--xYz--\r\n"
    yield b"\0" + kind


def uri_inputs():
    lines = [
        ["limit=3&after=job_1&metadata%5Ba%5D=b", "/v1/jobs/job_1/metrics", "bytes=0-5",
         '"abc", W/"d"', "localhost:8080", "http://localhost:8080", "127.0.0.1:0", "plain"],
        ["a=%00", "/v1/models/x/weights", "bytes=-5", "*", "evil.example", "null", "[::1]:80",
         'q"\\\t\x01'],
        ["a=1&a=2", "/v1/jobs:validate", "bytes=5-", 'W/"abc"', "[::1]", "https://[::1]",
         "localhost", "äöü🥊"],
        ["%zz&=&=x&&y", "/", "bytes=9-1,3-4", "abc", "127.0.0.1:65536", "http://evil@localhost",
         "host:99999", "\x7f"],
        ["&".join(f"a{i}=" for i in range(40)), "//v1//jobs/", "bytes=18446744073709551616-", "",
         "localhost.evil.example", "", ":80", ""],
        ["+%2B%C3%BC", "/v1/jobs/../../etc", "BYTES=0-0", '"', "", "http://127.0.0.1:1", "a:-1",
         "\u2028"],
    ]
    for entry in lines:
        yield "\n".join(entry).encode()


def request(line, body=b"", **headers):
    head = {"Host": "localhost", **{k.replace("_", "-"): v for k, v in headers.items()}}
    if body and "Transfer-Encoding" not in head and "Content-Length" not in head:
        head["Content-Length"] = len(body)
    return (line + " HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in head.items())
            + "\r\n").encode() + body


def http_inputs():
    for path in ("/livez", "/readyz", "/metrics", "/v1/info", "/openapi.json", "/", "/app.js",
                 "/v1/datasets?limit=2", "/v1/datasets/@D", "/v1/datasets/@D/preview",
                 "/v1/jobs?status=queued&metadata[a]=b", "/v1/jobs/@J",
                 "/v1/jobs/@J/metrics?names=loss&max_points=5&since_step=0",
                 "/v1/jobs/@J/events?limit=3", "/v1/jobs/@J/checkpoints", "/v1/models",
                 "/v1/models/@M", "/v1/nothing", "/../etc/passwd"):
        yield request("GET " + path)
    yield request("GET /v1/jobs/@J/events", Accept="text/event-stream", Last_Event_ID="2")
    yield request("GET /v1/jobs/@J/metrics", Accept="text/csv", If_None_Match='"x"')
    for form in ("safetensors", "npz", "onnx", "zip"):
        yield request("GET /v1/models/@M/weights?format=" + form, Range="bytes=0-20")
    yield request("HEAD /v1/models/@M/weights", Range="bytes=999999-")
    body = dump(spec(DENSE, features={"target": "c"}) | {"dataset": "@D"})
    yield request("POST /v1/jobs", body, Content_Type="application/json", Idempotency_Key="k1")
    yield request("POST /v1/jobs:validate", body, Content_Type="application/json")
    yield request("POST /v1/jobs", b"{", Content_Type="application/json")
    yield request("POST /v1/jobs", body, Content_Type="text/plain")
    yield request("POST /v1/jobs/@J/cancel")
    yield request("POST /v1/models/@M/predict", dump({"rows": [{"a": 1, "b": 2}]}),
                  Content_Type="application/json")
    yield request("POST /v1/models/@M/generate", b"{}", Content_Type="application/json")
    yield request("POST /v1/datasets?name=y&header=true&delimiter=,", b"a,b\n1,2\n",
                  Content_Type="text/csv")
    yield request("POST /v1/datasets", multipart_body("q", ("table", "t.csv", b"a,b\n1,2\n")),
                  Content_Type="multipart/form-data; boundary=q")
    yield request("POST /v1/datasets", multipart_body("q", ("nope", "t.csv", b"a"))[:-5],
                  Content_Type="multipart/form-data; boundary=q")
    chunked = b"5\r\na,b\n1\r\n3\r\n,2\n\r\n0\r\n\r\n"
    yield request("POST /v1/datasets", chunked, Content_Type="text/csv",
                  Transfer_Encoding="chunked")
    yield request("POST /v1/datasets", b"zz\r\n", Content_Type="text/csv",
                  Transfer_Encoding="chunked")
    yield request("POST /v1/jobs", body, Content_Type="application/json",
                  Expect="100-continue")
    yield request("POST /v1/jobs", b"x" * 40, Content_Length="99999999999")
    yield request("POST /v1/jobs", b"x", Content_Length="-1")
    yield request("GET /v1/jobs", Content_Length="5\r\nContent-Length: 6")
    yield request("GET /livez") * 3 + request("GET /v1/info", Connection="close")
    yield request("GET /livez").replace(b"localhost", b"evil.example")
    yield request("POST /v1/jobs/@J/stop", Origin="http://evil.example")
    yield request("GET /livez", Authorization="Bearer bp_abc")
    yield b"GET /livez HTTP/1.0\r\n\r\n"
    yield b"GET /livez\r\n\r\n"
    yield b"GET  /livez HTTP/9.9\r\nHost: a\r\n\r\n"
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01"
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield b"GET /livez HTTP/1.1\nHost: localhost\n\n"
    yield b"GET /li\x01vez HTTP/1.1\r\n\x01Host: localhost\r\nX:" + b"y" * 3000 + b"\r\n\r\n"
    yield b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield b"GET http://localhost/livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield b"DELETE /v1/jobs/job_00000000000000000000000000 HTTP/1.1\r\nHost: localhost\r\n\r\n"


def main():
    for harness, inputs in (
            ("spec", spec_inputs()), ("network", (i for i in spec_inputs() if i[0] < UNKNOWN)),
            ("facts", facts_inputs()), ("preprocess", preprocess_inputs()),
            ("question", question_inputs()), ("payload", payload_inputs()),
            ("table", table_inputs()), ("text", text_inputs()), ("arrays", arrays_inputs()),
            ("gzip", gzip_inputs()), ("dataset_file", dataset_file_inputs()),
            ("frames", frames_inputs()), ("checkpoint", checkpoint_inputs()),
            ("multipart", multipart_inputs()), ("uri", uri_inputs()), ("http", http_inputs())):
        write(harness, inputs)


if __name__ == "__main__":
    main()
