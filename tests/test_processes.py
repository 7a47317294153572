"""A program that a test has started ends, whatever it does with signals."""

import signal
import subprocess
import sys

import pytest

from tests.processes import end

pytestmark = pytest.mark.slow


def start(handler: str) -> "subprocess.Popen[str]":
    code = f"import signal, sys, time; signal.signal(signal.SIGTERM, {handler}); print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    with process.stdout:
        process.stdout.readline()
    return process


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        ("lambda *_: sys.exit(3)", 3),
        ("signal.SIG_DFL", -signal.SIGTERM),
        ("signal.SIG_IGN", -signal.SIGKILL),
    ],
)
def test_end_returns_the_exit_code_within_the_limit(handler: str, code: int) -> None:
    assert end(start(handler), limit=3) == code
