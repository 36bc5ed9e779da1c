"""Opens the model of a finished run, every byte of it checked."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from groundup.core.artifact import Artifact
from groundup.core.errors import CorruptArtifact
from groundup.core.records import Message
from groundup.generate.engine import Engine
from groundup.model import weights
from groundup.model.device import choose
from groundup.model.transformer import Transformer
from groundup.tokens import chat
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["LoadedModel", "open_model"]

_STAGES = ("pretrain", "sft", "grpo")
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
    """Opens the model that a pretrain, sft or grpo run made.

    Raises:
        ArtifactError: The run is not there, not finished, of another stage, or damaged.
        DeviceError: The device is not there.
    """
    artifact = Artifact.open(run.path if isinstance(run, Artifact) else run, stage=_STAGES)
    files = (weights.WEIGHTS_FILE, weights.CONFIG_FILE, _TOKENIZER_FILE, _CHAT_FILE)
    paths = {name: artifact.file(f"{_FOLDER}/{name}", check=True) for name in files}
    model = weights.load(artifact.path / _FOLDER, device=choose(device))
    tokenizer = Tokenizer.load(paths[_TOKENIZER_FILE])
    if tokenizer.vocab_size != model.config.vocab_size:
        raise CorruptArtifact(
            f"{artifact.path}: the tokenizer has {tokenizer.vocab_size} ids, the model"
            f" {model.config.vocab_size}",
            hint="build the run again",
        )
    return LoadedModel(
        name=artifact.manifest.name,
        model=model,
        tokenizer=tokenizer,
        stop_ids=_stop_ids(paths[_CHAT_FILE]),
        context_length=model.config.context_length,
    )


def _stop_ids(path: Path) -> frozenset[int]:
    """The stop ids of `chat.json`, whose template must be the one that this program renders."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        template, stop_ids = values["template"], frozenset(map(int, values["stop_ids"]))
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptArtifact(f"{path} is damaged", hint="build the model's run again") from error
    if template != chat.TEMPLATE:
        raise CorruptArtifact(
            f"{path} names the chat template {template!r}; this program has {chat.TEMPLATE!r}",
            hint="use the version of groundup that made the model",
        )
    return stop_ids
