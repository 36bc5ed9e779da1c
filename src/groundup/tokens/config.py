"""Settings of the tokens stage."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from groundup.core.config import INPUT, VOLATILE, StageConfig
from groundup.tokens.tokenizer import SPECIAL

__all__ = ["TokensConfig"]


class TokensConfig(StageConfig, frozen=True):
    """Documents to a tokenizer and token shards."""

    corpus: Annotated[str, INPUT]
    """Recipe or run directory of the corpus."""
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
