"""Short forms of `make soak`: clients in every way, and mutated calls."""

import os
from pathlib import Path

import gradio as gr
import pytest

from demo.service.expiry import Expiry
from demo.service.gradio_internals import idle_sessions, upload_folder
from demo.service.models import Models
from tests.clients import WAYS, run_load, unexpected
from tests.demo.api.test_concurrency import wait_for
from tests.mutated_calls import MAX_MEMORY, MAX_SECONDS, send_mutations
from tests.mutated_photos import samples

pytestmark = pytest.mark.slow

CALLS = 150


def test_clients_that_leave_or_never_read_leave_nothing(address: str, blocks: gr.Blocks, models: Models) -> None:
    expiry, before = Expiry(blocks, upload_folder(), kept=0), _files()
    load = run_load(address, samples()["JPEG 0 RGB"], 2, 6, WAYS)
    assert not unexpected(load.outcomes)
    assert load.outcomes.keys() >= {"explained", "never read"}
    wait_for(lambda: len(models.queue) == 0)
    wait_for(lambda: len(idle_sessions(blocks)) >= load.outcomes["never read"])
    assert _files() > before
    expiry.sweep()
    assert _files() == before
    assert idle_sessions(blocks) == {}


def test_mutated_calls_are_answered_or_refused_without_a_traceback(
    address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answers = send_mutations(address, os.getpid(), CALLS)
    assert answers.faults == []
    assert capfd.readouterr().err == ""
    assert answers.slowest < MAX_SECONDS
    assert answers.memory < MAX_MEMORY
    assert answers.statuses.keys() >= {"200", "400", "404", "422", "answer 200"}


def _files() -> set[Path]:
    return set(upload_folder().rglob("*"))
