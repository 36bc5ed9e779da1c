import shutil
import sys

from groundup.core.manifest import Manifest, describe_code, describe_environment, read_manifest


def test_a_manifest_is_read_as_it_was_written(tmp_path):
    manifest = Manifest(
        stage="s", stage_version=2, name="é", key="k", summary={"loss": 1.5, "by": {"a": [1]}}
    )
    (tmp_path / "manifest.json").write_text(manifest.model_dump_json(), encoding="utf-8")
    assert read_manifest(tmp_path) == manifest
    assert manifest.status == "running"


def test_no_manifest_is_none(tmp_path):
    assert read_manifest(tmp_path) is None


def test_the_environment_names_what_can_change_a_result():
    found = describe_environment()
    assert found["python"] == sys.version.split()[0]
    assert {"groundup", "torch", "tiktoken", "rustbpe"} <= set(found)


def test_without_git_the_code_is_not_described(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert describe_code() == {}
