"""A strict reader of Prometheus' text format 0.0.4, with the naming rules that promtool checks.

parse(text) gives {family: Family} or raises ValueError, which names the line.
"""
import dataclasses
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
NUMBER = re.compile(r"-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)$|NaN$|\+Inf$")
TYPES = ("counter", "gauge", "histogram")
UNITS = ("milliseconds", "ms", "minutes", "hours", "days", "kilobytes", "megabytes", "kb", "mb",
         "percent", "microseconds", "us", "ns", "nanoseconds")


@dataclasses.dataclass
class Family:
    name: str
    type: str = ""
    help: str = ""
    samples: dict = dataclasses.field(default_factory=dict)  # (name, labels) -> value


def labels_of(text, where):
    found, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        if not match or match[1] in found:
            raise ValueError(f"{where}: labels: {text}")
        found[match[1]] = match[2]
        at = match.end()
    if text.endswith(","):
        raise ValueError(f"{where}: a comma too many")
    return found


def family_of(sample, families):
    for suffix in ("_bucket", "_sum", "_count"):
        base = sample.removesuffix(suffix)
        if base != sample and base in families and families[base].type == "histogram":
            return base
    return sample


def check_name(family):
    parts = family.name.split("_")
    if family.name != family.name.lower() or ":" in family.name:
        raise ValueError(f"{family.name}: lower_snake_case")
    if (family.type == "counter") != (parts[-1] == "total"):
        raise ValueError(f"{family.name}: counters, and they alone, end in _total")
    if family.type != "histogram" and parts[-1] in ("bucket", "count", "sum"):
        raise ValueError(f"{family.name}: a suffix of histograms")
    if set(parts) & (set(UNITS) | set(TYPES)):
        raise ValueError(f"{family.name}: names a type, or a unit that is no base unit")
    if not family.help or not family.help[0].isupper() or not family.help.endswith("."):
        raise ValueError(f"{family.name}: help: {family.help!r}")


def check_histogram(family):
    groups = {}
    for (name, labels), value in family.samples.items():
        rest = tuple(pair for pair in labels if pair[0] != "le")
        group = groups.setdefault(rest, {"buckets": []})
        if name.endswith("_bucket"):
            group["buckets"].append((float(dict(labels)["le"]), value))
        else:
            group[name.rsplit("_", 1)[1]] = value
    for rest, group in groups.items():
        bounds = [bound for bound, _ in group["buckets"]]
        counts = [count for _, count in group["buckets"]]
        if (bounds != sorted(set(bounds)) or bounds[-1] != float("inf")
                or counts != sorted(counts) or counts[-1] != group["count"]
                or group["sum"] < 0):
            raise ValueError(f"{family.name}{rest}: {group}")


def parse(text):
    if not text.endswith("\n"):
        raise ValueError("the last line does not end")
    families, current = {}, None
    for number, line in enumerate(text[:-1].split("\n"), 1):
        where = f"line {number}: {line}"
        if line.startswith("# HELP "):
            name, _, words = line[7:].partition(" ")
            if name in families or not re.fullmatch(NAME, name):
                raise ValueError(f"{where}: a second family of this name")
            current = families[name] = Family(name, help=words)
        elif line.startswith("# TYPE "):
            name, _, kind = line[7:].partition(" ")
            if not current or name != current.name or current.type or kind not in TYPES:
                raise ValueError(where)
            current.type = kind
        else:
            match = SAMPLE.match(line)
            if not match or not NUMBER.match(match[3]):
                raise ValueError(where)
            labels = tuple(labels_of(match[2] or "", where).items())
            if not current or family_of(match[1], families) != current.name:
                raise ValueError(f"{where}: not where its family is")
            if (match[1], labels) in current.samples:
                raise ValueError(f"{where}: a second time")
            current.samples[match[1], labels] = float(match[3])
            if current.type in ("counter", "histogram") and not float(match[3]) >= 0:
                raise ValueError(where)
    for family in families.values():
        check_name(family)
        if family.type == "histogram":
            check_histogram(family)
    return families
