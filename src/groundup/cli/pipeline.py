"""Recipes to runs: resolves a recipe's graph, keys every stage, builds what is missing.

A recipe names its inputs by recipe path or by run directory. As a recipe determines its key, the
path means exactly one run; `build` makes it when it is not there, resumes it when it is not
finished, and reuses it otherwise, like make.
"""

import importlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from groundup.core import console
from groundup.core.artifact import Artifact, RunDir, run_key
from groundup.core.config import (
    StageConfig,
    inputs_of,
    read_recipe,
    semantic,
    to_toml,
    validate,
)
from groundup.core.errors import ConfigError, MissingArtifact
from groundup.core.follower import FollowedRun
from groundup.core.machine import memory_meter
from groundup.core.manifest import Manifest, read_manifest
from groundup.track.feed import follow

if TYPE_CHECKING:
    from groundup.training.ranks import Ranks

__all__ = [
    "STAGES",
    "Node",
    "Stage",
    "build",
    "find",
    "load_graph",
    "preview",
    "target_recipe",
    "with_keys",
]

log = logging.getLogger(__name__)


class StageModule(Protocol):
    """What a stage's module offers; `outside(config)` and `preview(config, inputs)` are optional.

    `preview` prints what can be said before the stage's work, and refuses what cannot go well.
    """

    VERSION: int

    def run(self, config: StageConfig, inputs: Mapping[str, Artifact], out: RunDir) -> None:
        """Does the stage's work in `out`."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a stage's config and code live; both are imported only when needed."""

    verb: str
    config: str
    module: str
    says: str
    """One line for `groundup --help`."""
    on_ranks: bool = False
    """Whether several ranks share its work; else rank 0 does it, and the others wait."""

    def config_class(self) -> type[StageConfig]:
        """The config model of the stage."""
        module, _, name = self.config.partition(":")
        return cast(type[StageConfig], getattr(importlib.import_module(module), name))

    def load(self) -> StageModule:
        """Imports the stage's code."""
        return cast(StageModule, importlib.import_module(self.module))


STAGES = {
    "crawl": Stage(
        "crawl",
        "groundup.crawl.config:CrawlConfig",
        "groundup.crawl.run",
        "pages from WARC, WET and ARC files, a folder, a site, or the running Python's pydoc",
    ),
    "corpus": Stage(
        "corpus",
        "groundup.corpus.config:CorpusConfig",
        "groundup.corpus.run",
        "pages to clean documents: text, language, quality rules, near-duplicates, a funnel",
    ),
    "tokens": Stage(
        "tokens",
        "groundup.tokens.config:TokensConfig",
        "groundup.tokens.run",
        "documents to a byte-level BPE tokenizer and token shards",
    ),
    "instruct": Stage(
        "instruct",
        "groundup.instruct.config:InstructConfig",
        "groundup.instruct.run",
        "questions and answers to tune and examine with, from crawled pages or your files",
    ),
    "pretrain": Stage(
        "pretrain",
        "groundup.training.config:PretrainConfig",
        "groundup.training.run",
        "tokens to a foundation model",
        on_ranks=True,
    ),
    "import": Stage(
        "import",
        "groundup.exchange.config:ImportConfig",
        "groundup.exchange.run",
        "a Hugging Face folder (GPT-2, Llama, Qwen2, Qwen3, ...) to a model for all later stages",
    ),
    "sft": Stage(
        "finetune",
        "groundup.finetune.config:SftConfig",
        "groundup.finetune.sft",
        "a foundation model to one that answers (supervised fine-tuning)",
    ),
    "grpo": Stage(
        "finetune",
        "groundup.finetune.config:GrpoConfig",
        "groundup.finetune.grpo",
        "a tuned model to one that scores higher (reinforcement learning)",
    ),
    "evaluate": Stage(
        "evaluate",
        "groundup.evaluate.config:EvaluateConfig",
        "groundup.evaluate.run",
        "models side by side on held-out questions, with intervals",
    ),
    "report": Stage(
        "report",
        "groundup.report.config:ReportConfig",
        "groundup.report.run",
        "one HTML page on everything from the crawl to the answers",
    ),
}


@dataclass(frozen=True, slots=True)
class Node:
    """One recipe of a graph.

    Attributes:
        name: Recipe file name without ending; unique in the graph.
        values: What the recipe itself says, before dials and defaults.
        inputs: Role to the name of another node, or to a run directory outside the graph.
        key: Empty until `with_keys`.
        folder: Its run directory; that of an empty key until `with_keys`.
    """

    name: str
    recipe: Path
    stage: str
    values: Mapping[str, Any]
    config: StageConfig
    inputs: Mapping[str, str | Path]
    key: str = ""
    folder: Path = Path()

    @property
    def action(self) -> str:
        """What building it would do: reuse, resume or run."""
        manifest = read_manifest(self.folder)
        if manifest is None:
            return "run"
        return "reuse" if manifest.status == "complete" else "resume"


Graph = dict[str, Node]
"""Nodes by name, inputs before those who need them."""


def target_recipe(path: Path) -> Path:
    """The recipe to build: the file itself, or in a folder the one that no other takes as input.

    Raises:
        ConfigError: The folder has no recipe, or several that could be meant.
    """
    if not path.is_dir():
        return path
    recipes = sorted(path.glob("*.toml"))
    used: set[str] = set()
    for recipe in recipes:
        used.update(str(value) for value in _named_recipes(recipe))
    last = [recipe for recipe in recipes if str(recipe.resolve()) not in used]
    if len(last) != 1:
        found = ", ".join(recipe.name for recipe in last) or "none"
        raise ConfigError(
            f"{path} does not say which recipe is its last: {found}",
            hint="give one recipe file instead of the folder",
        )
    return last[0]


def _named_recipes(recipe: Path) -> Iterator[Path]:
    stage, values = read_recipe(recipe)
    config = validate(_stage(stage, recipe).config_class(), values, source=str(recipe))
    for value in inputs_of(config).values():
        if value.endswith(".toml"):
            yield (recipe.parent / value).resolve()


def _stage(name: str, recipe: Path) -> Stage:
    stage = STAGES.get(name)
    if stage is None:
        raise ConfigError(
            f"{recipe}: there is no stage {name!r}", hint=f"stages: {', '.join(STAGES)}"
        )
    return stage


def load_graph(recipe: Path) -> Graph:
    """Reads a recipe and all that it builds on; the last node is the recipe itself.

    Raises:
        ConfigError: A recipe is missing, wrong, or its own ancestor.
    """
    graph: Graph = {}
    _visit(recipe.resolve(), graph, names={}, trail=())
    return graph


def _visit(recipe: Path, graph: Graph, names: dict[Path, str], trail: tuple[Path, ...]) -> str:
    if recipe in trail:
        raise ConfigError(f"{recipe} is its own ancestor", hint="break the circle of inputs")
    if recipe in names:
        return names[recipe]
    stage, values = read_recipe(recipe)
    config = validate(_stage(stage, recipe).config_class(), values, source=str(recipe))
    inputs: dict[str, str | Path] = {}
    for role, value in inputs_of(config).items():
        if value.endswith(".toml"):
            inputs[role] = _visit((recipe.parent / value).resolve(), graph, names, (*trail, recipe))
        else:
            inputs[role] = Path(value)
    name = recipe.stem.replace("-", "_")
    if name in graph:
        name = f"{recipe.parent.name}_{name}".replace("-", "_")
    names[recipe] = name
    graph[name] = Node(name, recipe, stage, values, config, inputs)
    return name


def with_keys(graph: Graph, runs: Path) -> Graph:
    """The same graph with every node's key and run directory.

    Args:
        graph: Nodes without keys, their configs final.
        runs: Folder that holds all runs.
    """
    keyed: Graph = {}
    for name, node in graph.items():
        keys = {}
        for role, source in node.inputs.items():
            keys[role] = keyed[source].key if isinstance(source, str) else Artifact.open(source).key
        module = STAGES[node.stage].load()
        outside: Callable[[StageConfig], dict[str, str]] = getattr(
            module, "outside", lambda _config: {}
        )
        key = run_key(node.stage, module.VERSION, semantic(node.config), keys, outside(node.config))
        label = node.config.name or node.recipe.parent.name
        folder = runs / node.stage / f"{label}-{key}"
        keyed[name] = replace(node, key=key, folder=folder)
    return keyed


def build(graph: Graph, ranks: "Ranks | None" = None) -> dict[str, Artifact]:
    """Builds every node of a keyed graph that is not complete; returns all, in order.

    Args:
        graph: Nodes with keys.
        ranks: The processes that build together; None is this one alone.

    Raises:
        GroundupError: Whatever a stage raises; what was finished before stays.
    """
    built: dict[str, Artifact] = {}
    for position, (name, node) in enumerate(graph.items(), start=1):
        action = _action(node, ranks)
        log.info("[%d/%d] %s: %s %s", position, len(graph), name, action, node.folder)
        if action == "reuse":
            built[name] = Artifact.open(node.folder, stage=node.stage)
            continue
        inputs = {
            role: built[source] if isinstance(source, str) else Artifact.open(source)
            for role, source in node.inputs.items()
        }
        built[name] = _build_together(node, inputs, ranks)
        manifest = built[name].manifest
        facts = ", ".join(f"{key} {_short(value)}" for key, value in manifest.summary.items())
        log.info(
            "      %s in %s, peak memory %.2f GiB: %s",
            name,
            console.duration(manifest.seconds),
            manifest.peak_memory_bytes / 2**30,
            facts,
        )
    return built


def preview(graph: Graph) -> None:
    """What stages say before their work, of those whose inputs are there already.

    Raises:
        GroundupError: A stage would refuse its work.
    """
    for node in graph.values():
        look = getattr(STAGES[node.stage].load(), "preview", None)
        sources = {
            role: graph[source].folder if isinstance(source, str) else source
            for role, source in node.inputs.items()
        }
        if look is None or not all(_is_complete(folder) for folder in sources.values()):
            continue
        look(node.config, {role: Artifact.open(folder) for role, folder in sources.items()})


def _is_complete(folder: Path) -> bool:
    manifest = read_manifest(folder)
    return manifest is not None and manifest.status == "complete"


def _action(node: Node, ranks: "Ranks | None") -> str:
    """What to do, as rank 0 sees it."""
    return node.action if ranks is None else ranks.first_does(lambda: node.action)


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _build_together(node: Node, inputs: Mapping[str, Artifact], ranks: "Ranks | None") -> Artifact:
    """Rank 0 holds the lock of the run directory from before the others begin to their end."""
    if ranks is None:
        return _build_one(node, inputs)
    stage = STAGES[node.stage]
    if not stage.on_ranks:
        ranks.first_does(lambda: str(_build_one(node, inputs).path))
    elif ranks.is_first:
        _build_one(node, inputs, ranks=ranks)
        ranks.first_does(lambda: "complete")
    else:
        ranks.first_does(lambda: "locked")
        followed: Any = stage.load()
        followed.run(node.config, inputs, FollowedRun(node.folder, node.key), ranks=ranks)
        ranks.first_does(lambda: "complete")
    return Artifact.open(node.folder, stage=node.stage)


def _build_one(
    node: Node, inputs: Mapping[str, Artifact], *, ranks: "Ranks | None" = None
) -> Artifact:
    module: Any = STAGES[node.stage].load()
    manifest = Manifest(
        stage=node.stage,
        stage_version=module.VERSION,
        name=node.config.name or node.recipe.parent.name,
        key=node.key,
        inputs={role: source.reference(node.folder) for role, source in inputs.items()},
    )
    out = RunDir(node.folder, manifest, to_toml(node.stage, node.config))
    shared = {} if ranks is None else {"ranks": ranks}
    if ranks is not None:
        ranks.first_does(lambda: "locked")
    with memory_meter() as meter, console.log_to_file(out.path / "run.log"):
        try:
            with follow(out.path, getattr(node.config, "trackers", ())):
                module.run(node.config, inputs, out, **shared)
        except BaseException:
            out.abandon(peak_memory_bytes=meter.peak_bytes)
            raise
    return out.complete(peak_memory_bytes=meter.peak_bytes)


def find(path: Path, runs: Path, *, stages: Sequence[str]) -> Artifact:
    """Opens a finished run named by its folder or by its recipe.

    Raises:
        MissingArtifact: The recipe has not been run yet.
        ArtifactError: As `Artifact.open`.
    """
    if path.suffix != ".toml":
        return Artifact.open(path, stage=tuple(stages))
    node = list(with_keys(load_graph(path), runs).values())[-1]
    if node.action == "run":
        raise MissingArtifact(
            f"{path} has not been run: there is no {node.folder}", hint=f"groundup run {path}"
        )
    return Artifact.open(node.folder, stage=tuple(stages))
