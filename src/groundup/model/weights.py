"""A model on disk: `model.safetensors` and `config.json`, in one folder.

Our own models are float32; an imported one keeps the number format that it came in.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from groundup.core.artifact import publish
from groundup.core.errors import CorruptArtifact, MissingArtifact
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer

__all__ = ["CONFIG_FILE", "WEIGHTS_FILE", "load", "read_config", "save", "write"]

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
_FORMAT = "groundup-transformer-1"


def save(model: Transformer, folder: Path) -> None:
    """Writes both files, each whole or not at all. A tied output layer is written once."""
    tensors = {
        name: parameter.detach().to("cpu", torch.float32).contiguous()
        for name, parameter in model.named_parameters()  # names a shared tensor once
    }
    write(tensors, model.config, folder)


def write(tensors: Mapping[str, Tensor], config: ModelConfig, folder: Path) -> None:
    """`save` for tensors without a model; they keep their number format."""
    folder.mkdir(parents=True, exist_ok=True)
    with publish(folder / WEIGHTS_FILE) as partial:
        save_file(dict(tensors), partial, metadata={"format": _FORMAT})
    values = {"format": _FORMAT, **config.model_dump(mode="json")}
    with publish(folder / CONFIG_FILE) as partial:
        partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def read_config(folder: Path) -> ModelConfig:
    """The shape of a saved model.

    Raises:
        MissingArtifact: No `config.json`.
        CorruptArtifact: It is damaged or of another format.
    """
    path = folder / CONFIG_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        found = values.pop("format")
        config = ModelConfig.model_validate(values)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise CorruptArtifact(
            f"{path} does not describe a model: {error}", hint="build the model's run again"
        ) from error
    if found != _FORMAT:
        raise CorruptArtifact(
            f"{path} has format {found!r}; this program reads {_FORMAT!r}",
            hint="use the version of groundup that wrote it",
        )
    return config


def load(folder: Path, *, device: torch.device | str = "cpu") -> Transformer:
    """Reads a saved model, in evaluation mode, checking every name and shape.

    Raises:
        MissingArtifact: A file is not there.
        CorruptArtifact: A file is damaged, or weights do not fit the config.
    """
    model = Transformer(read_config(folder), seed=None)
    path = folder / WEIGHTS_FILE
    try:
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except SafetensorError as error:
        raise CorruptArtifact(
            f"{path} is damaged: {error}", hint="build the model's run again"
        ) from error
    expected = dict(model.named_parameters())
    _check_names(path, set(tensors), set(expected))
    with torch.no_grad():
        for name, parameter in expected.items():
            if tensors[name].shape != parameter.shape:
                raise CorruptArtifact(
                    f"{path}: {name} is {tuple(tensors[name].shape)},"
                    f" but {CONFIG_FILE} asks for {tuple(parameter.shape)}",
                    hint="the two files are of different models; build the run again",
                )
            parameter.copy_(tensors[name])
    return model.to(device).eval()


def _check_names(path: Path, found: set[str], expected: set[str]) -> None:
    wrong = sorted(expected - found) or sorted(found - expected)
    if wrong:
        verb = "lacks" if expected - found else "has the unknown tensor"
        raise CorruptArtifact(
            f"{path} {verb} {wrong[0]} ({len(wrong)} such names)",
            hint=f"{WEIGHTS_FILE} and {CONFIG_FILE} are of different models; build the run again",
        )


def _missing(path: Path) -> MissingArtifact:
    return MissingArtifact(f"there is no {path}", hint="give a folder that holds a finished model")
