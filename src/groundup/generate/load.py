"""Opens the model of a finished run, every byte of it checked."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from groundup.core.artifact import Artifact
from groundup.core.errors import CorruptArtifact, DataError
from groundup.core.records import Message
from groundup.generate.engine import Engine
from groundup.model import weights
from groundup.model.device import choose
from groundup.model.transformer import Transformer
from groundup.tokens import chat
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["LoadedModel", "open_model"]

_STAGES = ("pretrain", "import", "sft", "grpo")
_FOLDER = "model"
_TOKENIZER_FILE = "tokenizer.json"
_CHAT_FILE = "chat.json"


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be asked.

    Attributes:
        name: Name of its run, such as `demo`.
        model: In evaluation mode, on its device.
        tokenizer: The one it was trained with.
        stop_ids: Tokens that end an answer.
        context_length: Most tokens of prompt and answer together.
    """

    name: str
    model: Transformer
    tokenizer: Tokenizer
    stop_ids: frozenset[int]
    context_length: int

    @cached_property
    def engine(self) -> Engine:
        """Generates with it."""
        return Engine(self.model, self.tokenizer, stop_ids=self.stop_ids)

    def chat_ids(self, messages: Sequence[Message]) -> list[int]:
        """A conversation as the model was taught to read it, up to where its answer begins.

        Raises:
            DataError: The messages do not end with the user's turn, or are out of order.
        """
        return chat.prompt_ids(self.tokenizer, messages)


def open_model(run: Path | Artifact, *, device: str = "auto") -> LoadedModel:
    """Opens the model that a pretrain, import, sft or grpo run made.

    Raises:
        ArtifactError: The run is not there, not finished, of another stage, or damaged.
        DeviceError: The device is not there.
    """
    artifact = Artifact.open(run.path if isinstance(run, Artifact) else run, stage=_STAGES)
    files = (weights.WEIGHTS_FILE, weights.CONFIG_FILE, _TOKENIZER_FILE, _CHAT_FILE)
    paths = {name: artifact.file(f"{_FOLDER}/{name}", check=True) for name in files}
    model = weights.load(artifact.path / _FOLDER, device=choose(device))
    tokenizer = Tokenizer.load(paths[_TOKENIZER_FILE])
    stop_ids = _take_template(tokenizer, paths[_CHAT_FILE])
    rows = model.config.vocab_size
    padded = tokenizer.template is not None and tokenizer.vocab_size < rows  # as Qwen's are
    if tokenizer.vocab_size != rows and not padded:
        raise CorruptArtifact(
            f"{artifact.path}: the tokenizer has {tokenizer.vocab_size} ids, the model {rows}",
            hint="build the run again",
        )
    return LoadedModel(
        name=artifact.manifest.name,
        model=model,
        tokenizer=tokenizer,
        stop_ids=stop_ids,
        context_length=model.config.context_length,
    )


def _take_template(tokenizer: Tokenizer, path: Path) -> frozenset[int]:
    """Gives the tokenizer the template that `chat.json` names; returns its stop ids."""
    try:
        return chat.use_template(tokenizer, json.loads(path.read_text(encoding="utf-8")))
    except DataError as error:
        raise CorruptArtifact(f"{path}: {error.message}", hint=error.hint) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptArtifact(f"{path} is damaged", hint="build the model's run again") from error
