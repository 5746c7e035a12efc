"""Fixtures of the end-to-end tests. `make test` runs them; TANDEM names another binary."""
import os
import subprocess

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("TANDEM_BUILD", os.path.join(ROOT, "build"))
TANDEM = os.environ.get("TANDEM", os.path.join(BUILD, "tandem"))


@pytest.fixture(scope="session")
def root():
    """The source's folder."""
    return ROOT


@pytest.fixture(scope="session")
def tandem():
    """Run the binary with arguments; gives the finished process with text output."""

    def run(*args, timeout=60, **more):
        return subprocess.run([TANDEM, *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, **more)

    return run
