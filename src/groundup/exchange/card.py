"""The model card: what an exported model is, what it was made from, and how that was proved."""

from collections.abc import Sequence

from groundup.exchange.proof import Proof
from groundup.model import count
from groundup.model.config import ModelConfig

__all__ = ["card"]


def card(
    name: str,
    config: ModelConfig,
    *,
    kind: str,
    lineage: Sequence[str],
    proof: Proof | None,
    no_proof: str,
) -> str:
    """Text of `README.md`.

    Args:
        name: Of the run.
        config: The model's.
        kind: Architecture or file format that it was exported as.
        lineage: The runs that it was made from, one a line.
        proof: What comparing gave.
        no_proof: Why there is none.
    """
    shape = {
        "parameters": f"{count.n_params(config):,}",
        "without embeddings and output layer": f"{count.n_params(config, embeddings=False):,}",
        "operations a token, forward": f"{count.forward_flops_per_token(config, 1):,}",
        "layers, width": f"{config.n_layers}, {config.d_model:,}",
        "query heads, key heads, width of one": f"{config.n_heads}, {config.kv_heads}, "
        f"{config.head_width}",
        "feed-forward": f"{config.activation}, {config.ff_width:,} wide",
        "norm, positions": f"{config.norm}, {config.position}",
        "vocabulary": f"{config.vocab_size:,}",
        "context": f"{config.context_length:,} tokens",
    }
    rows = [f"| {key} | {value} |" for key, value in shape.items()]
    proved = [f"- {line}" for line in proof.lines()] if proof is not None else [no_proof]
    head = ["---", "library_name: transformers", "pipeline_tag: text-generation", "---", ""]
    return "\n".join(
        [
            *head,
            f"# {name}",
            "",
            f"Exported by groundup as {kind}.",
            "",
            "| | |",
            "|---|---|",
            *rows,
            "",
            "## Made from",
            "",
            "```text",
            *lineage,
            "```",
            "",
            "## Proof of the export",
            "",
            *proved,
            "",
        ]
    )
