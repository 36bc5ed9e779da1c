"""Request and response types of chat completions.

The request model knows every field of the API, also those that this server cannot honour: these get
a clear 400 instead of being ignored. Fields that nobody knows are ignored, because user interfaces
send extras. `null` means the default everywhere.
"""

import secrets
import string
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from groundup.serve.errors import ApiError, unsupported

__all__ = [
    "ChatMessage",
    "ChatRequest",
    "Part",
    "StreamOptions",
    "check_supported",
    "chunk",
    "completion",
    "new_id",
    "token_logprob",
    "usage",
]

MAX_CHOICES = 16
MAX_MESSAGES = 2048
MAX_STOPS = 16  # OpenAI allows 4; lm-evaluation-harness sends more
MAX_STOP_CHARACTERS = 256

LEAST_LOGPROB = -9999.0

_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str, length: int) -> str:
    """A random id such as `chatcmpl-` and 29 letters and digits."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


class _Wire(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class Part(_Wire):
    """One part of a message; only `type` `text` can be read."""

    type: str
    text: str | None = None


class ChatMessage(_Wire):
    """One turn; `content` is a list of parts here, however it was sent."""

    role: str
    content: list[Part] | None = None

    @field_validator("content", mode="before")
    @classmethod
    def _as_parts(cls, value: object) -> object:
        if isinstance(value, str):
            return [{"type": "text", "text": value}]
        if value is not None and not isinstance(value, list):
            raise PydanticCustomError("content_type", "expected a string or an array of parts")
        return value


class StreamOptions(_Wire):
    """What a stream carries beside the text."""

    include_usage: bool | None = None


_Stop = Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARACTERS)]
_Penalty = Annotated[float, Field(ge=-2, le=2)]


class ChatRequest(_Wire):
    """Body of `POST /v1/chat/completions`."""

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: Annotated[list[_Stop], Field(max_length=MAX_STOPS)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    logit_bias: dict[str, float] | None = None
    response_format: dict[str, Any] | None = None
    modalities: list[str] | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    audio: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @property
    def limit(self) -> int | None:
        """Most new tokens that the client wants, or None for as many as fit."""
        newer = self.max_completion_tokens
        return newer if newer is not None else self.max_tokens


_UNTRAINED = "The models here were not trained for it."
_NOT_OFFERED = {
    "tools": _UNTRAINED,
    "functions": _UNTRAINED,
    "audio": _UNTRAINED,
    "web_search_options": "This server fetches nothing.",
    "logit_bias": "Sampling takes temperature, top_p, top_k, seed and stop.",
    "presence_penalty": "Sampling takes temperature, top_p, top_k, seed and stop.",
    "frequency_penalty": "Sampling takes temperature, top_p, top_k, seed and stop.",
}


def check_supported(request: ChatRequest) -> None:
    """Refuses what would change the answer but cannot be honoured; neutral values pass.

    Raises:
        ApiError: 400, naming the parameter.
    """
    for name, why in _NOT_OFFERED.items():
        if getattr(request, name):
            raise unsupported(name, why)
    kind = (request.response_format or {}).get("type", "text")
    if kind != "text":
        raise unsupported("response_format", f"Only 'text' is offered, not {kind!r}.")
    if request.modalities not in (None, ["text"]):
        raise unsupported("modalities", "Only ['text'] is offered.")
    if request.stream_options is not None and not request.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise ApiError(400, message, param="stream_options", code="invalid_value")
    if request.top_logprobs is not None and not request.logprobs:
        message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."
        raise ApiError(400, message, param="top_logprobs", code="invalid_value")
    if request.top_logprobs:
        raise unsupported("top_logprobs", "'logprobs' gives those of the chosen tokens.")


def token_logprob(token: str, raw: bytes, logprob: float) -> dict[str, Any]:
    """One entry of `logprobs.content`; JSON has no minus infinity."""
    return {
        "token": token,
        "logprob": max(logprob, LEAST_LOGPROB),
        "bytes": list(raw),
        "top_logprobs": [],
    }


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """What a request cost, in tokens; the end token counts once it was generated."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def completion(
    head: Mapping[str, Any], choices: Sequence[Mapping[str, Any]], cost: Mapping[str, Any]
) -> dict[str, Any]:
    """A whole answer; `head` holds id, created, model and fingerprint."""
    return {
        **head,
        "object": "chat.completion",
        "service_tier": "default",
        "choices": list(choices),
        "usage": cost,
    }


def chunk(
    head: Mapping[str, Any], choices: Sequence[Mapping[str, Any]], **extra: Any
) -> dict[str, Any]:
    """One event of a stream."""
    return {**head, "object": "chat.completion.chunk", "choices": list(choices), **extra}
