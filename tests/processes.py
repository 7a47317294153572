"""Ending the programs that a test has started, within a limit."""

import signal
import subprocess

END = 30.0  # seconds from SIGTERM to the end, as a Space grants them


def end(process: "subprocess.Popen[str]", limit: float = END) -> int:
    """End a program by SIGTERM, or by SIGKILL if it still runs after `limit` seconds, and return its exit code.

    SIGINT would not do: a program that was started in the background ignores it.
    """
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(limit)
