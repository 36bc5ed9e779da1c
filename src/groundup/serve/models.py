"""Which name means which model, and `GET /v1/models`.

A model goes by the name of its run, such as `demo-sft-3fa9c1d27b04`, and, where that is not
ambiguous, by the short name of what it is: `foundation` (pretrain), `sft`, `rl` (grpo).
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from groundup import __version__
from groundup.core.artifact import Artifact
from groundup.generate.load import LoadedModel, open_model
from groundup.serve.errors import ApiError

__all__ = ["ALIASES", "Catalogue", "ServedModel", "open_served", "router"]

ALIASES = {"pretrain": "foundation", "import": "imported", "sft": "sft", "grpo": "rl"}


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that is ready to answer.

    Attributes:
        id: Its full name.
        alias: Its short name, or None.
        loaded: Weights, tokenizer and template.
        created: Unix time in seconds at which its run began.
        fingerprint: Changes when the weights or this program do.
    """

    id: str
    alias: str | None
    loaded: LoadedModel
    created: int
    fingerprint: str

    def describe(self, name: str) -> dict[str, Any]:
        """The API's model object under one of its names."""
        return {
            "id": name,
            "object": "model",
            "created": self.created,
            "owned_by": "groundup",
            "shutdown_date": None,
            "root": self.id,
            "parent": None,
            "max_model_len": self.loaded.context_length,
        }


def open_served(path: Path, *, device: str) -> ServedModel:
    """Loads the model of a run directory.

    Raises:
        ArtifactError: It is no finished run of a model, or its files are damaged.
    """
    artifact = Artifact.open(path, stage=tuple(ALIASES))
    alias = ALIASES[artifact.manifest.stage]
    started = artifact.manifest.started_utc
    mark = hashlib.sha256(f"{__version__}/{artifact.digest}".encode()).hexdigest()
    return ServedModel(
        id=f"{artifact.manifest.name}-{alias}-{artifact.key}",
        alias=alias,
        loaded=open_model(artifact, device=device),
        created=int(datetime.fromisoformat(started).timestamp()) if started else 0,
        fingerprint=f"fp_{mark[:10]}",
    )


class Catalogue:
    """The models of a server by every name they answer to."""

    def __init__(self, models: Sequence[ServedModel]) -> None:
        self._by_name = {model.id: model for model in models}
        shared = Counter(model.alias for model in models)
        for model in models:
            if model.alias is not None and shared[model.alias] == 1:
                self._by_name.setdefault(model.alias, model)

    def names(self) -> list[str]:
        """Every name, full names first."""
        return list(self._by_name)

    def get(self, name: str) -> ServedModel:
        """The model of this name.

        Raises:
            ApiError: 404, `model_not_found`.
        """
        model = self._by_name.get(name)
        if model is None:
            message = f"The model `{name}` does not exist or you do not have access to it."
            raise ApiError(404, message, param="model", code="model_not_found")
        return model


def router(catalogue: Catalogue) -> APIRouter:
    """Routes below `/v1/models`."""
    routes = APIRouter()

    @routes.get("/v1/models")
    async def list_models() -> dict[str, Any]:
        data = [catalogue.get(name).describe(name) for name in catalogue.names()]
        return {"object": "list", "data": data}

    @routes.get("/v1/models/{name:path}")
    async def retrieve_model(name: str) -> dict[str, Any]:
        return catalogue.get(name).describe(name)

    return routes
