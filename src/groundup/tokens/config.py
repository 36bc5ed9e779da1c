"""Settings of the tokens stage."""

from typing import Annotated, Literal

from pydantic import Field

from groundup.core.config import INPUT, VOLATILE, StageConfig

__all__ = ["TokensConfig"]


class TokensConfig(StageConfig, frozen=True):
    """Documents to a tokenizer and token shards."""

    corpus: Annotated[str, INPUT]
    """Recipe or run directory of the corpus."""
    vocab_size: Annotated[int, Field(ge=260, le=2**20)] = 32_768
    """Ids in all: 256 bytes, the merges, and 4 special tokens. Up to 65,536 a token is 2 bytes."""
    pattern: Literal["gpt2", "cl100k", "qwen2"] = "gpt2"
    """How text is cut into pieces before merging; `cl100k` is also Llama 3's, `qwen2` Qwen3's."""
    sample_bytes: Annotated[int, Field(ge=1, le=2**31 - 1)] = 2_000_000_000
    """UTF-8 bytes of training documents from which merges are learned; bounds the memory."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Chooses the sampled documents when the corpus is larger than `sample_bytes`."""
    workers: Annotated[int, VOLATILE, Field(ge=1)] = 2
    """Threads that encode."""
