"""A tokenizer and its chat template as GGUF metadata."""

import json
from typing import Any

from groundup.core.errors import ConfigError
from groundup.exchange.hf_export import template_of
from groundup.generate.load import LoadedModel
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["add_tokenizer"]

# llama.cpp, include/llama.h, llama_token_type.
_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5

_PATTERNS = {"gpt2": "gpt-2", "cl100k": "llama-bpe", "qwen2": "qwen2"}
_TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>")


def add_tokenizer(writer: Any, source: LoadedModel) -> None:
    """Writes tokens, merges, the pattern's name in llama.cpp, ends and chat template.

    Raises:
        ConfigError: llama.cpp does not know the pattern.
    """
    tokenizer = source.tokenizer
    if tokenizer.pattern not in _PATTERNS:
        raise ConfigError(
            f"llama.cpp has no name for the pattern {tokenizer.pattern!r}",
            hint=f"it has those of {', '.join(_PATTERNS)}; export this model with --format hf",
        )
    value = json.loads(tokenizer.to_bytes())
    tokens, types = _tokens(value, source.model.config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_PATTERNS[tokenizer.pattern])
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([_merge(merge) for merge in value["model"]["merges"]])
    template, named = template_of(tokenizer)
    writer.add_chat_template(template)
    _add_ends(writer, source, named)
    writer.add_add_bos_token(False)


def _tokens(value: dict[str, Any], vocab_size: int) -> tuple[list[str], list[int]]:
    """Text and type of every id; the rest of a padded vocabulary is unused."""
    tokens = [f"[PAD{id}]" for id in range(vocab_size)]
    types = [_UNUSED] * vocab_size
    for text, id in value["model"]["vocab"].items():
        tokens[id], types[id] = text, _NORMAL
    for entry in value["added_tokens"]:
        tokens[entry["id"]] = entry["content"]
        types[entry["id"]] = _CONTROL if entry["special"] else _USER_DEFINED
    return tokens, types


def _merge(merge: str | list[str]) -> str:
    """As `a b`; a space inside a part is written as the character for that byte already."""
    return merge if isinstance(merge, str) else " ".join(merge)


def _add_ends(writer: Any, source: LoadedModel, named: dict[str, str]) -> None:
    """The end of a document, of a turn, and what begins a text when the model has that."""
    tokenizer: Tokenizer = source.tokenizer
    special = tokenizer.special
    end = special.get(named["eos_token"], tokenizer.end_id)
    writer.add_eos_token_id(end)
    writer.add_pad_token_id(end)
    turn = next((special[text] for text in _TURN_ENDS if special.get(text) in source.stop_ids), end)
    writer.add_eot_token_id(turn)
    begin = special.get(named.get("bos_token", ""))
    writer.add_bos_token_id(end if begin is None else begin)
