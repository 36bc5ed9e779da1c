"""Every failure as OpenAI's error body: `{"error": {"message", "type", "param", "code"}}`.

Clients retry 408, 409, 429 and everything from 500 on. So a request that can never succeed is 400
(422 and 409 are never used), and 429 and 503 say when to come back.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

__all__ = ["ApiError", "from_validation", "install_handlers", "unsupported"]

_TYPES = {429: "rate_limit_error", 500: "server_error", 503: "server_error"}


class ApiError(Exception):
    """A failure that the client is told about.

    Attributes:
        status: HTTP status.
        message: One sentence for people.
        param: The field of the request that is to blame, such as `messages[0].role`.
        code: What programs match on, such as `model_not_found`.
        headers: Extra response headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        return {
            "error": {
                "message": self.message,
                "type": _TYPES.get(self.status, "invalid_request_error"),
                "param": self.param,
                "code": self.code,
            }
        }

    def response(self) -> Response:
        """The whole answer; in ASCII, as a message may quote half a character of the request."""
        content = json.dumps(self.body())
        return Response(content, self.status, self.headers, media_type="application/json")


def unsupported(param: str, why: str) -> ApiError:
    """The answer to a known parameter that this server cannot honour."""
    message = f"Unsupported parameter: '{param}'. {why}"
    return ApiError(400, message, param=param, code="unsupported_parameter")


def install_handlers(app: FastAPI) -> None:
    """Replaces the framework's own error bodies, which clients cannot read."""

    @app.exception_handler(ApiError)
    async def _api_error(_request: Request, error: ApiError) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def _validation(_request: Request, error: RequestValidationError) -> Response:
        return from_validation(error.errors()).response()

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        return _from_http(request, error).response()


def _from_http(request: Request, error: HTTPException) -> ApiError:
    where = f"{request.method} {request.url.path}"
    if error.status_code == 404:
        return ApiError(404, f"Invalid URL ({where})", code="unknown_url")
    if error.status_code == 405:
        message = f"Not allowed to {request.method} on {request.url.path}"
        return ApiError(405, message, code="method_not_supported", headers=error.headers)
    if error.status_code == 413:
        return ApiError(413, str(error.detail), code="request_too_large")
    return ApiError(error.status_code, str(error.detail))


_CODES = {
    "greater_than_equal": "below_min_value",
    "less_than_equal": "above_max_value",
    "too_long": "array_above_max_length",
    "string_too_long": "string_above_max_length",
    "too_short": "empty_array",
    "string_too_short": "empty_string",
}


def from_validation(errors: Sequence[Any]) -> ApiError:
    """The first of pydantic's errors, as OpenAI words it."""
    first = errors[0]
    kind = str(first["type"])
    if kind == "json_invalid":
        reason = first.get("ctx", {}).get("error", first["msg"])
        return ApiError(400, f"We could not parse the JSON body of your request: {reason}")
    param = _param(first["loc"])
    if kind == "missing":
        message = f"Missing required parameter: '{param}'." if param else "The body is empty."
        return ApiError(400, message, param=param, code="missing_required_parameter")
    message = f"Invalid value for '{param}': {first['msg']}." if param else f"{first['msg']}."
    return ApiError(400, message, param=param, code=_code(kind, first.get("input")))


def _code(kind: str, value: object) -> str:
    code = _CODES.get(kind)
    if code is None:
        return "invalid_type" if kind.endswith(("_type", "_parsing")) else "invalid_value"
    if code.endswith("_value"):
        return f"{'integer' if isinstance(value, int) else 'decimal'}_{code}"
    return code


def _param(loc: Sequence[int | str]) -> str | None:
    """`("body", "messages", 0, "role")` as `messages[0].role`."""
    path = ""
    for part in loc[1:]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path or None
