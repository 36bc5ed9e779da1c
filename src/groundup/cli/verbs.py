"""What each verb does; every function imports its stage when it is called."""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from groundup.cli.launch import launch
from groundup.cli.pipeline import (
    STAGES,
    Graph,
    build,
    find,
    load_graph,
    preview,
    target_recipe,
    with_keys,
)
from groundup.cli.transfer import MODEL_STAGES, folder_graph
from groundup.core import console
from groundup.core.artifact import Artifact
from groundup.core.config import StageConfig, parse_flags, to_toml
from groundup.core.dial import turn
from groundup.core.errors import ConfigError, CorruptArtifact
from groundup.core.place import find_place

if TYPE_CHECKING:
    from groundup.training.ranks import Ranks

__all__ = ["call", "demo_recipes"]


def call(known: argparse.Namespace, rest: Sequence[str]) -> None:
    """Runs the verb that the command line names.

    Args:
        known: The parsed common arguments.
        rest: Settings of recipes, not parsed yet.
    """
    from groundup.model.allocator import tune_allocator

    tune_allocator()  # worth up to 1.6x in training, and only before PyTorch allocates
    os.environ.setdefault("OMP_NUM_THREADS", str(_threads()))
    building = {"run": run, "demo": demo}
    others = {
        "tokens report": tokens_report,
        "chat": chat,
        "export": export,
        "serve": serve,
        "scale": scale,
        "plan": plan,
        "lineage": lineage,
        "verify": verify,
        "trace": trace,
        "track": track,
        "doctor": doctor,
        "docs": docs,
    }
    if known.verb in others:
        others[known.verb](known, rest)
        return
    with _joined() as known.ranks:
        building.get(known.verb, stage)(known, rest)


@contextmanager
def _joined() -> "Iterator[Ranks | None]":
    """The processes that build together; None, and no PyTorch, in a process alone."""
    place = find_place()
    if place.world_size == 1:
        yield None
        return
    from groundup.training.distributed import joined

    with joined(place) as ranks:
        yield ranks


def _threads() -> int:
    from groundup.core.machine import cores

    return cores()


def demo_recipes() -> Path:
    """The folder of the demo's recipes: beside the installed package, or in the checkout.

    Raises:
        ConfigError: Neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "recipes" / "demo", package.parents[1] / "recipes" / "demo"):
        if folder.is_dir():
            return folder
    raise ConfigError("the demo's recipes are not installed", hint="reinstall groundup")


def run(known: argparse.Namespace, rest: Sequence[str]) -> None:
    """Builds a recipe and all it needs; settings are given as `--RECIPE.setting value`."""
    if known.recipe is None:
        raise ConfigError(
            "no recipe given", hint="groundup run recipes/demo, or another folder or file"
        )
    graph = load_graph(target_recipe(known.recipe))
    arguments = [*rest, "--help"] if known.wants_help else list(rest)
    if arguments:
        configs = parse_flags(
            _dialled(graph, arguments),
            arguments,
            program=f"groundup run {known.recipe}",
            description="Settings of every stage, with this recipe's values.",
        )
        graph = _with_configs(graph, configs)
    _build_or_say(graph, known)


def stage(known: argparse.Namespace, rest: Sequence[str]) -> None:
    """Builds one stage's recipe; its own settings are plain flags."""
    stages = [name for name, stage in STAGES.items() if stage.verb == known.verb]
    if known.recipe is None:
        raise ConfigError(
            f"no recipe given to `groundup {known.verb}`",
            hint=f"groundup {known.verb} recipes/demo/{stages[0]}.toml; --help after it explains "
            "every setting",
        )
    is_folder = known.verb == "import" and known.recipe.suffix != ".toml"
    graph = folder_graph(known.recipe) if is_folder else load_graph(known.recipe)
    target = list(graph.values())[-1]
    if target.stage not in stages:
        raise ConfigError(
            f"{known.recipe} is for stage {target.stage!r}",
            hint=f"groundup {STAGES[target.stage].verb} {known.recipe}",
        )
    arguments = [*rest, "--help"] if known.wants_help else list(rest)
    if arguments:
        configs = parse_flags(
            _dialled(graph, arguments, target=target.name),
            arguments,
            program=f"groundup {known.verb} {known.recipe}",
            description=STAGES[target.stage].says,
            target=target.name,
        )
        graph = _with_configs(graph, configs)
    if getattr(known, "profile", False):
        from groundup.cli.profile import show_profile

        show_profile(graph, known.runs)
        return
    _build_or_say(graph, known)


def _dialled(
    graph: Graph, arguments: Sequence[str], *, target: str | None = None
) -> dict[str, StageConfig]:
    configs = {name: node.config for name, node in graph.items()}
    given = {name: node.values for name, node in graph.items()}
    return turn(configs, given, arguments, target=target)


def _with_configs(graph: Graph, configs: Mapping[str, StageConfig]) -> Graph:
    return {name: replace(node, config=configs[name]) for name, node in graph.items()}


def _build_or_say(graph: Graph, known: argparse.Namespace) -> dict[str, Artifact]:
    keyed = with_keys(graph, known.runs)
    if known.dry_run:
        rows = [(node.name, node.stage, node.action, node.folder) for node in keyed.values()]
        console.table("would do", ("recipe", "stage", "action", "run directory"), rows)
        preview(keyed)
        last = list(keyed.values())[-1]
        console.say(f"# {last.recipe}, resolved")
        console.say(to_toml(last.stage, last.config).rstrip())
        if known.verb == "pretrain":
            from groundup.cli.memory import memory_line

            console.say(f"# {memory_line(keyed)}")
        return {}
    n_ranks = max(getattr(node.config, "processes", 1) for node in keyed.values())
    if n_ranks > 1 and known.ranks is None:
        code = launch(n_ranks, known.arguments)
        if code:
            raise SystemExit(code)
        return {}
    built = build(keyed, known.ranks)
    last_built = list(built.values())[-1]
    console.say(str(last_built.path))
    return built


def demo(known: argparse.Namespace, _rest: Sequence[str]) -> None:
    """Builds the demo and prints what came out of it."""
    from groundup.cli.outcome import print_outcome

    graph = load_graph(target_recipe(demo_recipes()))
    built = _build_or_say(graph, known)
    if built:
        print_outcome(built)


def tokens_report(known: argparse.Namespace, _rest: Sequence[str]) -> None:
    """Prints how well a run's tokenizer fits its texts."""
    from groundup.cli.tokens_report import print_report

    run = find(known.path, known.runs, stages=("tokens",))
    print_report(run, texts=known.text, against=known.against, as_json=known.json)


def export(known: argparse.Namespace, _rest: Sequence[str]) -> None:
    """Writes a model for other programs, and proves it there."""
    from groundup.cli import transfer

    transfer.export(known)


def chat(known: argparse.Namespace, _rest: Sequence[str]) -> None:
    """Talks to a model: once with `--prompt`, else line by line."""
    from groundup.cli.talk import ask, converse, explain
    from groundup.generate.load import open_model
    from groundup.generate.sampling import SamplingParams

    artifact = find(known.path, known.runs, stages=MODEL_STAGES)
    model = open_model(artifact, device=known.device)
    params = SamplingParams(
        max_new_tokens=known.max_tokens or model.context_length,
        temperature=known.temperature,
        top_k=known.top_k,
        top_p=known.top_p,
        seed=known.seed,
    )
    if known.explain:
        explain(model, params, prompt=known.prompt, system=known.system)
    elif known.prompt is not None:
        ask(model, params, prompt=known.prompt, system=known.system)
    else:
        converse(model, params, system=known.system)


def serve(known: argparse.Namespace, _rest: Sequence[str]) -> None:
    """Serves models over the OpenAI-compatible API until it is stopped."""
    from groundup.serve.app import run_server

    paths = list(known.paths)
    if known.demo:
        graph = with_keys(load_graph(target_recipe(demo_recipes())), known.runs)
        paths += [node.folder for node in graph.values() if node.stage in MODEL_STAGES]
    if not paths:
        raise ConfigError("no model to serve", hint="groundup serve RUN, or groundup serve --demo")
    run_server(
        [find(path, known.runs, stages=MODEL_STAGES).path for path in paths],
        host=known.host,
        port=known.port,
        data_dir=known.data_dir,
        no_auth=known.no_auth,
        device=known.device,
    )


def scale(known: argparse.Namespace, rest: Sequence[str]) -> None:
    """Fits laws to finished runs."""
    from groundup.cli.scale import scale as run_scale

    run_scale(known, rest)


def plan(known: argparse.Namespace, rest: Sequence[str]) -> None:
    """Plans a training run, or the cleaning of a crawl."""
    from groundup.cli.plan import plan as run_plan

    run_plan(known, rest)


def lineage(known: argparse.Namespace, _rest: Sequence[str]) -> None:
    """Prints what a run was made from, back to the crawl."""
    from groundup.report.lineage import tree

    for line in tree(find(known.path, known.runs, stages=tuple(STAGES))):
        console.say(line)


def verify(known: argparse.Namespace, _rest: Sequence[str]) -> None:
    """Rehashes a run and all it was made from.

    Raises:
        CorruptArtifact: Something differs; every damaged file has been printed.
    """
    damaged = 0
    for artifact in _ancestors(find(known.path, known.runs, stages=tuple(STAGES))):
        bad = artifact.damaged()
        damaged += len(bad)
        state = "ok" if not bad else f"DAMAGED: {', '.join(bad)}"
        console.say(f"{artifact.path}: {len(artifact.manifest.outputs)} files, {state}")
    if damaged:
        raise CorruptArtifact(
            f"{damaged} files differ from their manifests",
            hint="delete the damaged run directories and run their recipes again",
        )


def _ancestors(artifact: Artifact) -> list[Artifact]:
    found = {artifact.path.resolve(): artifact}
    todo = [artifact]
    while todo:
        current = todo.pop()
        for role in current.manifest.inputs:
            parent = current.input(role)
            if parent.path.resolve() not in found:
                found[parent.path.resolve()] = parent
                todo.append(parent)
    return list(found.values())


def trace(known: argparse.Namespace, _rest: Sequence[str]) -> None:
    """Prints which documents a training row shows, or which rows show a document.

    Raises:
        ConfigError: Neither a row nor a document is named, or both.
    """
    from groundup.cli.trace import show_document, show_row

    one_row = known.path is not None and known.step is not None and known.row is not None
    if one_row == (known.url is not None) or (known.step is None) != (known.row is None):
        raise ConfigError(
            "say which row, or which document",
            hint="groundup trace RUN --step 100 --row 0, or groundup trace --url URL",
        )
    if known.url is not None:
        show_document(known.url, known.path, known.runs, as_json=known.json)
    else:
        artifact = find(known.path, known.runs, stages=("pretrain",))
        show_row(artifact, step=known.step, row=known.row, as_json=known.json)


def track(known: argparse.Namespace, _rest: Sequence[str]) -> None:
    """Puts a run's measurements into a tracker."""
    from groundup.cli.track import track as send

    send(known.path, known.to)


def doctor(known: argparse.Namespace, _rest: Sequence[str]) -> None:
    """Prints what this machine offers and what groundup will use of it."""
    from groundup.cli.doctor import findings

    for name, value in findings(known.runs):
        console.say(f"{name:<22} {value}")


def docs(known: argparse.Namespace, _rest: Sequence[str]) -> None:
    """Writes, or checks, the reference of all settings."""
    from groundup.cli.reference import settings_page

    page = settings_page()
    if known.check:
        current = known.to.read_text(encoding="utf-8") if known.to.exists() else ""
        if current != page:
            raise ConfigError(f"{known.to} is out of date", hint="make docs")
        return
    known.to.parent.mkdir(parents=True, exist_ok=True)
    known.to.write_text(page, encoding="utf-8")
    console.say(str(known.to))
