"""`groundup chat`: one question, a conversation, or every step of an answer explained."""

import sys
from collections.abc import Sequence
from dataclasses import replace

from groundup.core import console
from groundup.core.errors import ConfigError, DataError
from groundup.core.records import Message
from groundup.generate.engine import Engine
from groundup.generate.load import LoadedModel
from groundup.generate.sampling import SamplingParams

__all__ = ["ask", "converse", "explain"]

_HELP = "/reset forgets the conversation, /explain shows the last answer step by step, /quit ends"


def _messages(prompt: str, system: str | None) -> list[Message]:
    turns = [Message("system", system)] if system else []
    return [*turns, Message("user", prompt)]


def _fitted(model: LoadedModel, params: SamplingParams, prompt: Sequence[int]) -> SamplingParams:
    """The same parameters with no more new tokens than the context has room for."""
    room = model.context_length - len(prompt)
    if room < 1:
        raise DataError(
            f"the prompt has {len(prompt)} tokens; the model reads {model.context_length}",
            hint="shorten it",
        )
    return replace(params, max_new_tokens=min(params.max_new_tokens, room))


def ask(model: LoadedModel, params: SamplingParams, *, prompt: str, system: str | None) -> None:
    """Prints the answer to one prompt as it is made."""
    _stream(model, params, model.chat_ids(_messages(prompt, system)))


def _stream(model: LoadedModel, params: SamplingParams, prompt: Sequence[int]) -> str:
    answer = []
    for piece in Engine(model.model, model.tokenizer).stream(
        prompt, _fitted(model, params, prompt)
    ):
        answer.append(piece.text)
        print(piece.text, end="", flush=True)
    print()
    return "".join(answer)


def converse(model: LoadedModel, params: SamplingParams, *, system: str | None) -> None:
    """Reads a line, answers, and so on; old turns are forgotten when the context is full."""
    console.say(f"{model.name}, context {model.context_length} tokens. {_HELP}.")
    history: list[Message] = []
    while True:
        line = _read_line()
        if line is None or line == "/quit":
            return
        if line == "/reset":
            history = []
        elif line == "/explain" and history:
            _explain(model, params, _ids(model, history[:-1], system))
        elif line:
            history.append(Message("user", line))
            history = _within_context(model, history, system)
            answer = _stream(model, params, _ids(model, history, system))
            history.append(Message("assistant", answer))


def _read_line() -> str | None:
    try:
        return input("> " if sys.stdin.isatty() else "").strip()
    except EOFError:
        return None


def _ids(model: LoadedModel, history: Sequence[Message], system: str | None) -> list[int]:
    turns = [Message("system", system)] if system else []
    return model.chat_ids([*turns, *history])


def _within_context(
    model: LoadedModel, history: list[Message], system: str | None
) -> list[Message]:
    """Drops the oldest question and answer until half of the context is free for the answer."""
    while len(history) > 1 and len(_ids(model, history, system)) > model.context_length // 2:
        history = history[2:]
    return history


def explain(
    model: LoadedModel, params: SamplingParams, *, prompt: str | None, system: str | None
) -> None:
    """Prints, for every token of the answer, the likeliest next tokens and their probability."""
    if prompt is None:
        raise ConfigError("--explain needs something to explain", hint='add --prompt "..."')
    _explain(model, params, model.chat_ids(_messages(prompt, system)))


def _explain(model: LoadedModel, params: SamplingParams, prompt: Sequence[int]) -> None:
    engine = Engine(model.model, model.tokenizer)
    console.say(f"the model reads {len(prompt)} tokens: {model.tokenizer.decode(list(prompt))!r}")
    rows = []
    for number, step in enumerate(engine.explain(prompt, _fitted(model, params, prompt)), 1):
        likeliest = "  ".join(f"{text!r} {probability:.3f}" for _, text, probability in step.top)
        rows.append((number, repr(model.tokenizer.decode([step.chosen])), likeliest))
    console.table(
        "how the answer was chosen, up to the end token", ("step", "chosen", "likeliest"), rows
    )
