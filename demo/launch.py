"""Serving the page."""

from collections.abc import Callable

from demo import remember
from demo.app import build
from demo.models import Models
from demo.theme import head, theme

MAX_UPLOAD = "50mb"
MAX_WAITING = 20


def launch(models: Models, host: str | None, port: int | None, say: Callable[[str], None]) -> None:
    """Serve the page, tell its address, and wait until interrupted.

    Raises:
        OSError: if the port is taken or the address is not this machine's.
    """
    blocks = build(models).queue(max_size=MAX_WAITING, api_open=False)
    _, address, _ = blocks.launch(
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
    )
    say(f"the page is at {address}")
    blocks.block_thread()
