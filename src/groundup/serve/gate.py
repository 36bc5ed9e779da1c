"""What every request passes on its way in: key, size, media type; and what every answer carries."""

import logging
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from groundup.serve.errors import ApiError

__all__ = ["Gate"]

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 4 * 2**20
OPEN_PATHS = frozenset({"/", "/health"})


class Gate:
    """ASGI middleware around the whole application.

    Adds `x-request-id` and `openai-processing-ms`, and turns any exception into a 500 whose body
    says nothing about the inside; the traceback goes to the log under the same id.
    """

    def __init__(self, app: ASGIApp, *, api_key: str | None) -> None:
        self._app = app
        self._key = None if api_key is None else api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request in, or answers it with an error."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = f"req_{secrets.token_hex(16)}"
        started = time.monotonic()
        begun = False

        async def send_marked(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers["openai-processing-ms"] = str(round(1000 * (time.monotonic() - started)))
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, _limited(receive), send_marked)
        except ApiError as error:
            await error.response()(scope, receive, send_marked)
        except Exception:
            log.exception("request %s failed", request_id)
            if not begun:
                failure = ApiError(500, f"The server had an error; its log has {request_id}.")
                await failure.response()(scope, receive, send_marked)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if self._key is not None and scope["path"] not in OPEN_PATHS:
            _check_key(headers, self._key)
        if int(headers.get("content-length", "0")) > MAX_BODY_BYTES:
            raise ApiError(413, _TOO_LARGE, code="request_too_large")
        _check_media_type(scope, headers)


_TOO_LARGE = f"The body is larger than {MAX_BODY_BYTES} bytes."


def _check_key(headers: Headers, key: bytes) -> None:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    challenge = {"www-authenticate": "Bearer"}
    if scheme.lower() != "bearer" or not given.strip():
        message = "You didn't provide an API key. Send the header Authorization: Bearer YOUR_KEY."
        raise ApiError(401, message, headers=challenge)
    if not secrets.compare_digest(given.strip().encode(), key):
        message = "Incorrect API key provided. `groundup serve` prints the right one at its start."
        raise ApiError(401, message, code="invalid_api_key", headers=challenge)


def _check_media_type(scope: Scope, headers: Headers) -> None:
    """JSON only: it also keeps web pages of other origins from posting forms to a local server."""
    body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if scope["method"] == "POST" and body and kind != "application/json":
        message = f"Send Content-Type: application/json, not {kind or 'none'}."
        raise ApiError(415, message, code="unsupported_media_type")


def _limited(receive: Receive) -> Receive:
    """Counts the body's bytes, which a chunked request does not announce."""
    seen = 0

    async def receive_counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY_BYTES:
            raise HTTPException(413, _TOO_LARGE)
        return message

    return receive_counted
