"""A Hugging Face folder: its files, and its tensors read one at a time.

Weights are one `model.safetensors`, or several with an index. Pickles are refused: reading one runs
whatever program it holds.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from groundup.core.errors import CorruptArtifact, DataError, MissingArtifact

__all__ = ["Folder", "read_json"]

_SINGLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_FORMATS = {torch.float64, torch.float32, torch.float16, torch.bfloat16}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        MissingArtifact: No such file.
        CorruptArtifact: Not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingArtifact(
            f"there is no {path}", hint="give a folder as transformers' save_pretrained writes it"
        ) from error
    except ValueError as error:
        raise CorruptArtifact(f"{path} is not JSON: {error}", hint="fetch it again") from error
    if not isinstance(value, dict):
        raise CorruptArtifact(f"{path} is not a JSON object", hint="fetch it again")
    return value


class Folder:
    """The weights of a folder.

    Attributes:
        path: The folder.
        files: The weight files, in order of name.
    """

    def __init__(self, path: Path) -> None:
        """Finds the tensors.

        Raises:
            MissingArtifact: No weights, or a file of the index is missing.
            CorruptArtifact: A weight file or the index is damaged.
            DataError: The only weights are pickles.
        """
        self.path = path
        self._file_of = self._locate()
        self.files = sorted(set(self._file_of.values()))

    def _locate(self) -> dict[str, Path]:
        if (self.path / _INDEX).is_file():
            return self._indexed(read_json(self.path / _INDEX))
        single = self.path / _SINGLE
        if single.is_file():
            return dict.fromkeys(_names(single), single)
        pickles = sorted(
            [*self.path.glob("*.bin"), *self.path.glob("*.pt"), *self.path.glob("*.pth")]
        )
        if pickles:
            raise DataError(
                f"{pickles[0]} is a pickle, which runs whatever program it holds when it is read",
                hint="convert it where you trust it: AutoModelForCausalLM.from_pretrained(FOLDER)"
                ".save_pretrained(NEW_FOLDER)",
                source=str(pickles[0]),
            )
        raise MissingArtifact(
            f"{self.path} has neither {_SINGLE} nor {_INDEX}",
            hint="give a folder as transformers' save_pretrained writes it",
        )

    def _indexed(self, index: Mapping[str, Any]) -> dict[str, Path]:
        named = index.get("weight_map")
        if not isinstance(named, dict) or not named:
            raise CorruptArtifact(
                f"{self.path / _INDEX} has no weight_map", hint="fetch the index again"
            )
        found = {}
        there: dict[Path, set[str]] = {}
        for name, file in named.items():
            path = self.path / Path(str(file)).name
            if path not in there:
                if not path.is_file():
                    raise MissingArtifact(
                        f"{self.path / _INDEX} names {file}, which is not there",
                        hint="fetch that file too",
                    )
                there[path] = set(_names(path))
            if name not in there[path]:
                raise CorruptArtifact(
                    f"{path} lacks {name}, which the index puts there", hint="fetch both again"
                )
            found[name] = path
        return found

    @property
    def names(self) -> set[str]:
        """Names of all tensors."""
        return set(self._file_of)

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape; its numbers are not read."""
        with safe_open(self._file_of[name], framework="pt") as file:
            return tuple(file.get_slice(name).get_shape())

    def tensor(self, name: str) -> Tensor:
        """A tensor in the format that it is stored in; float64 becomes float32.

        Raises:
            DataError: It is stored in another format, such as a quantised one.
        """
        path = self._file_of[name]
        with safe_open(path, framework="pt") as file:
            found: Tensor = file.get_tensor(name)
        if found.dtype not in _FORMATS:
            raise DataError(
                f"{path}: {name} is stored as {str(found.dtype).removeprefix('torch.')}",
                hint="import a model in float32, float16 or bfloat16",
                source=str(path),
            )
        return found.float() if found.dtype == torch.float64 else found


def _names(path: Path) -> list[str]:
    try:
        with safe_open(path, framework="pt") as file:
            return list(file.keys())
    except SafetensorError as error:
        raise CorruptArtifact(f"{path} is damaged: {error}", hint="fetch it again") from error
