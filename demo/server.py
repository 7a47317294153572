"""The server of the page."""

from collections.abc import Callable

from gradio import Blocks

from demo.app import build
from demo.compare import preferences
from demo.gateway.middleware import middleware
from demo.service.gradio_internals import return_separate_tool_outputs
from demo.service.models import Models
from demo.theme import head, theme

MAX_UPLOAD = "50mb"
MAX_WAITING = 20
MAX_SESSIONS = 500  # each holds what its visitor saw last, about 1 MB


def launch(
    models: Models, host: str | None, port: int | None, say: Callable[[str], None], *, mcp: bool = False
) -> None:
    """Serve the page, pass its address to `say`, and wait until interrupted.

    With `mcp`, or if Gradio's environment variable GRADIO_MCP_SERVER is set, the endpoints are MCP tools too.

    Raises:
        OSError: if the port is in use or the address is not this machine's.
    """
    blocks = build(models)
    say(f"the page is at {serve(blocks, host, port, mcp=mcp)}")
    blocks.block_thread()


def serve(blocks: Blocks, host: str | None, port: int | None, *, mcp: bool = False) -> str:
    """Serve a page behind the gateway, with one queue, and return its address."""
    address: str
    _, address, _ = blocks.queue(max_size=MAX_WAITING, api_open=False).launch(
        server_name=host,
        server_port=port,
        theme=theme(),
        head=head() + preferences.head(),
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
