"""Calls of a page with mutated values: `python -m tests.mutated_calls [COUNT]`, of every kind that clients send.

By name and by position, of the endpoints and of the page's own functions, and as MCP messages. Nothing of an answer may
be an internal error, and the page may print nothing.
"""

import base64
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.browser.conftest import served
from tests.clients import descendants
from tests.demo.api.conftest import API, LIMIT, upload
from tests.mutated_photos import samples

COUNT = 5_000
MAX_SECONDS, MAX_MEMORY = 12.0, 600_000_000  # of one refusal; bytes by which the page's largest memory may grow
_MCP = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
_INTERNAL = re.compile(
    r'Traceback|File "|site-packages|\b[A-Z]\w+(Error|Exception)\b|object has no attribute|0x[0-9a-f]{6}'
)
_TEXTS = (
    "",
    "\0",
    "../../etc/passwd",
    "/etc/passwd",
    "http://127.0.0.1:1/a.jpg",
    "\ud800",
    "<script>",
    "9" * 400,
    "é" * 300,
)
_NUMBERS = (0, -1, 1, 10**400, -(2**63), 2**64, math.inf, math.nan, 1e-320, 0.5, True)
_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.sampled_from([*_TEXTS, *_NUMBERS])
)
_anything = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["path", "url", "meta", "_type", "data", "value", ""]), inner, max_size=4)
    ),
    max_leaves=8,
)


@dataclass(frozen=True)
class Function:
    """A function of a page, by its number, with as many inputs as it takes; queued or called at once."""

    number: int
    inputs: int
    queued: bool


@dataclass(frozen=True)
class Target:
    """What a page can be called with: the right values of each endpoint, and the page's own functions."""

    endpoints: dict[str, dict[str, Any]]
    functions: tuple[Function, ...]

    @classmethod
    def of(cls, address: str) -> "Target":
        """Read the page's description of itself, and upload a photo for its endpoints."""
        info = httpx.get(f"{address}{API}/info", timeout=LIMIT).json()["named_endpoints"]
        config = httpx.get(f"{address}/config", timeout=LIMIT).json()["dependencies"]
        photo = upload(address, samples()["JPEG 0 RGB"])
        endpoints = {
            name.removeprefix("/"): {
                entry["parameter_name"]: entry["parameter_default"] if entry["parameter_has_default"] else photo
                for entry in endpoint["parameters"]
            }
            for name, endpoint in info.items()
        }
        functions = [
            Function(entry["id"], len(entry["inputs"]), entry["queue"]) for entry in config if entry["backend_fn"]
        ]
        return cls({name: {**values, **_QUICK[name]} for name, values in endpoints.items()}, tuple(functions))


_QUICK: dict[str, dict[str, Any]] = {"predict": {}, "explain": {"effort": "8", "methods": ["grad-cam"]}, "study": {}}


@dataclass(frozen=True)
class Call:
    """One request: its address, its body, and where its answer is read if it is admitted."""

    path: str
    body: bytes
    headers: dict[str, str]
    answer: str = ""  # with {event} for the event of an admitted call


@dataclass
class Answers:
    """What became of the calls: the answers by their status, and of refusals the longest time and the sentences."""

    statuses: Counter[str] = field(default_factory=Counter)
    sentences: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0  # seconds
    memory: int = 0  # bytes by which the largest memory of the page and its processes has grown
    faults: list[str] = field(default_factory=list)


@st.composite
def _calls(draw: st.DrawFn, target: Target) -> Call:
    """Draw a call, with right values where it is not mutated."""
    name = draw(st.sampled_from(sorted(target.endpoints)))
    match draw(st.sampled_from(("by name", "by position", "by number", "by number", "mcp", "cancel", "bytes"))):
        case "by name":
            values = _mutated(draw, target.endpoints[name])
            return _call(f"{API}/call/v2/{name}", values, f"{API}/call/{name}/{{event}}")
        case "by position":
            data = list(_mutated(draw, target.endpoints[name], rename=False).values())
            body = _mutated(draw, {"data": data}) if draw(st.booleans()) else {"data": data}
            return _call(f"{API}/call/{name}", body, f"{API}/call/{name}/{{event}}")
        case "by number":
            return _call_by_number(draw, draw(st.sampled_from(target.functions)), target.endpoints[name])
        case "mcp":
            arguments = draw(_anything) if draw(st.integers(0, 9)) == 0 else _mutated(draw, _for_mcp(target, name))
            message = {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "tools/call",
                "params": {"name": name, "arguments": arguments},
            }
            return _call(
                f"{API}/mcp/", _mutated(draw, message) if draw(st.integers(0, 4)) == 0 else message, headers=_MCP
            )
        case "cancel":
            body = {"session_hash": draw(_anything), "fn_index": draw(_anything), "event_id": draw(_anything)}
            return _call(f"{API}/{draw(st.sampled_from(('cancel', 'reset')))}", body)
        case _:
            path = draw(
                st.sampled_from(("call/predict", "call/v2/explain", "queue/join", "run/predict", "cancel", "mcp/"))
            )
            body = draw(st.binary(max_size=40) | st.sampled_from([b"[" * 5000, b"{", b"null", b'{"data":' * 900]))
            return Call(f"{API}/{path}", body, _MCP)


def _call_by_number(draw: st.DrawFn, function: Function, values: dict[str, Any]) -> Call:
    """Draw a call of one of the page's own functions, of as many values as it takes, some of them right."""
    photo = next(iter(values.values()))
    entry = st.one_of(_anything, st.none(), st.just(photo), st.sampled_from(list(values.values())))
    session = f"session{draw(st.integers(0, 3))}"
    body = {
        "data": draw(st.lists(entry, min_size=function.inputs, max_size=function.inputs)),
        "fn_index": function.number, "session_hash": session, "trigger_id": None, "event_data": None,
    }  # fmt: skip
    if draw(st.booleans()):
        body |= {key: draw(_anything) for key in draw(st.sets(st.sampled_from(sorted(body)), max_size=2))}
    path = f"{API}/queue/join" if function.queued != (draw(st.integers(0, 9)) == 0) else f"{API}/run/predict"
    answer = f"{API}/queue/data?session_hash={session}" if body["session_hash"] == session else ""
    return _call(path, body, answer)


def _for_mcp(target: Target, name: str) -> dict[str, Any]:
    photo = "data:image/jpeg;base64," + base64.b64encode(samples()["JPEG 0 RGB"]).decode()
    first = next(iter(target.endpoints[name]))
    return {**target.endpoints[name], first: photo}


def _mutated(draw: st.DrawFn, values: dict[str, Any], *, rename: bool = True) -> dict[str, Any]:
    """Draw other values for some of the entries, or leave them out, or add others."""
    chosen = draw(st.sets(st.sampled_from(sorted(values)), min_size=1, max_size=2))
    mutated = {name: draw(_anything) if name in chosen else value for name, value in values.items()}
    match draw(st.integers(0, 9)) if rename else 9:
        case 0:
            del mutated[min(chosen)]
        case 1:
            mutated[draw(st.text(max_size=20))] = draw(_anything)
    return mutated


def _call(path: str, body: Any, answer: str = "", headers: dict[str, str] | None = None) -> Call:
    return Call(path, json.dumps(body).encode(), headers or {"content-type": "application/json"}, answer)


def send_mutations(address: str, pid: int, count: int) -> Answers:
    """Send so many calls to the page of a process, the same ones each time, and read the answers of admitted ones."""
    target, answers, start = Target.of(address), Answers(), _largest_memory(pid)
    # A connection for each call: one that is kept may be closed by the server just when the next call is sent.
    with httpx.Client(base_url=address, timeout=LIMIT, limits=httpx.Limits(max_keepalive_connections=0)) as http:

        @settings(
            max_examples=count, database=None, derandomize=True, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(_calls(target))
        def send(call: Call) -> None:
            began = time.monotonic()
            response = http.post(call.path, content=call.body, headers=call.headers)
            _note(answers, call, str(response.status_code), response.text, time.monotonic() - began)
            if response.status_code == 200 and call.answer and "event_id" in response.json():
                answer = http.get(call.answer.format(event=response.json()["event_id"]))
                _note(answers, call, f"answer {answer.status_code}", answer.text, time.monotonic() - began)

        send()
    answers.memory = _largest_memory(pid) - start
    return answers


def _note(answers: Answers, call: Call, status: str, text: str, seconds: float) -> None:
    answers.statuses[status] += 1
    answers.slowest = max(answers.slowest, seconds)
    fault = ""
    if status.removeprefix("answer ") >= "500" and not (status == "503" and "busy" in text):
        fault = f"status {status}"
    elif match := _INTERNAL.search(text):
        fault = f"“{match[0]}” in the answer"
    elif seconds > MAX_SECONDS:
        fault = f"{seconds:.0f} seconds"
    if fault:
        answers.faults.append(f"{fault}: {call.path} {call.body[:300]!r}: {text[:300]}")
    if status >= "4" and status.isdigit():
        answers.sentences[text[:160]] += 1


def _largest_memory(pid: int) -> int:
    """Return the largest memory that a process and those that it has started have had so far, in bytes."""
    status = (Path(f"/proc/{process}/status").read_text() for process in descendants(pid))
    return sum(int(re.search(r"VmHWM:\s+(\d+)", text)[1]) * 1024 for text in status)  # type: ignore[index]


def rows(answers: Answers) -> list[str]:
    """Return the lines of a table of what became of the calls."""
    return [
        *(f"{number:7,}  {status}" for status, number in sorted(answers.statuses.items())),
        f"{answers.slowest:7.1f}  seconds for the slowest",
        f"{answers.memory / 1e6:7.0f}  MB more for the page and its processes",
        f"{len(answers.faults):7,}  faults",
        *answers.faults[:20],
    ]


def call_by_schema(address: str) -> int:
    """Run schemathesis on what the page says of itself in OpenAPI, print its report, and return its exit code."""
    program = shutil.which("schemathesis", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        print("schemathesis is not installed, so that no calls are made from the page's OpenAPI document")
        return 0
    # The checks of the form of answers are left out: the document is Gradio's, and lists no refusals.
    options = ["--checks", "not_a_server_error", "--max-examples", "100", "--seed", "1", "--no-color"]
    return subprocess.run([program, "run", f"{address}{API}/openapi.json", *options], check=False).returncode


def main(count: int = COUNT) -> None:
    """Serve a page with a model of random weights, send the calls, and print the table."""
    from export.pipeline import export_artifact
    from tests.conftest import own_model

    with tempfile.TemporaryDirectory(prefix="camcore-soak-") as folder:
        export_artifact(own_model(Path(folder), "wide", Path(folder, "artifacts", "finches")))
        with served(Path(folder, "artifacts"), module=("demo", "--mcp")) as page:
            answers = send_mutations(page.address.rstrip("/"), page.pid, count)
            print("\n".join(rows(answers)), flush=True)
            failed = call_by_schema(page.address.rstrip("/"))
    if answers.faults or failed:
        sys.exit(1)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
