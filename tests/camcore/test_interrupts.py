"""Ctrl-C: one line, whenever and however often it comes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from camcore.interrupts import InterruptHandler, handle_interrupts, without_interrupts
from tests.readme_examples import ROOT

MOMENTS = [0.2, 0.6, 1.0, 1.4, 1.8] if "SOAK" in os.environ else [0.4]  # seconds after the start
PRINT_MASK = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
posix = pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows has no masks of signals")


def test_the_first_interrupt_is_raised_and_what_it_stops_is_not_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    now, ended = [5.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(os, "_exit", ended.append)
    handler = InterruptHandler()
    with pytest.raises(KeyboardInterrupt):
        handler(signal.SIGINT, None)
    for moment in (5.0, 6.0):
        now[0] = moment
        handler(signal.SIGINT, None)
    assert ended == []
    now[0] = 6.1
    handler(signal.SIGINT, None)
    assert ended == [130]


def test_a_program_that_ignores_interrupts_goes_on_to_ignore_them(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        for handler, kind in ((signal.SIG_IGN, signal.Handlers), (signal.default_int_handler, InterruptHandler)):
            signal.signal(signal.SIGINT, handler)
            handle_interrupts()
            assert isinstance(signal.getsignal(signal.SIGINT), kind)
    finally:
        signal.signal(signal.SIGINT, before)


@posix
def test_a_process_that_is_started_without_interrupts_receives_none() -> None:
    def mask() -> str:
        command = [sys.executable, "-I", "-S", "-c", PRINT_MASK]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()

    with without_interrupts():
        assert mask() == "True"
    assert mask() == "False"


@posix
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_command_that_is_interrupted_says_one_line(
    moment: float, quick_artifacts: Path, animal_photos: list[Path], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "camcore", "explain", *map(str, animal_photos), "--effort", "exact"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CAMCORE_ARTIFACTS": str(quick_artifacts)}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    time.sleep(moment)
    for _ in range(2):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, printed = process.communicate(timeout=60)
    assert "Traceback" not in printed
    assert printed.splitlines()[-1:] in ([], ["stopped: the photos named above are done"])
    assert process.returncode in (130, -signal.SIGINT)  # which shells call 130
