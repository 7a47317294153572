"""The command `python -m demo`, which loads or exports the model and serves the page."""

import argparse
import logging
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from camcore.errors import CamError
from camcore.images.decoder import shared_decoder
from camcore.model.threads import keep_torch_to_cores
from demo.service.models import load_models
from demo.service.page_folder import page_folder
from demo.service.queue import DEFAULT_TIMEOUT


def main(arguments: list[str] | None = None) -> int:
    """Serve the page until interrupted, and return 0, or 2 after one sentence on stderr if it cannot be served."""
    options = _parser().parse_args(arguments)
    # SIGTERM, with which a Space ends the page, ends it as Ctrl-C does: the folder of photos is deleted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    keep_torch_to_cores()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    with page_folder() as folder:
        # Gradio reads these when it is imported. A page deletes its folder when it ends, so none share one.
        os.environ["GRADIO_TEMP_DIR"] = str(folder)
        os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
        os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")  # of 10,000 it would make a table at each request
        try:
            return _serve(options, folder)
        finally:
            shared_decoder().close()


def run() -> NoReturn:
    """Run the command and end the process with its exit code, although threads may still be explaining photos.

    Python would stop these threads in the middle of a library's code, which aborts the process.
    """
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _serve(options: argparse.Namespace, folder: Path) -> int:
    if options.mcp and find_spec("mcp") is None:
        _say("error: --mcp needs the package mcp: run `python -m pip install 'gradio[mcp]'` first")
        return 2
    try:
        models = load_models(options.artifacts, options.model, _say, options.deadline)
        if models.notice:
            _say(models.notice)
        from demo.app import build
        from demo.gateway.hosts import AllowedHosts
        from demo.server import serve
        from demo.service.expiry import Expiry
        from demo.service.photos import KEPT

        blocks = build(models)
        hosts = AllowedHosts.of_server(options.host, [*options.allowed_host, os.environ.get("SPACE_HOST", "")])
        _say(f"the page is at {serve(blocks, options.host, options.port, mcp=options.mcp, hosts=hosts)}")
        Expiry(blocks, folder, KEPT).start()
        blocks.block_thread()
    except CamError as error:
        _say(f"error: {error}")
        return 2
    except OSError as error:
        _say(f"error: the page cannot be served ({error}): choose another --port or --host")
        return 2
    except KeyboardInterrupt:
        _say("stopped")
    return 0


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo", description="Show in a browser which parts of a photo a classifier looked at."
    )
    parser.add_argument("--artifacts", type=Path, metavar="DIR", help="one exported model, or a folder of them")
    parser.add_argument("--model", metavar="NAME", help="name of the exported model (default: resnet50)")
    parser.add_argument("--host", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, help="port (default: the first free one from 7860)")
    parser.add_argument(
        "--allowed-host", action="append", default=[], metavar="NAME",
        help="host name by which the page may be requested besides this machine's, may be repeated",
    )  # fmt: skip
    parser.add_argument("--mcp", action="store_true", help="support of MCP clients, at /gradio_api/mcp/")
    parser.add_argument(
        "--deadline", type=seconds, default=DEFAULT_TIMEOUT, metavar="SECONDS",
        help=f"time limit of a request, including its time in the queue (default: {DEFAULT_TIMEOUT})",
    )  # fmt: skip
    return parser


def seconds(argument: str) -> float:
    """Return a command-line argument as a finite number of seconds above 0, or raise ArgumentTypeError."""
    value = float(argument)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{argument} is not a number of seconds above 0")
    return value


if __name__ == "__main__":
    run()
