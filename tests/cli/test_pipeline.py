from pathlib import Path

import pytest

from groundup.cli.pipeline import STAGES, build, find, load_graph, target_recipe, with_keys
from groundup.core.errors import ConfigError, MissingArtifact, WrongKindArtifact

SMALL = Path(__file__).resolve().parents[1] / "end_to_end" / "recipes"


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def crawl(tmp_path, monkeypatch):
    """A recipe that crawls two pages in a folder; the current folder is its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        write(tmp_path, f"pages/{name}.html", f"<html><body><p>Page {name}.</p></body></html>")
    return write(
        tmp_path, "recipes/crawl.toml", 'stage = "crawl"\nkind = "folder"\npaths = ["pages"]\n'
    )


def test_inputs_come_before_those_who_need_them():
    graph = load_graph(SMALL / "report.toml")
    seen = set()
    for name, node in graph.items():
        assert all(source in seen for source in node.inputs.values())
        seen.add(name)
    assert list(graph)[-1] == "report"
    assert {node.stage for node in graph.values()} == set(STAGES) - {"import"}


def test_a_folder_means_the_recipe_that_no_other_needs():
    assert target_recipe(SMALL).name == "report.toml"


def test_a_folder_with_two_ends_is_refused(tmp_path):
    for name in ("one", "two"):
        write(tmp_path, f"{name}.toml", 'stage = "crawl"\nkind = "folder"\npaths = ["x"]\n')
    with pytest.raises(ConfigError, match=r"one\.toml, two\.toml"):
        target_recipe(tmp_path)


def test_a_circle_of_recipes_is_refused(tmp_path):
    write(tmp_path, "a.toml", 'stage = "tokens"\ncorpus = "b.toml"\n')
    write(tmp_path, "b.toml", 'stage = "corpus"\ncrawl = "a.toml"\n')
    with pytest.raises(ConfigError, match="ancestor"):
        load_graph(tmp_path / "a.toml")


def test_an_unknown_stage_is_refused_with_the_stages_there_are(tmp_path):
    recipe = write(tmp_path, "a.toml", 'stage = "pretraining"\n')
    with pytest.raises(ConfigError, match="pretraining") as refused:
        load_graph(recipe)
    assert "pretrain" in refused.value.hint


def test_a_key_follows_what_decides_the_result_and_nothing_else(crawl, tmp_path):
    corpus = write(tmp_path, "recipes/corpus.toml", 'stage = "corpus"\ncrawl = "crawl.toml"\n')

    def keys():
        return [node.key for node in with_keys(load_graph(corpus), Path("runs")).values()]

    first = keys()
    corpus.write_text('stage = "corpus"\ncrawl = "crawl.toml"\nworkers = 1\nname = "other"\n')
    assert keys() == first
    corpus.write_text('stage = "corpus"\ncrawl = "crawl.toml"\nseed = 2\n')
    assert keys()[0] == first[0]
    assert keys()[1] != first[1]
    write(tmp_path, "pages/a.html", "<html><body><p>Another page.</p></body></html>")
    assert keys()[0] != first[0]


def test_a_run_is_built_once_and_then_reused(crawl):
    (node,) = with_keys(load_graph(crawl), Path("runs")).values()
    assert node.action == "run"
    built = build({"crawl": node})["crawl"]
    assert node.action == "reuse"
    assert built.manifest.summary["pages"] == 2
    again = build({"crawl": node})["crawl"]
    assert again.digest == built.digest


def test_a_run_is_found_by_folder_and_by_recipe(crawl):
    with pytest.raises(MissingArtifact, match="has not been run"):
        find(crawl, Path("runs"), stages=("crawl",))
    built = build(with_keys(load_graph(crawl), Path("runs")))["crawl"]
    assert find(crawl, Path("runs"), stages=("crawl",)).path == built.path
    assert find(built.path, Path("runs"), stages=("crawl",)).key == built.key
    with pytest.raises(WrongKindArtifact):
        find(built.path, Path("runs"), stages=("pretrain",))


def test_an_unfinished_run_is_resumed(crawl):
    (node,) = with_keys(load_graph(crawl), Path("runs")).values()
    built = build({"crawl": node})["crawl"]
    manifest = built.path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"complete"', '"running"'))
    assert node.action == "resume"
    assert build({"crawl": node})["crawl"].digest == built.digest
