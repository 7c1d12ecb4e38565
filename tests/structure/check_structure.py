"""Checks the shape of the source tree; prints every fault and exits 1 if there is one.

    check_structure.py ROOT

What docs/ARCHITECTURE.md says in its table of folders is what the includes are held to:

  arrows     a folder includes only the folders and libraries of its row
  circles    neither folders nor headers include each other in a ring
  SQL        its text stands in src/store alone
  sizes      no file over 600 lines, no function over 100
  names      nothing is called utils, helpers or common
  builds     every .c file under src and every test is named by its CMakeLists.txt

Only Python's standard library is needed.
"""

import fnmatch
import re
import sys
from pathlib import Path

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 100
FORBIDDEN_NAMES = {"util", "utils", "helper", "helpers", "common", "misc"}
COUNTED_FOLDERS = ("src", "tests", "bench", "clients", "cmake", "dashboard", "migrations",
                   "scripts")
COUNTED_SUFFIXES = {".c", ".h", ".py", ".js", ".ts", ".css", ".html", ".sh", ".sql", ".cmake"}
SKIPPED_FOLDERS = {"node_modules", "build", "__pycache__", "golden"}

# Headers of each library that the table may name. Every other <header> must be the C
# library's or the system's.
LIBRARIES = {
    "Jansson": r"jansson\.h",
    "SQLite": r"sqlite3\.h",
    "libmicrohttpd": r"microhttpd\.h",
    "GnuTLS": r"gnutls/\w+\.h",
    "nettle": r"nettle/\w+\.h",
    "inih": r"ini\.h",
    "libsystemd": r"systemd/\w[\w-]*\.h",
    "libcurl": r"curl/curl\.h",
    "OpenBLAS": r"(cblas|openblas_config)\.h",
    "zlib": r"zlib\.h",
    "libseccomp": r"seccomp\.h",
    "uthash": r"ut(hash|list|array|string)\.h",
}
SYSTEM_HEADER = re.compile(
    r"((sys|linux|arpa|net|netinet|asm)/\w+|alloca|assert|ctype|dirent|dlfcn|endian|errno|fcntl"
    r"|fenv|float|getopt|immintrin|inttypes|limits|locale|math|netdb|poll|pthread|pwd|sched"
    r"|semaphore|setjmp|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio"
    r"|stdlib|stdnoreturn|string|strings|syslog|termios|tgmath|threads|time|unistd|wchar"
    r"|wctype|x86intrin)\.h")

COMMENT_OR_STRING = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
# Keywords in capitals anywhere in a string, or a statement's beginning in any case.
SQL_ANYWHERE = re.compile(
    r"\b(SELECT|INSERT (OR \w+ )?INTO|DELETE FROM|UPDATE \w+ SET|CREATE (TABLE|INDEX|TRIGGER)"
    r"|DROP (TABLE|INDEX)|ALTER TABLE|PRAGMA)\b")
SQL_AT_START = re.compile(
    r"\s*(select\s.*\sfrom\s|insert\s+into\s|delete\s+from\s|update\s+\w+\s+set\s|pragma\s)",
    re.IGNORECASE | re.DOTALL)


class Tree:
    """The files under `root`, and the faults found in them."""

    def __init__(self, root):
        self.root = Path(root)
        self.faults = []
        self.texts = {}
        self.folders = {}  # name used in includes -> path of the folder
        for path in sorted((self.root / "src").rglob("CMakeLists.txt")):
            if path.parent != self.root / "src":
                self.folders[path.parent.name] = path.parent
        self.sources = [path for folder in self.folders.values()
                        for path in sorted(folder.iterdir()) if path.suffix in (".c", ".h")]

    def text(self, path):
        if path not in self.texts:
            self.texts[path] = path.read_text(encoding="utf-8", errors="replace")
        return self.texts[path]

    def fault(self, path, message, line=None):
        where = path.relative_to(self.root).as_posix()
        self.faults.append(f"{where}:{line}: {message}" if line else f"{where}: {message}")

    def include_name(self, path):
        """How another folder names this file: "sched/loop.h"."""
        return f"{path.parent.name}/{path.name}"


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def read_table(tree):
    """{folder: (folders it may use, libraries it may use)} from docs/ARCHITECTURE.md."""
    page = tree.root / "docs" / "ARCHITECTURE.md"
    rows = {}
    for match in re.finditer(r"^\|\s*`src/([\w/]+)`\s*\|[^|\n]*\|([^|\n]*)\|", tree.text(page),
                             re.MULTILINE):
        folder = match.group(1).split("/")[-1]
        words = {word.strip().strip("`") for word in match.group(2).split(",")}
        rows[folder] = words
    table = {}
    for folder, words in rows.items():
        folders = {word.split("/")[-1] for word in words if word.split("/")[-1] in rows}
        libraries = words & set(LIBRARIES)
        rest = words - libraries - folders - {"libc"} - {word for word in words if "/" in word}
        if "all of the daemon's folders" in rest:
            rest.remove("all of the daemon's folders")
            folders |= {"sched", "http"}
            for part in ("sched", "http"):
                folders |= {word for word in rows.get(part, ()) if word in rows}
        if rest:
            tree.fault(page, f"the row of {folder} names {', '.join(sorted(rest))}, which is "
                             "neither a folder nor a known library")
        table[folder] = (folders, libraries)
    return table


def without_comments(text):
    """Comments blanked out; strings and line numbers stay."""
    def blank(match):
        found = match.group(0)
        if found.startswith("/"):
            return re.sub(r"[^\n]", " ", found)
        return found
    return COMMENT_OR_STRING.sub(blank, text)


def embedded_headers(tree, folder):
    """Headers that the build makes: embed_files(target name …)."""
    text = tree.text(folder / "CMakeLists.txt")
    return {f"{name}.h" for name in re.findall(r"embed_files\(\s*\w+\s+(\w+)", text)}


def check_library(tree, path, line, header, libraries):
    for library, pattern in LIBRARIES.items():
        if re.fullmatch(pattern, header):
            if library not in libraries:
                tree.fault(path, f"{path.parent.name} may not use {library} (<{header}>)", line)
            return
    if not SYSTEM_HEADER.fullmatch(header):
        tree.fault(path, f"<{header}> belongs to no library that is known here", line)


def resolve_include(tree, path, line, header, folders):
    """The included file, or None (after a fault, or for one that the build makes)."""
    own = path.parent
    parts = header.split("/")
    if len(parts) == 1:
        if (own / header).is_file():
            return own / header
        if header not in embedded_headers(tree, own):
            tree.fault(path, f'"{header}" is not in {own.name}', line)
        return None
    name = parts[0]
    if len(parts) != 2 or name not in tree.folders:
        tree.fault(path, f'"{header}" is not of the form folder/x.h', line)
        return None
    target = tree.folders[name] / parts[1]
    if name not in folders or name == own.name:
        tree.fault(path, f'{own.name} may not include {name} ("{header}")', line)
    if not target.is_file():
        tree.fault(path, f'"{header}" does not exist', line)
        return None
    return target


def check_includes(tree, table):
    """Arrows; returns the graph of files that include each other."""
    graph = {}
    for name, folder in tree.folders.items():
        if name not in table:
            tree.fault(folder, "has no row in the table of docs/ARCHITECTURE.md")
    for path in tree.sources:
        folders, libraries = table.get(path.parent.name, (set(), set()))
        text = without_comments(tree.text(path))
        graph[path] = []
        for match in INCLUDE.finditer(text):
            line = line_of(text, match.start())
            if match.group(2):
                check_library(tree, path, line, match.group(2), libraries)
                continue
            target = resolve_include(tree, path, line, match.group(1), folders)
            if target:
                graph[path].append(target)
    return graph


def find_circle(graph):
    """One ring of a directed graph as a list of its nodes, or None."""
    done = set()
    for start in graph:
        if start in done:
            continue
        trail, on_trail = [(start, iter(graph.get(start, ())))], [start]
        while trail:
            node, targets = trail[-1]
            target = next(targets, None)
            if target is None:
                done.add(node)
                trail.pop()
                on_trail.pop()
            elif target in on_trail:
                return on_trail[on_trail.index(target):] + [target]
            elif target not in done:
                trail.append((target, iter(graph.get(target, ()))))
                on_trail.append(target)
    return None


def check_circles(tree, graph, table):
    circle = find_circle(graph)
    if circle:
        ring = " -> ".join(tree.include_name(path) for path in circle)
        tree.fault(circle[0], f"headers in a circle: {ring}")
    folders = {}
    for path, targets in graph.items():
        folders.setdefault(path.parent.name, set()).update(
            target.parent.name for target in targets if target.parent != path.parent)
    allowed = {folder: sorted(may_use) for folder, (may_use, _) in table.items()}
    used = {folder: sorted(targets) for folder, targets in folders.items()}
    for what, arrows in (("the table allows", allowed), ("the includes make", used)):
        circle = find_circle(arrows)
        if circle:
            tree.fault(tree.root / "src", f"{what} a circle: {' -> '.join(circle)}")


def check_sql(tree):
    for path in tree.sources:
        if path.parent.name == "store":
            continue
        text = tree.text(path)
        for match in COMMENT_OR_STRING.finditer(text):
            if not match.group(0).startswith('"'):
                continue
            literal = match.group(0)[1:-1]
            if SQL_ANYWHERE.search(literal) or SQL_AT_START.match(literal + " "):
                tree.fault(path, f"SQL outside src/store: {match.group(0)}",
                           line_of(text, match.start()))


def counted_files(tree):
    for name in COUNTED_FOLDERS:
        for path in sorted((tree.root / name).rglob("*")):
            parts = path.relative_to(tree.root).parts
            if path.suffix in COUNTED_SUFFIXES and not SKIPPED_FOLDERS & set(parts):
                yield path


def check_sizes_and_names(tree):
    for path in counted_files(tree):
        lines = tree.text(path).splitlines()
        if len(lines) > MAX_FILE_LINES:
            tree.fault(path, f"has {len(lines)} lines; at most {MAX_FILE_LINES}")
        if path.suffix in (".c", ".h"):
            check_functions(tree, path, lines)
        if FORBIDDEN_NAMES & set(re.split(r"[^a-z]+", path.stem.lower())):
            tree.fault(path, "has a name that says nothing of its purpose")


def check_functions(tree, path, lines):
    """In the layout of clang-format a function's braces stand alone in the first column."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            start = number
        elif line.rstrip() == "}" and start:
            if number - start - 1 > MAX_FUNCTION_LINES:
                tree.fault(path, f"a function of {number - start - 1} lines; at most "
                                 f"{MAX_FUNCTION_LINES}", start)
            start = None


def check_builds(tree):
    for path in tree.sources:
        if path.suffix == ".c":
            build = tree.text(path.parent / "CMakeLists.txt")
            patterns = re.findall(r"file\(GLOB \w+ CONFIGURE_DEPENDS ([\w*.]+)\)", build)
            if not re.search(rf"(?<![\w/.]){re.escape(path.name)}\b", build) and not any(
                    fnmatch.fnmatch(path.name, pattern) for pattern in patterns):
                tree.fault(path, f"is not built: {path.parent.name}/CMakeLists.txt does not "
                                 "name it")
    tests = tree.root / "tests"
    for path in sorted(tests.rglob("test_*")):
        if path.suffix not in (".c", ".py") or SKIPPED_FOLDERS & set(path.parts):
            continue
        build = path.parent / "CMakeLists.txt"
        if not build.is_file():
            tree.fault(path, "is no ctest: its folder has no CMakeLists.txt")
            continue
        names = re.sub(r"#[^\n]*", "", tree.text(build))
        subject = path.stem[len("test_"):]  # a foreach() may put "test_" before it
        if not re.search(rf"\b(test_)?{re.escape(subject)}\b", names):
            tree.fault(path, f"is no ctest: {path.parent.name}/CMakeLists.txt does not name it")
    listed = tree.text(tests / "CMakeLists.txt") if tests.is_dir() else ""
    for build in sorted(tests.glob("*/CMakeLists.txt")):
        if not re.search(rf"^\s*add_subdirectory\({build.parent.name}\)", listed, re.MULTILINE):
            tree.fault(build, "is not reached from tests/CMakeLists.txt")


def check(root):
    """All faults of the tree under `root`, as lines of text."""
    tree = Tree(root)
    table = read_table(tree)
    if not table:
        tree.fault(tree.root / "docs" / "ARCHITECTURE.md", "has no table of folders")
    if not tree.sources:
        tree.fault(tree.root / "src", "has no sources")
    graph = check_includes(tree, table)
    check_circles(tree, graph, table)
    check_sql(tree)
    check_sizes_and_names(tree)
    check_builds(tree)
    return tree.faults


def main(arguments):
    if len(arguments) != 2:
        print("usage: check_structure.py ROOT", file=sys.stderr)
        return 2
    faults = check(arguments[1])
    for fault in faults:
        print(fault)
    print(f"faults: {len(faults)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
