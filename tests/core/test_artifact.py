import json
import subprocess
import sys

import pytest

from groundup.core.artifact import Artifact, Manifest, RunDir, run_key
from groundup.core.errors import (
    CorruptArtifact,
    IncompleteArtifact,
    MissingArtifact,
    ResourceError,
    WrongKindArtifact,
)


def manifest(stage="tokens", **values):
    return Manifest(stage=stage, stage_version=1, name="x", key="0123456789ab", **values)


@pytest.fixture
def out(tmp_path):
    return RunDir(tmp_path / "run", manifest(), 'stage = "tokens"\n')


@pytest.fixture
def finished(out):
    for name in ("a.txt", "pages/0.txt", "pages/1.txt"):
        with out.publish(name) as partial:
            partial.write_text(name)
    out.summary["rows"] = 2
    return out.complete()


REQUEST = ("pretrain", 1, {"lr": 0.1, "steps": 5}, {"tokens": "k1"}, {"x": "d"})


def test_the_key_does_not_depend_on_the_order_of_fields():
    turned = ("pretrain", 1, {"steps": 5, "lr": 0.1}, {"tokens": "k1"}, {"x": "d"})
    assert run_key(*REQUEST) == run_key(*turned)
    assert len(run_key(*REQUEST)) == 12


@pytest.mark.parametrize(
    "change",
    [
        ("sft", *REQUEST[1:]),
        (REQUEST[0], 2, *REQUEST[2:]),
        (*REQUEST[:2], {"lr": 0.2, "steps": 5}, *REQUEST[3:]),
        (*REQUEST[:3], {"tokens": "k2"}, REQUEST[4]),
        (*REQUEST[:4], {"x": "e"}),
        (*REQUEST[:4], {}),
    ],
)
def test_everything_that_decides_the_result_changes_the_key(change):
    assert run_key(*change) != run_key(*REQUEST)


def test_the_key_never_changes_between_versions():
    # sha256 of ["a",1,{"b":2},{},{}], worked with sha256sum
    assert run_key("a", 1, {"b": 2}, {}, {}) == "175126c06d1c"


def test_a_finished_run_is_read_back(finished, tmp_path):
    artifact = Artifact.open(tmp_path / "run", stage="tokens")
    assert artifact.file("a.txt", check=True).read_text() == "a.txt"
    assert [p.name for p in artifact.files("pages/*.txt")] == ["0.txt", "1.txt"]
    assert artifact.manifest.summary == {"rows": 2}
    assert artifact.has("config.toml")
    assert not artifact.has("run.log")
    assert artifact.digest == finished.digest


def test_a_run_in_progress_is_refused(out):
    with pytest.raises(IncompleteArtifact, match="not finished"):
        Artifact.open(out.path)


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(MissingArtifact, match="not a run directory"):
        Artifact.open(tmp_path)


def test_a_run_of_another_stage_is_refused(finished):
    with pytest.raises(WrongKindArtifact, match="'tokens', not pretrain or sft"):
        Artifact.open(finished.path, stage=("pretrain", "sft"))


@pytest.mark.parametrize("text", ["", "{", "{}", '{"schema_version": 1}'])
def test_a_damaged_manifest_is_named(finished, text):
    (finished.path / "manifest.json").write_text(text)
    with pytest.raises(CorruptArtifact, match=r"manifest\.json is damaged"):
        Artifact.open(finished.path)


def test_a_manifest_of_another_schema_is_refused(finished):
    path = finished.path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))
    with pytest.raises(CorruptArtifact, match="schema 99"):
        Artifact.open(finished.path)


def test_a_flipped_byte_is_found(finished):
    (finished.path / "a.txt").write_text("A.txt")
    assert finished.file("a.txt")  # the size is right
    with pytest.raises(CorruptArtifact, match="sha256"):
        finished.file("a.txt", check=True)
    assert finished.damaged() == ["a.txt"]


def test_another_size_is_found_without_reading(finished):
    (finished.path / "a.txt").write_text("longer than before")
    with pytest.raises(CorruptArtifact, match="differs"):
        finished.file("a.txt")


def test_a_deleted_file_is_named(finished):
    (finished.path / "pages/1.txt").unlink()
    with pytest.raises(MissingArtifact, match=r"no file pages/1\.txt"):
        finished.files("pages/*")
    assert finished.damaged() == ["pages/1.txt"]


def test_a_whole_run_has_no_damage(finished):
    assert finished.damaged() == []


LOCKED = """
import sys
from pathlib import Path
from groundup.core.artifact import Manifest, RunDir
from groundup.core.errors import ResourceError
try:
    RunDir(Path(sys.argv[1]), Manifest(stage="s", stage_version=1, name="x", key="k"), "")
except ResourceError as error:
    print(error.message)
"""


def test_the_lock_refuses_a_second_process_and_ends_with_the_first(out):
    command = [sys.executable, "-c", LOCKED, str(out.path)]
    refused = subprocess.run(command, capture_output=True, text=True, check=True)
    assert refused.stdout == f"another process is working on {out.path}\n"
    out.abandon()
    admitted = subprocess.run(command, capture_output=True, text=True, check=True)
    assert admitted.stdout == ""


def test_a_second_run_dir_in_the_same_process_is_refused_too(out):
    with pytest.raises(ResourceError, match="another process"):
        RunDir(out.path, manifest(), "")


def test_what_a_killed_process_left_half_written_is_removed(out):
    half = out.path / "checkpoints" / "step_5.99.partial"
    (half / "deep").mkdir(parents=True)
    (half / "deep" / "x.1.partial").touch()
    (out.path / "b.txt.99.partial").touch()
    (out.path / "kept.txt").touch()
    out.abandon()
    again = RunDir(out.path, manifest(), "")
    assert not list(out.path.rglob("*.partial"))
    assert again.complete().has("kept.txt")


def test_time_and_memory_add_up_over_resumes(out):
    out.abandon(peak_memory_bytes=500)
    first = json.loads((out.path / "manifest.json").read_text())["seconds"]
    again = RunDir(out.path, manifest(), "").complete(peak_memory_bytes=300)
    assert again.manifest.seconds >= first
    assert again.manifest.peak_memory_bytes == 500


def test_a_partial_file_is_no_output(out):
    with out.publish("a.txt") as partial:
        partial.write_text("x")
    (out.path / "b.partial").touch()
    assert [o.path for o in out.complete().manifest.outputs] == ["a.txt", "config.toml"]


def test_an_input_is_found_from_the_run_that_used_it(finished, tmp_path):
    path = tmp_path / "deep" / "model"
    reference = finished.reference(path)
    run = RunDir(path, manifest("pretrain", inputs={"tokens": reference}), "")
    assert reference.digest == finished.digest
    assert run.complete().input("tokens").path == finished.path.resolve()


def test_a_file_in_the_way_of_a_run_directory_is_a_resource_error(tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(ResourceError, match="a file is in the way"):
        RunDir(tmp_path / "runs" / "x", manifest(), "")


def test_json_is_written_for_people(out):
    out.write_json("a.json", {"é": [1]})
    assert json.loads((out.path / "a.json").read_text(encoding="utf-8")) == {"é": [1]}
    assert "é" in (out.path / "a.json").read_text(encoding="utf-8")
