"""What a Hugging Face folder says of chatting: its template, and the tokens that end an answer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundup.core.errors import DataError
from groundup.exchange.folder import read_json
from groundup.tokens.jinja_template import PLAIN, JinjaTemplate
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["read_template"]

_NAMES = ("bos_token", "eos_token", "pad_token", "unk_token")


def read_template(folder: Path, tokenizer: Tokenizer) -> JinjaTemplate:
    """The chat template of a folder; `PLAIN` when it has none.

    Raises:
        DataError: Nothing says which token ends an answer.
    """
    values = _optional(folder / "tokenizer_config.json")
    tokens = {name: _text(values.get(name)) for name in _NAMES}
    variables = {name: text for name, text in tokens.items() if text is not None}
    stop_ids = _stop_ids(folder, tokenizer, variables.get("eos_token"))
    if not stop_ids:
        raise DataError(
            f"{folder} does not say which token ends an answer",
            hint='add "eos_token" to its tokenizer_config.json',
            source=str(folder),
        )
    if "eos_token" not in variables:
        ending = min(stop_ids)
        variables["eos_token"] = tokenizer.token_bytes(ending).decode("utf-8", errors="replace")
    return JinjaTemplate(_source(folder, values) or PLAIN, variables, stop_ids)


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _text(token: object) -> str | None:
    """A token as `tokenizer_config.json` gives it: its text, or an object with it."""
    if isinstance(token, Mapping):
        token = token.get("content")
    return token if isinstance(token, str) else None


def _source(folder: Path, values: Mapping[str, Any]) -> str | None:
    """A file of its own (transformers 4.49 and later), or a value beside the tokenizer's."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    found = values.get("chat_template")
    if isinstance(found, list):  # several by name
        named = {entry["name"]: entry["template"] for entry in found}
        found = named.get("default")
    return found if isinstance(found, str) else None


def _stop_ids(folder: Path, tokenizer: Tokenizer, eos_token: str | None) -> frozenset[int]:
    """The ids of `generation_config.json`, else of `config.json`, and that of the end token."""
    found: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        ids = _optional(folder / name).get("eos_token_id")
        listed = ids if isinstance(ids, list) else [ids]
        found = found or {id for id in listed if isinstance(id, int)}
    if eos_token in tokenizer.special:
        found.add(tokenizer.special[eos_token])
    return frozenset(id for id in found if 0 <= id < tokenizer.vocab_size)
