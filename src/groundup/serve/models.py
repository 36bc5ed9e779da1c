"""Which name means which model, and `GET /v1/models`.

A model goes by the name of its run and, where that is not ambiguous, by the short name of its
stage: `foundation` (pretrain), `sft`, `rl` (grpo).
"""

import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from groundup.core.artifact import Artifact
from groundup.generate.engine import Engine
from groundup.generate.load import LoadedModel, open_model
from groundup.serve.errors import ApiError

__all__ = ["ALIASES", "Catalogue", "ServedModel", "open_served", "router"]

ALIASES = {"pretrain": "foundation", "sft": "sft", "grpo": "rl"}


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that is ready to answer.

    Attributes:
        id: Its full name.
        alias: Its short name, or None.
        loaded: Weights, tokenizer and template.
        engine: Generates with them.
        created: Unix time in seconds at which its run began.
        fingerprint: Changes when the weights or this program do.
    """

    id: str
    alias: str | None
    loaded: LoadedModel
    engine: Engine
    created: int
    fingerprint: str

    @classmethod
    def of(
        cls,
        loaded: LoadedModel,
        *,
        alias: str | None = None,
        created: int | None = None,
        digest: str = "",
    ) -> "ServedModel":
        """Makes a loaded model ready; `digest` names its weights."""
        from groundup import __version__

        mark = hashlib.sha256(f"{__version__}/{loaded.name}/{digest}".encode()).hexdigest()
        return cls(
            id=loaded.name,
            alias=alias,
            loaded=loaded,
            engine=Engine(loaded.model, loaded.tokenizer),
            created=int(time.time()) if created is None else created,
            fingerprint=f"fp_{mark[:10]}",
        )

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
    started = artifact.manifest.started_utc
    return ServedModel.of(
        open_model(artifact, device=device),
        alias=ALIASES[artifact.manifest.stage],
        created=int(datetime.fromisoformat(started).timestamp()) if started else None,
        digest=artifact.digest,
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
