"""Settings of the tokens stage."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from groundup.core.config import INPUT, LATER, VOLATILE, StageConfig
from groundup.tokens.tokenizer import SPECIAL

__all__ = ["TokensConfig"]

_SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")  # it becomes a folder of shards


class TokensConfig(StageConfig, frozen=True):
    """Documents to a tokenizer and token shards."""

    corpus: Annotated[str, INPUT] = ""
    """Recipe or run directory of the corpus. Give exactly one of `corpus`, `corpora`, `tokens`."""
    corpora: Annotated[dict[str, str], INPUT] = Field(default={})
    """Several corpora by name: one tokenizer, shards apart, to be mixed in pretraining."""
    tokens: Annotated[str, INPUT] = ""
    """Another `tokens` run: its shards are taken over, less the documents of `opt_out`."""
    tokenizer: Annotated[str, INPUT] = ""
    """Another `tokens` run whose tokenizer is used; unset: one is trained on these documents."""
    vocab_size: Annotated[int, Field(ge=260, le=2**20)] = 32_768
    """Ids in all: 256 bytes, merges and special tokens. Up to 65,536 a token is 2 bytes."""
    special: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Special tokens beside `<|end|>` and the markers of the chat template, such as `<|tool|>`."""
    pattern: Literal["gpt2", "cl100k", "qwen2"] = "gpt2"
    """How text is cut into pieces before merging; `cl100k` is also Llama 3's, `qwen2` Qwen3's."""
    sample_bytes: Annotated[int, Field(ge=1)] = 2_000_000_000
    """UTF-8 bytes of training documents from which merges are learned; bounds the time."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Chooses the sampled documents when the corpus is larger than `sample_bytes`."""
    opt_out: Annotated[tuple[str, ...], LATER] = ()
    """Lists of documents to leave out: a URL, a host or a document id a line. Needs `tokens`."""
    workers: Annotated[int, VOLATILE, Field(ge=1)] = 2
    """Threads that encode."""

    @model_validator(mode="after")
    def _special_tokens_fit(self) -> "TokensConfig":
        texts = (*SPECIAL, *self.special)
        if len(set(texts)) != len(texts):
            raise ValueError(f"special has a token twice, or one of {', '.join(SPECIAL)}")
        if self.vocab_size < 256 + len(texts):
            raise ValueError(f"vocab_size is below 256 bytes and {len(texts)} special tokens")
        return self

    @field_validator("corpora")
    @classmethod
    def _plain_names(cls, corpora: dict[str, str]) -> dict[str, str]:
        for name in corpora:
            if not _SOURCE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name: small letters, digits, - and _ make one")
        return corpora

    @model_validator(mode="after")
    def _one_origin(self) -> "TokensConfig":
        given = [name for name in ("corpus", "corpora", "tokens") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                "give exactly one of corpus, corpora and tokens, not "
                + (" and ".join(given) or "none")
            )
        if bool(self.tokens) != bool(self.opt_out):
            raise ValueError(
                "opt_out and tokens go together: a list is applied to the finished run of a "
                "recipe of its own"
            )
        return self

    @model_validator(mode="after")
    def _one_tokenizer(self) -> "TokensConfig":
        origin = "tokens" if self.tokens else "tokenizer"
        if not getattr(self, origin):
            return self
        trained = ("vocab_size", "special", "pattern", "sample_bytes", "seed", "tokenizer")
        for name in trained if self.tokens else trained[:-1]:
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"the tokenizer is that of `{origin}`: leave {name} out")
        return self
