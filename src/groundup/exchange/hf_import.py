"""Weights of a Hugging Face folder under our names, every name and shape checked first."""

import re

from torch import Tensor

from groundup.core.errors import DataError
from groundup.exchange.families import Family
from groundup.exchange.folder import Folder
from groundup.exchange.layout import Foreign, layout_of, to_ours
from groundup.model.config import ModelConfig

__all__ = ["read_weights"]

# Buffers that older versions of transformers saved along: masks and rotary frequencies.
_BUFFERS = re.compile(r"(\.attn\.(bias|masked_bias)|rotary_emb\.inv_freq)$")


def read_weights(folder: Folder, family: Family, config: ModelConfig) -> dict[str, Tensor]:
    """All parameters of a model, in the number format of the folder.

    Raises:
        DataError: A tensor is missing, unknown, or of another shape than the config says.
    """
    wanted = layout_of(family, config)
    stored = _stored_names(folder, family, wanted)
    _refuse_unknown(folder, family, config, set(stored.values()))
    for foreign in wanted:
        shape = folder.shape(stored[foreign.name])
        if shape != foreign.shape:
            raise DataError(
                f"{folder.path}: {stored[foreign.name]} is {shape}, but config.json asks for "
                f"{foreign.shape}",
                hint="config.json and the weights are of different models; fetch both again",
                source=str(folder.path),
            )
    tensors: dict[str, Tensor] = {}
    for foreign in wanted:
        tensors.update(to_ours(foreign, folder.tensor(stored[foreign.name])))
    return tensors


def _stored_names(folder: Folder, family: Family, wanted: list[Foreign]) -> dict[str, str]:
    """Their names as the folder has them: a model saved without its head lacks the prefix."""
    stored = {}
    for foreign in wanted:
        short = foreign.name.removeprefix(family.prefix)
        found = next((name for name in (foreign.name, short) if name in folder.names), None)
        if found is None:
            raise DataError(
                f"{folder.path} lacks the tensor {foreign.name}",
                hint="config.json and the weights are of different models, or a file is missing",
                source=str(folder.path),
            )
        stored[foreign.name] = found
    return stored


def _refuse_unknown(folder: Folder, family: Family, config: ModelConfig, known: set[str]) -> None:
    tied = {f"{family.modules['head']}.weight"} if config.tied else set()
    rest = {name for name in folder.names - known - tied if not _BUFFERS.search(name)}
    if rest:
        raise DataError(
            f"{folder.path} has the tensor {min(rest)}, which a {family.model_type} model has not "
            f"({len(rest)} such names)",
            hint="it is of another architecture than config.json says, or an adapter",
            source=str(folder.path),
        )
