"""Serving the page."""

from collections.abc import Callable

from gradio import Blocks

from demo.app import build
from demo.compare import preferences as remember
from demo.gateway.middleware import middleware
from demo.service.gradio_internals import return_separate_tool_outputs
from demo.service.models import Models
from demo.theme import head, theme

MAX_UPLOAD = "50mb"
MAX_WAITING = 20
MAX_SESSIONS = 500  # of which each holds what its visitor last saw, about 1 MB


def launch(
    models: Models, host: str | None, port: int | None, say: Callable[[str], None], *, mcp: bool = False
) -> None:
    """Serve the page, tell its address, and wait until interrupted.

    With `mcp`, or where gradio's variable GRADIO_MCP_SERVER says so, its endpoints are MCP tools too.

    Raises:
        OSError: if the port is taken or the address is not this machine's.
    """
    blocks = build(models)
    say(f"the page is at {serve(blocks, host, port, mcp=mcp)}")
    blocks.block_thread()


def serve(blocks: Blocks, host: str | None, port: int | None, *, mcp: bool = False) -> str:
    """Serve the page, or a test's, behind the door and with one line, and return its address."""
    address: str
    _, address, _ = blocks.queue(max_size=MAX_WAITING, api_open=False).launch(
        server_name=host,
        server_port=port,
        theme=theme(),
        head=head() + remember.head(),
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        max_file_size=MAX_UPLOAD,
        strict_cors=True,
        footer_links=[],
        run_history=False,
        state_session_capacity=MAX_SESSIONS,
        mcp_server=mcp or None,
        app_kwargs={"middleware": middleware()},
    )
    return_separate_tool_outputs(blocks)
    return address
