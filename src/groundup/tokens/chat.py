"""Conversations to token ids and a loss mask: the only place where a chat template exists.

Template `groundup-1`, without any space or line break between the parts:

```text
<|system|>{system}<|user|>{question}<|assistant|>{answer}<|end|>
```

The system turn may be left out; further turns follow in the same way. A marker is one special
token, and the text between markers is encoded as ordinary text, so no message can forge a marker.
The same template in Jinja, for programs that render with that, is `JINJA`.

A model from elsewhere keeps its own template (`Tokenizer.template`, `jinja_template.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundup.core.errors import DataError
from groundup.core.records import Message
from groundup.tokens.jinja_template import JinjaTemplate
from groundup.tokens.tokenizer import ASSISTANT, END, SYSTEM, USER, Tokenizer

__all__ = [
    "JINJA",
    "TEMPLATE",
    "Rendered",
    "check_messages",
    "prompt_ids",
    "render_example",
    "render_text",
    "stop_ids",
    "template_json",
    "use_template",
]

TEMPLATE = "groundup-1"

JINJA = (
    "{%- for message in messages -%}"
    "{%- if message['role'] not in ['system', 'user', 'assistant'] -%}"
    "{{- raise_exception('unknown role ' + message['role']) -}}"
    "{%- endif -%}"
    "{{- '<|' + message['role'] + '|>' + message['content'] -}}"
    "{%- if message['role'] == 'assistant' -%}{{- '<|end|>' -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)
"""Template `groundup-1` for transformers, vLLM and llama.cpp."""

_MARKERS = {"system": SYSTEM, "user": USER, "assistant": ASSISTANT}
_ROLES_HINT = "an optional system message, then user and assistant in turn, ending with user"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A conversation with its answer.

    Attributes:
        ids: Token ids of prompt, answer and the end token.
        trained: Beside each id, whether the loss counts its prediction: the answer and its end
            token, nothing of the prompt (earlier answers in it included).
    """

    ids: list[int]
    trained: list[bool]


def check_messages(messages: Sequence[Message]) -> None:
    """Checks that messages are a prompt that an assistant can answer.

    Raises:
        DataError: No messages, an unknown role, or roles out of order; says which message.
    """
    if not messages:
        raise DataError("a conversation without messages", hint=_ROLES_HINT)
    turns = messages[1:] if messages[0].role == "system" else messages
    offset = len(messages) - len(turns)
    for index, message in enumerate(turns):
        wanted = "user" if index % 2 == 0 else "assistant"
        if message.role != wanted:
            raise DataError(
                f"message {offset + index + 1} has the role {message.role!r}, not {wanted!r}",
                hint=_ROLES_HINT,
                offset=offset + index,
            )
    if len(turns) % 2 == 0:
        raise DataError(
            f"the last message has the role {messages[-1].role!r}, not 'user'",
            hint=_ROLES_HINT,
            offset=len(messages) - 1,
        )


def prompt_ids(tokenizer: Tokenizer, messages: Sequence[Message]) -> list[int]:
    """Ids up to and with the marker after which the assistant answers.

    Raises:
        DataError: The messages are not a prompt (`check_messages`), or the tokenizer has not the
            markers.
    """
    check_messages(messages)
    if tokenizer.template is not None:
        return tokenizer.template.prompt_ids(tokenizer, messages)
    ids = []
    for message in messages:
        ids.append(tokenizer.special_id(_MARKERS[message.role]))
        ids.extend(tokenizer.encode(message.content))
        if message.role == "assistant":
            ids.append(tokenizer.end_id)
    ids.append(tokenizer.special_id(ASSISTANT))
    return ids


def render_example(tokenizer: Tokenizer, messages: Sequence[Message], answer: str) -> Rendered:
    """Prompt, answer and end token, with the mask of what is trained.

    Raises:
        DataError: The messages are not a prompt (`check_messages`), or a template from elsewhere
            does not say which tokens are the answer.
    """
    if tokenizer.template is not None:
        check_messages(messages)
        prompt, target = tokenizer.template.example_ids(tokenizer, messages, answer)
        return _rendered(prompt, target)
    prompt = prompt_ids(tokenizer, messages)
    target = [*tokenizer.encode(answer), tokenizer.end_id]
    return _rendered(prompt, target)


def _rendered(prompt: list[int], target: list[int]) -> Rendered:
    return Rendered(ids=[*prompt, *target], trained=[False] * len(prompt) + [True] * len(target))


def render_text(
    messages: Sequence[Message], answer: str | None = None, *, tokenizer: Tokenizer | None = None
) -> str:
    """The conversation as the template writes it, for people; not for encoding.

    Args:
        messages: A prompt.
        answer: What the assistant said to it.
        tokenizer: That of the model, whose template may be another than ours.

    Raises:
        DataError: The messages are not a prompt (`check_messages`).
    """
    check_messages(messages)
    if tokenizer is not None and tokenizer.template is not None:
        said = [] if answer is None else [Message("assistant", answer)]
        return tokenizer.template.text([*messages, *said], prompt=answer is None)
    parts = []
    for message in messages:
        end = END if message.role == "assistant" else ""
        parts.append(f"{_MARKERS[message.role]}{message.content}{end}")
    parts.append(ASSISTANT)
    if answer is not None:
        parts.append(f"{answer}{END}")
    return "".join(parts)


def stop_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """Ids that end an answer: the end token, and any marker, for no answer contains one."""
    return tokenizer.stop_ids if tokenizer.template is None else tokenizer.template.stop_ids


def template_json(tokenizer: Tokenizer) -> dict[str, Any]:
    """What a model folder's `chat.json` says of the template that the model was tuned with."""
    if tokenizer.template is not None:
        return tokenizer.template.to_json()
    return {"template": TEMPLATE, "stop_ids": sorted(stop_ids(tokenizer))}


def use_template(tokenizer: Tokenizer, values: Mapping[str, Any]) -> frozenset[int]:
    """Makes a tokenizer write conversations as a `chat.json` says; returns the ids that end one.

    Raises:
        DataError: It names a template that this program does not have.
        KeyError, TypeError, ValueError: It is damaged.
    """
    if values["template"] == "jinja":
        tokenizer.template = JinjaTemplate.from_json(values)
    elif values["template"] != TEMPLATE:
        raise DataError(
            f"it names the chat template {values['template']!r}; this program has {TEMPLATE!r}",
            hint="use the version of groundup that made the model",
        )
    return frozenset(map(int, values["stop_ids"]))
