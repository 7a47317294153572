"""The server of the page."""

import logging

from gradio import Blocks

from demo.compare import preferences
from demo.gateway.hosts import THIS_MACHINE, AllowedHosts
from demo.gateway.middleware import middleware
from demo.service.gradio_internals import limit_queue, return_separate_tool_outputs
from demo.theme import head, theme

MAX_WAITING = 20
MAX_SESSIONS = 500  # each holds what its visitor saw last, about 1 MB


def serve(
    blocks: Blocks, host: str | None, port: int | None, *, mcp: bool = False, hosts: AllowedHosts = THIS_MACHINE
) -> str:
    """Serve a page behind the gateway, with one queue, and return its address.

    With `mcp`, or if Gradio's environment variable GRADIO_MCP_SERVER is set, the endpoints are MCP tools too. Raises
    OSError if the port is in use or the address is not this machine's.
    """
    address: str
    _, address, _ = blocks.queue(max_size=MAX_WAITING, api_open=False).launch(
        server_name=host, server_port=port, theme=theme(), head=head() + preferences.head(), footer_links=[],
        prevent_thread_lock=True, quiet=True, share=False, show_error=False, ssr_mode=False, enable_monitoring=False,
        strict_cors=True, run_history=False, max_file_size="50mb", state_session_capacity=MAX_SESSIONS,
        mcp_server=mcp or None, app_kwargs={"middleware": middleware(hosts)},
    )  # fmt: skip
    return_separate_tool_outputs(blocks)
    limit_queue(blocks)
    _do_not_log_malformed_requests()
    return address


def _do_not_log_malformed_requests() -> None:
    """Keep out of the log what clients send in a wrong form, of which mcp logs the content; they get a refusal."""
    for name in ("python_multipart", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger().addFilter(lambda record: not str(record.msg).startswith("Failed to validate "))
