"""The checker itself: a sound little tree passes, and every planted fault is found."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CHECKER = Path(__file__).with_name("check_structure.py")

TABLE = """# Architecture

| folder | purpose | may use |
|---|---|---|
| `src/base` | errors | libc |
| `src/engine` | numbers | base, OpenBLAS |
| `src/store` | SQLite | base, SQLite |
| `src/server/sched` | queue | base, store |
| `src/server/http` | routes | base, sched, Jansson |
| `src/server` | `main` | all of the daemon's folders, inih |
"""

SOUND = {
    "docs/ARCHITECTURE.md": TABLE,
    "src/CMakeLists.txt": "add_subdirectory(base)\n",
    "src/base/CMakeLists.txt": "backprop_module(base SOURCES error.c)\n",
    "src/base/error.h": "#include <stddef.h>\n",
    "src/base/error.c": '#include "error.h"\n\nint fail(void)\n{\n    return -1;\n}\n',
    "src/engine/CMakeLists.txt": "backprop_module(engine SOURCES gemm.c USES base)\n",
    "src/engine/gemm.c": '#include "base/error.h"\n#include <cblas.h>\n',
    "src/store/CMakeLists.txt":
        "backprop_module(store SOURCES jobs.c USES base)\nembed_files(store migrations a.sql)\n",
    "src/store/jobs.h": '#include "base/error.h"\n',
    "src/store/jobs.c":
        '#include "jobs.h"\n#include "migrations.h"\n#include <sqlite3.h>\n'
        'const char *q = "SELECT id FROM jobs";\n',
    "src/server/CMakeLists.txt": "backprop_program(backpropd SOURCES main.c)\n",
    "src/server/main.c": '#include "http/route.h"\n#include "store/jobs.h"\n#include <ini.h>\n',
    "src/server/sched/CMakeLists.txt": "backprop_module(sched SOURCES loop.c)\n",
    "src/server/sched/loop.h": "",
    "src/server/sched/loop.c":
        '#include "loop.h"\n#include "store/jobs.h"\n'
        '/* #include "http/route.h" would be wrong: SELECT */\n'
        'const char *text = "cannot delete the model, select another from the list";\n',
    "src/server/http/CMakeLists.txt": "backprop_module(http SOURCES route.c)\n",
    "src/server/http/route.h": "",
    "src/server/http/route.c": '#include "sched/loop.h"\n#include <jansson.h>\n',
    "tests/CMakeLists.txt": "add_subdirectory(base)\nadd_subdirectory(end_to_end)\n",
    "tests/base/CMakeLists.txt": "backprop_test(test_error USES base)\n",
    "tests/base/test_error.c": "",
    "tests/end_to_end/CMakeLists.txt": "foreach(name jobs)\n",
    "tests/end_to_end/test_jobs.py": "",
}


def run_on(files):
    """(exit status, output) of the checker over a tree of these files."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        done = subprocess.run([sys.executable, str(CHECKER), root], capture_output=True,
                              text=True, check=False)
        return done.returncode, done.stdout + done.stderr


class CheckStructure(unittest.TestCase):
    def test_sound_tree_passes(self):
        self.assertEqual(run_on(SOUND), (0, "faults: 0\n"))

    def assert_fault(self, changes, expected):
        """Just this one fault, and the exit status 1."""
        status, output = run_on({**SOUND, **changes})
        self.assertEqual(status, 1, output)
        self.assertIn(expected, output)
        self.assertIn("\nfaults: 1\n", output)

    def test_wrong_arrow_between_folders(self):
        self.assert_fault(
            {"src/engine/gemm.c": '#include <math.h>\n#include "store/jobs.h"\n'},
            'src/engine/gemm.c:2: engine may not include store ("store/jobs.h")')

    def test_sched_may_not_include_http(self):
        # In both directions it would be a circle as well, so http lets go of sched here.
        self.assert_fault(
            {"src/server/sched/loop.c": '# include   "http/route.h"\n',
             "src/server/http/route.c": ""},
            'src/server/sched/loop.c:1: sched may not include http ("http/route.h")')

    def test_wrong_library(self):
        self.assert_fault({"src/server/http/route.c": "#include <sqlite3.h>\n"},
                          "http may not use SQLite (<sqlite3.h>)")
        self.assert_fault({"src/server/main.c": "#include <cblas.h>\n"},
                          "server may not use OpenBLAS (<cblas.h>)")

    def test_unknown_library(self):
        self.assert_fault({"src/base/error.c": "#include <openssl/sha.h>\n"},
                          "<openssl/sha.h> belongs to no library that is known here")

    def test_include_of_nothing(self):
        self.assert_fault({"src/base/error.c": '#include "absent.h"\n'},
                          '"absent.h" is not in base')
        self.assert_fault({"src/engine/gemm.c": '#include "base/absent.h"\n'},
                          '"base/absent.h" does not exist')

    def test_include_by_a_path(self):
        self.assert_fault({"src/engine/gemm.c": '#include "../store/jobs.h"\n'},
                          '"../store/jobs.h" is not of the form folder/x.h')

    def test_circle_of_headers(self):
        self.assert_fault({"src/store/jobs.h": '#include "models.h"\n',
                           "src/store/models.h": '#include "jobs.h"\n'},
                          "headers in a circle: store/jobs.h -> store/models.h -> store/jobs.h")

    def test_circle_in_the_table(self):
        self.assert_fault(
            {"docs/ARCHITECTURE.md": TABLE.replace("| base, SQLite |", "| base, sched, SQLite |")},
            "the table allows a circle: ")

    def test_circle_of_folders(self):
        status, output = run_on({**SOUND, "src/store/jobs.c": '#include "sched/loop.h"\n'})
        self.assertEqual(status, 1)
        self.assertIn("store may not include sched", output)
        self.assertIn("the includes make a circle: ", output)

    def test_folder_without_a_row(self):
        self.assert_fault({"src/extra/CMakeLists.txt": ""},
                          "src/extra: has no row in the table")

    def test_row_that_names_nothing(self):
        self.assert_fault(
            {"docs/ARCHITECTURE.md": TABLE.replace("| libc |", "| libc, libfoo |")},
            "the row of base names libfoo")

    def test_sql_outside_the_store(self):
        for text in ('"SELECT 1"', '"x = (SELECT"', '"insert into jobs values (1)"',
                     '"PRAGMA journal_mode"', '"UPDATE jobs SET status = 1"'):
            self.assert_fault({"src/server/http/route.c": f"\nconst char *q = {text};\n"},
                              f"src/server/http/route.c:2: SQL outside src/store: {text}")

    def test_long_file(self):
        self.assert_fault({"src/base/error.c": "\n" * 601},
                          "src/base/error.c: has 601 lines; at most 600")
        self.assert_fault({"tests/base/test_error.c": "\n" * 601},
                          "tests/base/test_error.c: has 601 lines")

    def test_long_function(self):
        body = "int f(void)\n{\n" + "    g();\n" * 101 + "}\n"
        self.assert_fault({"src/base/error.c": body},
                          "src/base/error.c:2: a function of 101 lines; at most 100")

    def test_empty_names(self):
        self.assert_fault({"src/base/string_utils.h": ""},
                          "src/base/string_utils.h: has a name that says nothing")

    def test_source_that_is_not_built(self):
        self.assert_fault({"src/base/orphan.c": ""}, "src/base/orphan.c: is not built")
        build = "file(GLOB BASE CONFIGURE_DEPENDS err*.c)\n"
        self.assert_fault({"src/base/orphan.c": "", "src/base/CMakeLists.txt": build},
                          "src/base/orphan.c: is not built")

    def test_test_that_is_not_registered(self):
        self.assert_fault({"tests/base/test_orphan.c": ""},
                          "tests/base/test_orphan.c: is no ctest")
        self.assert_fault({"tests/end_to_end/test_orphan.py": ""},
                          "tests/end_to_end/test_orphan.py: is no ctest")
        self.assert_fault({"tests/base/CMakeLists.txt": "# test_error\n"},
                          "tests/base/test_error.c: is no ctest")

    def test_folder_of_tests_that_is_not_reached(self):
        self.assert_fault({"tests/wire/CMakeLists.txt": ""},
                          "tests/wire/CMakeLists.txt: is not reached")

    def test_tree_without_a_table_or_sources(self):
        status, output = run_on({"docs/ARCHITECTURE.md": "", "src/CMakeLists.txt": "",
                                 "tests/CMakeLists.txt": ""})
        self.assertEqual(status, 1)
        self.assertIn("has no table of folders", output)
        self.assertIn("has no sources", output)


if __name__ == "__main__":
    unittest.main()
