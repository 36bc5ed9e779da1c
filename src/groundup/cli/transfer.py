"""The verbs that bring a model in and out: `import` and `export`."""

import argparse
from pathlib import Path

from groundup.cli.pipeline import STAGES, Graph, Node, find
from groundup.core import console
from groundup.core.config import validate

__all__ = ["FORMATS", "MODEL_STAGES", "export", "folder_graph"]

MODEL_STAGES = ("pretrain", "import", "sft", "grpo")
"""Stages whose runs hold a model."""

FORMATS = {"hf": "f32", "gguf": "f16"}
"""What a model can be exported to, and the number format of its weights there unless said."""


def folder_graph(folder: Path) -> Graph:
    """A Hugging Face folder as a graph of one: what `stage = "import"` in a recipe would say."""
    whole = folder.resolve()
    values = {"folder": str(whole), "name": whole.name}
    config = validate(STAGES["import"].config_class(), values, source=str(folder))
    return {"import": Node("import", folder, "import", values, config, {})}


def export(known: argparse.Namespace) -> None:
    """Writes a run's model for transformers and vLLM (`hf`) or for llama.cpp (`gguf`)."""
    from groundup.exchange.export import export_gguf, export_hf
    from groundup.generate.load import open_model
    from groundup.report.lineage import tree

    artifact = find(known.path, known.runs, stages=MODEL_STAGES)
    write = {"hf": export_hf, "gguf": export_gguf}[known.format]
    proof = write(
        open_model(artifact, device="cpu"),
        known.to,
        number_format=known.type or FORMATS[known.format],
        lineage=list(tree(artifact)),
        proof=not known.no_proof,
    )
    for line in proof.lines() if proof is not None else []:
        console.say(line)
    console.say(str(known.to))
