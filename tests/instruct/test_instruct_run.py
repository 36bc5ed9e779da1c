import pytest

from groundup.core.artifact import digest_file
from groundup.core.errors import DataError
from groundup.instruct import run as stage
from groundup.instruct.config import InstructConfig

FILES = ("train.jsonl", "validation.jsonl", "heldout.jsonl", "statistics.json")


def test_equal_requests_give_equal_bytes_and_another_seed_does_not(crawl, built, new_run):
    again, other = new_run("again"), new_run("other")
    stage.run(InstructConfig(source="pydoc", crawl="c"), {"crawl": crawl}, again)
    stage.run(InstructConfig(source="pydoc", crawl="c", seed=2), {"crawl": crawl}, other)
    for file in FILES:
        assert digest_file(again.path / file) == digest_file(built.path / file)
        assert digest_file(other.path / file) != digest_file(built.path / file)


def test_a_run_that_was_killed_gives_the_same_when_repeated(crawl, built, new_run, tmp_path):
    killed = tmp_path / "killed"
    killed.mkdir()
    (killed / "train.jsonl").write_bytes((built.path / "train.jsonl").read_bytes())
    (killed / "heldout.jsonl.7.partial").write_text("{", encoding="utf-8")
    again = new_run("killed")
    stage.run(InstructConfig(source="pydoc", crawl="c"), {"crawl": crawl}, again)
    assert not [path for path in killed.iterdir() if "partial" in path.name]
    for file in FILES:
        assert digest_file(again.path / file) == digest_file(built.path / file)


def test_a_crawl_without_documentation_says_so(new_run, tmp_path):
    empty = new_run("crawl").complete()
    with pytest.raises(DataError, match="no page of Python documentation"):
        stage.run(InstructConfig(source="pydoc", crawl="c"), {"crawl": empty}, new_run())


def test_files_are_named_by_their_digest(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('[{"instruction": "a", "output": "b"}]', encoding="utf-8")
    found = stage.outside(InstructConfig(paths=(str(tmp_path / "*.json"),)))
    assert found == {"0:a.json": digest_file(file)}
    with pytest.raises(DataError, match="no file matches"):
        stage.outside(InstructConfig(paths=(str(tmp_path / "*.jsonl"),)))
    assert stage.outside(InstructConfig(source="pydoc", crawl="c")) == {}
