"""`POST /v1/chat/completions`: whole answers, and streams of server-sent events.

Both take the same pieces from the same generator, so their text is equal. When a client goes away
its generation is cancelled before the next token.
"""

import asyncio
import json
import logging
import secrets
import threading
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from groundup.core import seeds
from groundup.core.errors import DataError
from groundup.core.records import Message
from groundup.generate.engine import Piece
from groundup.generate.sampling import SamplingParams
from groundup.serve import wire
from groundup.serve.errors import ApiError
from groundup.serve.models import Catalogue, ServedModel
from groundup.serve.wire import ChatMessage, ChatRequest
from groundup.serve.worker import Event, Generation, Worker

__all__ = ["router"]

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 15.0
ONE_TOKEN_TOP_P = 1e-9  # what top_p 0 means: the likeliest token only
CLIENT_GONE = 499  # nginx's status; nobody is there to read it
_ROLES = {"developer": "system", "system": "system", "user": "user", "assistant": "assistant"}
_STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


def router(catalogue: Catalogue, worker: Worker) -> APIRouter:
    """The route of chat completions."""
    routes = APIRouter()

    @routes.post("/v1/chat/completions", response_model=None)
    async def create(body: ChatRequest, http: Request) -> Response:
        wire.check_supported(body)
        if body.model_extra:
            log.debug("ignored fields: %s", ", ".join(sorted(body.model_extra)))
        served = catalogue.get(body.model)
        exchange = await _start(body, served, worker)
        if body.stream:
            return StreamingResponse(
                _stream(exchange), media_type="text/event-stream", headers=_STREAM_HEADERS
            )
        return await _whole(exchange, http)

    return routes


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request under way: what was asked and where its events arrive."""

    request: ChatRequest
    head: dict[str, Any]
    served: ServedModel
    n_prompt: int
    n_choices: int
    events: "asyncio.Queue[Event]"
    cancelled: threading.Event


async def _start(body: ChatRequest, served: ServedModel, worker: Worker) -> Exchange:
    """Checks the prompt and queues one generation for each choice."""
    prompt = await _prompt(body, served)
    limit = _limit(body, len(prompt), served.loaded.context_length)
    exchange = Exchange(
        request=body,
        head={
            "id": wire.new_id("chatcmpl-", 29),
            "created": int(time.time()),
            "model": body.model,
            "system_fingerprint": served.fingerprint,
        },
        served=served,
        n_prompt=len(prompt),
        n_choices=body.n or 1,
        events=asyncio.Queue(),
        cancelled=threading.Event(),
    )
    worker.submit(
        [
            Generation(
                engine=served.loaded.engine,
                prompt=prompt,
                params=_params(body, limit, index),
                index=index,
                loop=asyncio.get_running_loop(),
                events=exchange.events,
                cancelled=exchange.cancelled,
            )
            for index in range(exchange.n_choices)
        ]
    )
    return exchange


async def _prompt(body: ChatRequest, served: ServedModel) -> list[int]:
    """The template's ids; long texts are encoded outside the event loop."""
    messages = _messages(body.messages)
    try:
        return await asyncio.to_thread(served.loaded.chat_ids, messages)
    except DataError as error:
        param = "messages" if error.offset is None else f"messages[{error.offset}].role"
        text = f"Invalid value for '{param}': {error.message}; these models read {error.hint}."
        raise ApiError(400, text, param=param, code="invalid_value") from error


def _messages(given: Sequence[ChatMessage]) -> list[Message]:
    return [_message(message, f"messages[{number}]") for number, message in enumerate(given)]


def _message(message: ChatMessage, where: str) -> Message:
    role = _ROLES.get(message.role)
    if role is None:
        known = ", ".join(_ROLES)
        text = f"Invalid value for '{where}.role': {message.role!r}; this model reads {known}."
        raise ApiError(400, text, param=f"{where}.role", code="invalid_value")
    if message.content is None:
        param = f"{where}.content"
        text = f"Missing required parameter: '{param}'."
        raise ApiError(400, text, param=param, code="missing_required_parameter")
    for number, part in enumerate(message.content):
        if part.type != "text" or part.text is None:
            param = f"{where}.content[{number}].{'text' if part.type == 'text' else 'type'}"
            text = f"Invalid value for '{param}': these models read parts of type 'text' only."
            raise ApiError(400, text, param=param, code="unsupported_value")
    return Message(role, "".join(part.text or "" for part in message.content))


def _limit(body: ChatRequest, n_prompt: int, context_length: int) -> int:
    """How many tokens may be generated: what was asked for, else all that fit."""
    room = context_length - n_prompt
    wanted = body.limit
    if room < 1 or (wanted is not None and wanted > room):
        asked = f" and {wanted} for the answer" if wanted is not None else ""
        message = (
            f"This model's maximum context length is {context_length} tokens. You asked for "
            f"{n_prompt} tokens in the messages{asked}. Reduce one of them."
        )
        raise ApiError(400, message, param="messages", code="context_length_exceeded")
    return room if wanted is None else wanted


def _params(body: ChatRequest, limit: int, index: int) -> SamplingParams:
    seed = secrets.randbits(63) if body.seed is None else body.seed
    return SamplingParams(
        max_new_tokens=limit,
        temperature=1.0 if body.temperature is None else body.temperature,
        top_k=body.top_k if body.top_k is not None and body.top_k > 0 else None,
        top_p=None if body.top_p is None else max(body.top_p, ONE_TOKEN_TOP_P),
        seed=seeds.derive(seed, f"choice/{index}"),
        stop=tuple(body.stop or ()),
        logprobs=bool(body.logprobs),
    )


async def _whole(exchange: Exchange, http: Request) -> Response:
    """Waits for all choices, or for the client to go away."""
    answer = asyncio.ensure_future(_collect(exchange))
    gone = asyncio.ensure_future(_disconnected(http))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        return JSONResponse(answer.result()) if answer.done() else Response(status_code=CLIENT_GONE)
    finally:
        exchange.cancelled.set()
        answer.cancel()
        gone.cancel()


async def _disconnected(http: Request) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass


async def _collect(exchange: Exchange) -> dict[str, Any]:
    texts = [""] * exchange.n_choices
    reasons = [""] * exchange.n_choices
    logprobs: list[list[dict[str, Any]]] = [[] for _ in texts]
    n_tokens = 0
    while not all(reasons):
        event = await exchange.events.get()
        if event.error is not None or event.piece is None:
            raise event.error or ApiError(500, "The model gave no answer.")
        n_tokens += 1
        texts[event.index] += event.piece.text
        logprobs[event.index] += _logprobs(exchange, event.piece)
        reasons[event.index] = event.piece.finish_reason or ""
    choices: list[dict[str, Any]] = [
        {
            "index": index,
            "message": {
                "role": "assistant",
                "content": texts[index],
                "refusal": None,
                "annotations": [],
            },
            "logprobs": _logprobs_body(exchange, logprobs[index]),
            "finish_reason": reasons[index],
        }
        for index in range(exchange.n_choices)
    ]
    return wire.completion(exchange.head, choices, wire.usage(exchange.n_prompt, n_tokens))


async def _stream(exchange: Exchange) -> AsyncIterator[str]:
    """Server-sent events; ends early, and cancels, when the client goes away."""
    options = exchange.request.stream_options
    with_usage = options is not None and bool(options.include_usage)
    extra = {"usage": None} if with_usage else {}
    n_tokens = 0
    open_choices = exchange.n_choices
    try:
        for index in range(exchange.n_choices):
            delta = {"role": "assistant", "content": ""}
            yield _data(wire.chunk(exchange.head, [_choice(index, delta)], **extra))
        while open_choices:
            event = await _next_event(exchange)
            if event is None:
                yield ": keep-alive\n\n"
                continue
            if event.error is not None or event.piece is None:
                yield _data((event.error or ApiError(500, "The model gave no answer.")).body())
                return
            n_tokens += 1
            open_choices -= event.piece.finish_reason is not None
            for choice in _deltas(exchange, event.index, event.piece):
                yield _data(wire.chunk(exchange.head, [choice], **extra))
        if with_usage:
            cost = wire.usage(exchange.n_prompt, n_tokens)
            yield _data(wire.chunk(exchange.head, [], usage=cost))
        yield "data: [DONE]\n\n"
    finally:
        exchange.cancelled.set()


async def _next_event(exchange: Exchange) -> Event | None:
    """The next event, or None after a silence that a proxy could take for a dead connection."""
    try:
        return await asyncio.wait_for(exchange.events.get(), KEEP_ALIVE_S)
    except TimeoutError:
        return None


def _logprobs(exchange: Exchange, piece: Piece) -> list[dict[str, Any]]:
    """The log-probability of a piece's token, when asked for; none of a token that is no text."""
    tokenizer = exchange.served.loaded.tokenizer
    if piece.logprob is None or piece.id in tokenizer.special.values():
        return []
    token, raw = tokenizer.decode([piece.id]), tokenizer.token_bytes(piece.id)
    return [wire.token_logprob(token, raw, piece.logprob)]


def _logprobs_body(exchange: Exchange, content: list[dict[str, Any]]) -> dict[str, Any] | None:
    return {"content": content, "refusal": None} if exchange.request.logprobs else None


def _deltas(exchange: Exchange, index: int, piece: Piece) -> list[dict[str, Any]]:
    """What one piece adds to its choice: text, an end, both or nothing yet."""
    deltas = []
    content = _logprobs(exchange, piece)
    if piece.text or content:
        logprobs = _logprobs_body(exchange, content)
        deltas.append(_choice(index, {"content": piece.text}, logprobs=logprobs))
    if piece.finish_reason is not None:
        deltas.append(_choice(index, {}, finish_reason=piece.finish_reason))
    return deltas


def _choice(
    index: int,
    delta: dict[str, Any],
    *,
    logprobs: dict[str, Any] | None = None,
    finish_reason: str | None = None,
) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}


def _data(value: dict[str, Any]) -> str:
    """One event; ASCII only, as some clients split lines at any Unicode line end."""
    return f"data: {json.dumps(value, separators=(',', ':'))}\n\n"
