"""Settings of the import stage."""

from typing import Annotated

from groundup.core.config import VOLATILE, StageConfig

__all__ = ["ImportConfig"]


class ImportConfig(StageConfig, frozen=True):
    """Takes a model in a Hugging Face folder over, so that every later stage can use it."""

    folder: Annotated[str, VOLATILE]
    """Folder with `config.json`, safetensors and `tokenizer.json`; their bytes are in the key."""
