"""A page sends nothing to other computers."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest


@pytest.mark.slow
@pytest.mark.skipif("SOAK" not in os.environ, reason="4 attempts of unknown origin in one full run: run by make soak")
def test_page_explains_without_a_network_and_tries_to_reach_none(quick_artifacts: Path) -> None:
    namespace = ["unshare", "--net"]
    if not which("unshare") or subprocess.run([*namespace, "true"], check=False, timeout=60).returncode:
        pytest.skip("no network namespace is permitted here")
    command = [*namespace, sys.executable, "-m", "tests.without_network", str(quick_artifacts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert (done.returncode, done.stdout) == (0, "3 maps; 0 attempts to reach another computer\n"), done.stderr
