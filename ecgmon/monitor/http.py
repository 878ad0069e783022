"""One port for Prometheus and for whoever asks how we are: ``/metrics``, ``/healthz``, ``/readyz``, and a
:class:`Site` for people.

Read-only (GET and HEAD), loopback unless told otherwise, a bounded number of connections at a time, each
with a timeout and small limits, so that a scraper that misbehaves costs the monitor nothing. An answer that
goes on, a :class:`Stream`, gives its place back: who may have one, and how many, is the site's to say.

With a token, every page wants ``Authorization: Bearer TOKEN`` but those of :data:`OPEN`, and what a site
calls open: what starts and restarts a daemon asks them, rarely has a secret at hand, and learns of no
patient.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta

from ecgmon import __version__
from ecgmon.config import Settings
from ecgmon.errors import EcgmonError
from ecgmon.monitor.answers import Page, Request, Site, Stream
from ecgmon.monitor.sockets import cut, has_left, prepare_stream

log = logging.getLogger(__name__)

CONNECTIONS: Final = 32
"""Requests that are served at a time. A further one takes the place of the oldest that has not yet asked
anything, so that idle connections cannot keep a probe out; where all have asked, it is closed."""

YIELDING: Final = 0.5
"""Seconds that a connection has to give its place up."""

OPEN: Final = frozenset({"/healthz", "/readyz"})
"""Pages that want no token."""

REQUEST_BYTES: Final = 16_384
"""Request line and headers together."""

TOKEN_LENGTH: Final = 16
"""A shorter token could be guessed."""

TEXT: Final = "text/plain; charset=utf-8"

TIMEOUT: Final = 5.0
"""Seconds that a request may take from the first byte to the last of the answer, however slow the client; of
a stream, so long for each part."""


class HttpSettings(Settings, frozen=True):
    """Where metrics and health are served."""

    enabled: bool = True
    """false: no port is opened, and nobody can ask how we are."""
    host: Annotated[str, Meta(min_length=1, description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="0: any free port")] = 9464
    token_file: Annotated[str, Meta(min_length=1, description="its first line is the token")] | None = None
    token_env: Annotated[str, Meta(min_length=1, description="environment variable with it")] | None = None

    def __post_init__(self) -> None:
        if self.token_file is not None and self.token_env is not None:
            raise ValueError("token_file and token_env: give one of them")

    def token(self) -> bytes | None:
        """What a client must show, None where nobody must; :class:`EcgmonError` says why it cannot be had."""
        if self.token_file is not None:
            try:
                lines = Path(self.token_file).read_bytes().splitlines()
            except OSError as error:
                raise EcgmonError(f"{self.token_file}: the token cannot be read ({error.strerror})") from None
            token, where = lines[0].strip() if lines else b"", self.token_file
        elif self.token_env is not None:
            token, where = (
                os.environ.get(self.token_env, "").encode(),
                f"environment variable {self.token_env}",
            )
        else:
            return None
        if len(token) < TOKEN_LENGTH:
            raise EcgmonError(f"{where}: the token must have {TOKEN_LENGTH} characters or more")
        return token


class HttpServer:
    """Serves ``pages`` (path to a function that makes the answer), and ``site``, from its own threads."""

    def __init__(
        self, settings: HttpSettings, pages: Mapping[str, Callable[[], Page]], site: Site | None = None
    ) -> None:
        self._settings = settings
        self._pages = dict(pages)
        self._site = site
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on; the port is the real one when 0 was asked for."""
        if self._server is None:
            return self._settings.host, self._settings.port
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def start(self) -> None:
        """Listen; :class:`EcgmonError` when the address cannot be had."""
        where = (self._settings.host, self._settings.port)
        token = self._settings.token()
        try:
            self._server = _Server(where, self._pages, self._site)
        except OSError as error:
            reason = error.strerror or error
            raise EcgmonError(
                f"http: cannot listen on {where[0]}:{where[1]} ({reason}); set http.port"
            ) from None
        self._server.token = token
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="http", daemon=True
        )
        self._thread.start()

    def use(self, token: bytes | None) -> None:
        """Ask for this token from the next request on."""
        if self._server is not None:
            self._server.token = token

    def stop(self) -> None:
        """Stop listening; may be called twice."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(TIMEOUT)
        self._server = self._thread = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 16
    token: bytes | None = None

    def __init__(
        self, where: tuple[str, int], pages: dict[str, Callable[[], Page]], site: Site | None
    ) -> None:
        self.pages = pages
        self.site = site
        self._release: dict[socket.socket, Callable[[], None]] = {}  # gives its place back, once
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        self._silent: dict[socket.socket, None] = {}  # oldest first
        self._counting = threading.Lock()
        if ":" in where[0]:
            self.address_family = socket.AF_INET6
        super().__init__(where, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not (self._free.acquire(blocking=False) or self._make_room()):
            self.shutdown_request(request)
            return
        with self._counting:
            self._silent[request] = None
        try:
            super().process_request(request, client_address)
        except BaseException:
            self.heard(request)
            self._free.release()
            raise

    def _make_room(self) -> bool:
        """Cut off the oldest connection that has not asked anything."""
        with self._counting:
            oldest = next(iter(self._silent), None)
            if oldest is None:
                return False
            del self._silent[oldest]
            cut(oldest)
        return self._free.acquire(timeout=YIELDING)

    def heard(self, request: socket.socket) -> None:
        """It has asked something, or is gone."""
        with self._counting:
            self._silent.pop(request, None)

    def goes_on(self, request: socket.socket) -> None:
        """Its answer is a stream: it gives its place back, and is not cut off."""
        prepare_stream(request)
        self._give_back(request)

    def _give_back(self, request: socket.socket) -> None:
        with self._counting:
            release = self._release.pop(request, None)
        if release is not None:
            release()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        end = threading.Timer(TIMEOUT, cut, [request])  # a timeout of the socket is for one read only
        end.daemon = True

        def release() -> None:
            end.cancel()
            self._free.release()

        with self._counting:
            self._release[request] = release
        try:
            end.start()
            super().process_request_thread(request, client_address)
        except RuntimeError as error:  # no thread can be started now
            log.warning("a request was not answered: %s", error)
            self.shutdown_request(request)
        finally:
            self.heard(request)
            self._give_back(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's
        log.debug("a client went away: %s", sys.exception())


class _Bounded:
    """Reads lines of a request, :data:`REQUEST_BYTES` at most."""

    def __init__(self, stream: BufferedIOBase) -> None:
        self._stream = stream
        self.left = REQUEST_BYTES

    def readline(self, size: int = -1) -> bytes:
        line = self._stream.readline(min(size, self.left) if size >= 0 else self.left)
        self.left -= len(line)
        return line

    def close(self) -> None:
        self._stream.close()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = TIMEOUT
    server_version = f"ecgmon/{__version__}"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.rfile = _Bounded(self.rfile)  # type: ignore[assignment] # lines are all that is read of it

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        self.server.heard(self.connection)
        if isinstance(self.rfile, _Bounded) and self.rfile.left <= 0:
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return False
        return True

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        path, _, query = self.path.partition("?")
        request = Request(path, query, self.headers.get)
        answer = self._made(request)
        if isinstance(answer, Stream):
            self._stream(answer, body=body)
            return
        site = self.server.site
        if site is not None and answer.status >= HTTPStatus.BAD_REQUEST and path not in self.server.pages:
            answer = site.refuse(request, answer)
        headers = {"Cache-Control": "no-store", **dict(answer.headers)}
        if answer.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Bearer realm="ecgmon"'
        self._begin(
            answer.status,
            {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body)), **headers},
        )
        if body:
            self.wfile.write(answer.body)

    def _made(self, request: Request) -> Page | Stream:
        path, site = request.path, self.server.site
        make = self.server.pages.get(path)
        if (
            path not in OPEN
            and not (site is not None and make is None and site.open(path))
            and not self._may()
        ):
            return Page(HTTPStatus.UNAUTHORIZED, TEXT, b"a token is needed: Authorization: Bearer TOKEN\n")
        try:
            answer = make() if make is not None else None if site is None else site.answer(request)
        except Exception:
            log.exception("the page %s could not be made", path)
            return Page(HTTPStatus.INTERNAL_SERVER_ERROR, TEXT, b"failed; see the log\n")
        if answer is not None:
            return answer
        known = ", ".join(sorted(self.server.pages))
        return Page(HTTPStatus.NOT_FOUND, TEXT, f"there are: {known}\n".encode())

    def _stream(self, stream: Stream, *, body: bool) -> None:
        self.server.goes_on(self.connection)
        with contextlib.closing(stream.parts):
            headers = {
                "Content-Type": stream.content_type,
                "Cache-Control": "no-store",
                **dict(stream.headers),
            }
            self._begin(HTTPStatus.OK, headers)
            try:
                for part in stream.parts if body else ():
                    if has_left(self.connection):
                        break
                    self.wfile.write(part)
            except OSError:
                raise  # the client is gone
            except Exception:
                log.exception("%s broke off", self.path.partition("?")[0])

    def _begin(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _may(self) -> bool:
        token = self.server.token
        if token is None:
            return True
        scheme, _, shown = self.headers.get("Authorization", "").partition(" ")
        given = shown.strip().encode("latin-1", "replace")  # as it came
        return hmac.compare_digest(given, token) and scheme.lower() == "bearer"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        log.debug(format, *args)
