"""Receives the redirect of an OAuth consent page on a loopback port, once; then closes the port."""

import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from storage.errors import BackupError

_LONGEST_TARGET = 8192
_PAGE = "<!doctype html><meta charset=utf-8><title>Gmail Backup Manager</title><p>{}</p>"
_DONE = "That is all here: you may close this window and go back to the terminal."
_STRAY = "This page belongs to no login that is under way."


class ConsentLate(BackupError):
    """The owner did not consent in time. Run the command again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return f"No consent was given within {self.seconds:.0f} s: run the command again and open the page it prints."


class ConsentPort:
    """A loopback port for the redirect of one login."""

    def __init__(self) -> None:
        """Listen at once, on a port chosen by the system, because the browser may respond before `wait`."""
        self._server = _Server(("127.0.0.1", 0), _Handler)

    def __enter__(self) -> "ConsentPort":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.server_close()

    @property
    def uri(self) -> str:
        """The redirect URI."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def wait(self, state: str, timeout_s: float) -> tuple[str, str]:
        """Return the code and the error of the redirect with this state; other requests are rejected.

        Raises:
            ConsentLate.
        """
        self._server.state = state
        deadline = time.monotonic() + timeout_s
        while self._server.answer is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise ConsentLate(timeout_s)
            self._server.timeout = left
            self._server.handle_request()
        return self._server.answer


class _Server(HTTPServer):
    state = ""
    answer: tuple[str, str] | None = None


class _Handler(BaseHTTPRequestHandler):
    """Responds to the browser."""

    timeout = 10  # seconds of silence per connection; connections are served one at a time
    server: _Server

    def do_GET(self) -> None:
        target = urlsplit(self.path) if len(self.path) <= _LONGEST_TARGET else urlsplit("")
        query = {name: values[-1] for name, values in parse_qs(target.query).items()}
        ours = bool(self.server.state) and query.get("state") == self.server.state
        if ours and self.server.answer is None:
            self.server.answer = query.get("code", ""), query.get("error", "")
        body = _PAGE.format(_DONE if ours else _STRAY).encode()
        self.send_response(200 if ours else 400)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", "default-src 'none'")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the request line contains the code."""
