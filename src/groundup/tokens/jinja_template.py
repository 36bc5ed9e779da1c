"""The chat template of a model from elsewhere, in the sandboxed Jinja that transformers uses.

The template may write special tokens; a message may not. Before rendering, every special token that
a message spells is broken by a character that Unicode reserves for such inner use (a noncharacter);
after rendering, the text is cut at the special tokens that are left, which are the template's, and
the broken ones are mended and encoded as ordinary text. So templates may trim or search messages.

Differs from transformers: a special token spelt in a message is text; there is no clock, so that a
conversation always gives the same tokens (templates then write the date that they fall back to).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from groundup.core.errors import ConfigError, DataError
from groundup.core.records import Message
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["PLAIN", "JinjaTemplate"]

PLAIN = (
    "{% for message in messages %}"
    "{% if message.role == 'system' %}{{ message.content + '\\n\\n' }}"
    "{% elif message.role == 'user' %}{{ 'User: ' + message.content + '\\n' }}"
    "{% else %}{{ 'Assistant: ' + message.content + eos_token + '\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
"""For models that come without a template, so that they can be tuned and asked."""

_BREAK = "\ufdd0"  # a noncharacter, never part of text (Unicode 17, section 23.7)


@dataclass(frozen=True)
class JinjaTemplate:
    """A template, what it may refer to, and the tokens that end an answer.

    Attributes:
        source: Jinja text.
        variables: Names such as `bos_token` to their text.
        stop_ids: Ids that end an answer.
    """

    source: str
    variables: Mapping[str, str]
    stop_ids: frozenset[int]

    def text(self, messages: Sequence[Message], *, prompt: bool) -> str:
        """The conversation as the template writes it, for people; not for encoding.

        Args:
            messages: In order.
            prompt: Whether the assistant is to answer next.

        Raises:
            DataError: The template refuses the messages.
            ConfigError: The template is wrong.
        """
        try:
            return _compiled(self.source).render(
                messages=[{"role": m.role, "content": m.content} for m in messages],
                add_generation_prompt=prompt,
                **self.variables,
            )
        except _RefusedError as error:
            raise DataError(
                f"the model's chat template refuses this conversation: {error}",
                hint="write it as the model's documentation shows",
            ) from error
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise ConfigError(
                f"the model's chat template cannot be rendered: {error}",
                hint="correct chat_template in the model's folder and import it again",
            ) from error

    def prompt_ids(self, tokenizer: Tokenizer, messages: Sequence[Message]) -> list[int]:
        """Ids up to where the assistant answers."""
        return _encode(tokenizer, self._broken_text(tokenizer, messages, prompt=True))

    def example_ids(
        self, tokenizer: Tokenizer, messages: Sequence[Message], answer: str
    ) -> tuple[list[int], list[int]]:
        """Ids of the prompt, and of the answer with the token that ends it.

        Raises:
            DataError: The template writes a conversation with its answer otherwise than its prompt
                followed by something, or does not end the answer.
        """
        prompt = self._broken_text(tokenizer, messages, prompt=True)
        whole = self._broken_text(
            tokenizer, [*messages, Message("assistant", answer)], prompt=False
        )
        if not whole.startswith(prompt):
            raise DataError(
                "the model's chat template writes a question otherwise once it is answered, so it "
                "does not say which tokens are the answer",
                hint="give the model a template whose answered conversation begins with its prompt",
            )
        answered = _encode(tokenizer, whole[len(prompt) :])
        ends = [place for place, id in enumerate(answered) if id in self.stop_ids]
        if not ends:
            raise DataError(
                "the model's chat template ends no answer with a stop token: a model tuned with it "
                "would not stop",
                hint="add the end token after assistant messages in its chat_template",
            )
        return _encode(tokenizer, prompt), answered[: ends[0] + 1]

    def to_json(self) -> dict[str, Any]:
        """For `chat.json`."""
        return {
            "template": "jinja",
            "stop_ids": sorted(self.stop_ids),
            "variables": dict(self.variables),
            "jinja": self.source,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "JinjaTemplate":
        """What `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        variables = {str(name): str(text) for name, text in dict(values["variables"]).items()}
        return cls(str(values["jinja"]), variables, frozenset(map(int, values["stop_ids"])))

    def _broken_text(
        self, tokenizer: Tokenizer, messages: Sequence[Message], *, prompt: bool
    ) -> str:
        """Rendered text in which only the template's special tokens are whole."""
        special = list(tokenizer.special)
        safe = [Message(m.role, _break(m.content, special)) for m in messages]
        return self.text(safe, prompt=prompt)


def _break(content: str, special: Sequence[str]) -> str:
    """Puts a break into every special token, and into a beginning of one at the end of a message.

    The break stands after the token's first character. One in the message itself becomes U+FFFD.
    """
    mark = _BREAK
    content = content.replace(mark, "\N{REPLACEMENT CHARACTER}")
    for token in special:
        content = content.replace(token, token[0] + mark + token[1:])
        for length in range(len(token) - 1, 0, -1):
            if content.endswith(token[:length]):
                content = content[: len(content) - length + 1] + mark + content[-length:][1:]
                break
    return content


def _encode(tokenizer: Tokenizer, text: str) -> list[int]:
    ids: list[int] = []
    for part in _cutter(tuple(tokenizer.special)).split(text):
        if part in tokenizer.special:
            ids.append(tokenizer.special[part])
        elif part:
            ids.extend(tokenizer.encode(part.replace(_BREAK, "")))
    return ids


@lru_cache(maxsize=8)
def _cutter(special: tuple[str, ...]) -> re.Pattern[str]:
    """Finds special tokens, longest first, as Hugging Face `tokenizers` does."""
    longest_first = sorted(special, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first))})" if special else r"(?!)")


class _RefusedError(Exception):
    """The template called `raise_exception`."""


def _refuse(reason: str) -> None:
    raise _RefusedError(reason)


class _Generation(Extension):
    """`{% generation %}` marks what transformers trains on; the text inside stays as it is."""

    tags = {"generation"}  # noqa: RUF012  # jinja2 declares it as an instance attribute

    def parse(self, parser: Any) -> Any:
        """The statements inside."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _to_json(value: object, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, **options)


@lru_cache(maxsize=8)
def _compiled(source: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    return environment.from_string(source)
