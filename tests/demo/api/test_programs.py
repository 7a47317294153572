"""An MCP client, and the programs of the README files."""

import asyncio
import base64
import io
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from demo.service.event_settings import ENDPOINTS
from tests.demo.api.conftest import API, LIMIT, upload
from tests.readme_examples import EXAMPLES

pytestmark = pytest.mark.slow


def test_mcp_client_lists_the_tools_and_uses_them(address: str, eagle: Path) -> None:
    mcp = pytest.importorskip("mcp")
    from mcp.client.streamable_http import streamablehttp_client

    photo = "data:image/jpeg;base64," + base64.b64encode(eagle.read_bytes()).decode()
    uploaded_url = f"{address}{API}/file={upload(address, eagle.read_bytes())['path']}"

    async def use() -> tuple[Any, ...]:
        async with (
            streamablehttp_client(f"{address}{API}/mcp/") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            return (
                (await session.list_tools()).tools,
                await session.call_tool("predict", {"photo": uploaded_url}),
                await session.call_tool("explain", {"photo": photo, "methods": ["grad-cam"]}),
                await session.call_tool("explain", {"photo": photo, "wanted_class": "bald eagel"}),
            )

    with ThreadPoolExecutor(1) as other_thread:  # the tests of the page, if they ran before, have a loop on this one
        run = other_thread.submit(asyncio.run, asyncio.wait_for(use(), 2 * LIMIT))
        tools, predicted, explained, refused = run.result(2 * LIMIT)
    assert {tool.name for tool in tools} == set(ENDPOINTS)
    for tool in tools:
        assert len(tool.description) > 60
        assert all(entry.get("description") for entry in tool.inputSchema["properties"].values()), tool.name
    assert json.loads(predicted.content[0].text)["predictions"][0]["class_idx"] == 22
    assert json.loads(explained.content[0].text)["explanations"][0]["method"] == "grad-cam"
    pictures = [part for part in explained.content if part.type == "image"]
    assert [Image.open(io.BytesIO(base64.b64decode(part.data))).format for part in pictures] == ["PNG", "PNG"]
    assert refused.isError
    assert "the nearest are bald eagle" in refused.content[0].text


@pytest.fixture(scope="module")
def examples(address: str) -> list[tuple[str, str]]:
    """Language and text of the README files' examples that call a page, changed to call this one."""
    return [
        (example.language, example.text.replace("http://127.0.0.1:7860", address))
        for example in EXAMPLES
        if ":7860" in example.text
    ]


def test_readme_files_have_an_example_for_each_kind_of_program(examples: list[tuple[str, str]]) -> None:
    text = " ".join(block for _, block in examples)
    assert all(word in text for word in ("gradio_client", "curl", "ClientSession"))


@pytest.mark.parametrize("program", ["gradio_client", "curl", "ClientSession"])
def test_examples_of_the_readme_files_work(
    examples: list[tuple[str, str]], program: str, eagle: Path, tmp_path: Path
) -> None:
    (tmp_path / "eagle.jpg").write_bytes(eagle.read_bytes())
    ((kind, block),) = [example for example in examples if program in example[1]]
    if shutil.which(program := "curl" if kind == "sh" else sys.executable) is None:
        pytest.skip("curl is not installed")
    command = ["bash", "-eu", "-c", block] if kind == "sh" else [program, "-c", block]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "bald eagle" in done.stdout
    assert "grad-cam" in done.stdout
    assert kind != "sh" or "event: complete" in done.stdout
