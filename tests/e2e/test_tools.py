"""The project's own tools: each rule of the lint is broken once, on purpose."""
import os
import subprocess

import pytest

BROKEN = [
    ("lib/a.c", '#include "control/cmd.h"\n', 'lib/a.c:1: lib/ may not include "control/cmd.h": not in lib'),
    ("lib/a.c", "\n#include <rte_mbuf.h>\n", "lib/a.c:2: lib/ may not include <rte_mbuf.h>"),
    ("lib/a.c", "#include <pthread.h>\n", "lib/a.c:1: lib/ may not include <pthread.h>"),
    ("dataplane/a.c", '#include "control/cmd.h"\n', 'dataplane/a.c:1: dataplane/ may not include "control/cmd.h": not in dataplane, lib'),
    ("dataplane/a.c", "#include <uv.h>\n", "dataplane/a.c:1: dataplane/ may not include <uv.h>"),
    ("control/a.c", '#include "dataplane/worker.h"\n', 'control/a.c:1: control/ may not include "dataplane/worker.h": not in control, lib'),
    ("control/a.c", "int a;\n" * 1001, "control/a.c:1001: 1001 lines; 1000 at most"),
    ("docs/a.md", "well\nFIX" "ME later\n", "docs/a.md:2: 'FIX" "ME' has no place here"),
]
FINE = {
    "lib/str.h": "",
    "control/cmd.h": '#include "str.h"\n',
    "dataplane/worker.h": '#include "str.h"\n',
    "dataplane/dataplane.h": "",
    "control/b.c": '#include "control/cmd.h"\n#include "dataplane/dataplane.h"\n#include "str.h"\n#include <uv.h>\n',
    "build/junk.c": "// FIX" "ME\n",
}


def lint(root, folder):
    return subprocess.run([os.path.join(root, "tools", "lint-source"), str(folder)], capture_output=True, text=True,
                          timeout=60)


def write(folder, tree):
    for path, text in tree.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_lint_accepts_a_tree_in_order(root, tmp_path):
    write(tmp_path, FINE)
    r = lint(root, tmp_path)
    assert (r.returncode, r.stdout) == (0, "")


@pytest.mark.parametrize("path,text,expected", BROKEN)
def test_lint_names_a_broken_rule(root, tmp_path, path, text, expected):
    write(tmp_path, {**FINE, path: text})
    r = lint(root, tmp_path)
    assert r.returncode == 1
    assert r.stdout.splitlines() == [expected]


def test_install_deps_is_silent_when_nothing_is_missing(root):
    r = subprocess.run([os.path.join(root, "tools", "install-deps"), "build", "test"], capture_output=True, text=True,
                       timeout=600)
    assert (r.returncode, r.stdout, r.stderr) == (0, "", "")


def test_install_deps_refuses_an_unknown_purpose(root):
    r = subprocess.run([os.path.join(root, "tools", "install-deps"), "cake"], capture_output=True, text=True, timeout=60)
    assert r.returncode == 2
    assert "no purpose 'cake'" in r.stderr
