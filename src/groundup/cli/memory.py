"""What `groundup pretrain RECIPE --dry-run` says of memory, before anything is built."""

from pathlib import Path

from groundup.cli.pipeline import Graph
from groundup.core.artifact import Artifact
from groundup.model import device
from groundup.model.config import ModelConfig
from groundup.tokens.config import TokensConfig
from groundup.tokens.tokenizer import Tokenizer
from groundup.training.config import PretrainConfig
from groundup.training.microbatch import plan_rows

__all__ = ["memory_line"]


def memory_line(graph: Graph) -> str:
    """The sum for the graph's last recipe, a pretraining run.

    Raises:
        ResourceError: It does not fit in this machine's memory.
    """
    target = list(graph.values())[-1]
    config = target.config
    assert isinstance(config, PretrainConfig)
    shape = ModelConfig.of(config.model, vocab_size=_vocabulary(graph, target.inputs["tokens"]))
    where = device.choose(config.device)
    choice = plan_rows(config, shape, where)
    return f"memory for training on {where}: {choice.arithmetic}"


def _vocabulary(graph: Graph, source: str | Path) -> int:
    """Of the tokenizer where there is one, else what its recipe asks for."""
    if isinstance(source, str):
        node = graph[source]
        assert isinstance(node.config, TokensConfig)
        if node.action != "reuse":
            return node.config.vocab_size
        source = node.folder
    return Tokenizer.load(Artifact.open(source).file("tokenizer.json")).vocab_size
