"""Export: one model of ours to a folder or a file, proved in the program that it is for.

Everything is written beside the target first and takes its place only when the proof holds.
"""

import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from groundup.core.artifact import publish
from groundup.core.errors import ConfigError
from groundup.exchange import gguf_export, hf_export
from groundup.exchange.card import card
from groundup.exchange.families import family_for
from groundup.exchange.proof import NEW_TOKENS, Proof, prove
from groundup.exchange.runtimes import LlamaCpp, Transformers, is_installed
from groundup.generate.load import LoadedModel

__all__ = ["export_gguf", "export_hf"]

log = logging.getLogger(__name__)

_PROOF_CONTEXT = 512  # tokens; the longest prompt of the proof and its answer fit
_NOT_ASKED = "Not compared with the program it is for: the export was made with `--no-proof`."


def export_hf(
    source: LoadedModel,
    target: Path,
    *,
    number_format: str = "f32",
    lineage: Sequence[str] = (),
    proof: bool = True,
) -> Proof | None:
    """Writes a folder for transformers and vLLM; returns what the proof gave.

    Raises:
        ConfigError: The target exists, the number format is unknown, or no architecture of
            transformers is this model.
        DataError: The proof failed; nothing was written.
    """
    _check_target(target)
    if number_format not in hf_export.NUMBER_FORMATS:
        raise _unknown_format(number_format, hf_export.NUMBER_FORMATS)
    family = family_for(source.model.config)
    _round(source, hf_export.NUMBER_FORMATS[number_format])
    with publish(target) as partial:
        partial.mkdir(parents=True)
        hf_export.write_folder(source, family, partial, number_format=number_format)
        result, reason = None, _NOT_ASKED
        if proof and is_installed("transformers"):
            result = prove(source, Transformers(partial), exact=True)
        elif proof:
            reason = _absent("transformers", "transformers")
        kind = f"{family.architecture}, {number_format}"
        _add_papers(partial, source, kind, lineage, result, reason)
    return result


def export_gguf(
    source: LoadedModel,
    target: Path,
    *,
    number_format: str = "f16",
    lineage: Sequence[str] = (),
    proof: bool = True,
) -> Proof | None:
    """Writes a folder with one GGUF file for llama.cpp; returns what the proof gave.

    Raises:
        ConfigError: As `export_hf`, or llama.cpp does not have the model, or the package gguf is
            not installed.
        DataError: The proof failed; nothing was written.
    """
    _check_target(target)
    if number_format not in gguf_export.NUMBER_FORMATS:
        raise _unknown_format(number_format, gguf_export.NUMBER_FORMATS)
    if not is_installed("gguf"):
        raise ConfigError(
            "the package gguf is not installed", hint="pip install 'groundup[export]'"
        )
    family = family_for(source.model.config)
    gguf_export.check(source.model.config, family)
    with publish(target) as partial:
        partial.mkdir(parents=True)
        file = partial / f"{source.name}-{number_format}.gguf"
        gguf_export.write_file(source, family, file, number_format=number_format)
        result, reason = None, _NOT_ASKED
        if proof and is_installed("llama_cpp"):
            context = min(source.context_length, _PROOF_CONTEXT)
            runtime = LlamaCpp(file, context_length=context)
            result = prove(source, runtime, exact=number_format == "f32")
        elif proof:
            reason = _absent("llama.cpp", "llama-cpp-python")
        _add_papers(partial, source, f"GGUF, {number_format}", lineage, result, reason)
    return result


def _check_target(target: Path) -> None:
    if target.exists():
        raise ConfigError(
            f"{target} exists already; an export overwrites nothing",
            hint="give another --to, or remove it first",
        )


def _unknown_format(name: str, known: Iterable[str]) -> ConfigError:
    return ConfigError(
        f"there is no number format {name!r} here", hint=f"known: {', '.join(known)}"
    )


@torch.no_grad()
def _round(source: LoadedModel, dtype: torch.dtype) -> None:
    """Rounds the weights in memory as the export stores them, so that both sides compute alike."""
    for parameter in source.model.parameters():
        parameter.copy_(parameter.to(dtype))


def _absent(program: str, package: str) -> str:
    reason = f"Not compared: {program} is not installed here (`pip install {package}`)."
    log.warning("%s", reason)
    return reason


def _add_papers(
    folder: Path,
    source: LoadedModel,
    kind: str,
    lineage: Sequence[str],
    proof: Proof | None,
    reason: str,
) -> None:
    """Writes `README.md` and `proof.json`."""
    text = card(
        source.name,
        source.model.config,
        kind=kind,
        lineage=lineage,
        proof=proof,
        no_proof=reason,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
    values = {"compared": False, "reason": reason} if proof is None else proof.json()
    values = {"new_tokens": NEW_TOKENS, **values}
    (folder / "proof.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
