"""What bash offers after `tandem`: as the help says, and nothing that a command refuses."""
import os
import re
import subprocess

import pytest

from conftest import ROOT, TANDEM

SCRIPT = os.path.join(ROOT, "completions", "tandem.bash")


def complete(line, cwd=None):
    """The words that completion offers for the last word of `line`."""
    program = ('. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tandem; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", program, "bash", SCRIPT, *line.split(" ")], cwd=cwd, capture_output=True, text=True,
                          timeout=10, check=True)
    assert not done.stderr
    return done.stdout.split()


def test_commands_are_the_helps():
    text = subprocess.run([TANDEM, "--help"], capture_output=True, text=True, timeout=10, check=True).stdout
    commands = re.findall(r"^  (\w+) +\w", text, re.M)
    assert sorted(complete("tandem ")) == sorted([*commands, "--help", "--version"])
    assert complete("tandem re") == ["resolve"]


@pytest.mark.parametrize("command", ["run", "check", "demo", "load", "resolve", "ctl"])
def test_options_are_the_helps(command, tmp_path):
    text = subprocess.run([TANDEM, command, "--help"], capture_output=True, text=True, timeout=10, check=True).stdout
    offered = set(complete(f"tandem {command} --", tmp_path))
    assert offered <= set(re.findall(r"--[a-z-]+", text)) | {"--version", "--help"}
    assert {"--help", "--version"} <= offered
    assert set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", text, re.M)) <= offered


def test_topics_are_answered():
    topics = complete("tandem ctl -s /nowhere show ")
    assert len(topics) == 6
    for topic in topics:
        done = subprocess.run([TANDEM, "ctl", "-s", "/nowhere", "show", topic], capture_output=True, text=True, timeout=10)
        assert done.returncode == 1, done.stderr  # known, though nobody is there; an unknown one is used wrong: 2
    assert complete("tandem ctl show ta") == ["targets"]
    assert complete("tandem ctl stop ") == [] and complete("tandem ctl show drops ") == []


def test_files(tmp_path):
    (tmp_path / "edge.yaml").touch()
    (tmp_path / "edge.txt").touch()
    (tmp_path / "egg").mkdir()
    assert sorted(complete("tandem run e", tmp_path)) == ["edge.yaml", "egg/"]
    assert complete("tandem resolve --server 1", tmp_path) == []
    assert "edge.txt" in complete("tandem ctl -s e", tmp_path)
