from pathlib import Path

import pytest

from groundup.cli import verbs
from groundup.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_is_found_in_a_checkout():
    assert verbs.demo_recipes() == ROOT / "recipes" / "demo"


def test_dry_run_says_what_would_be_done_and_does_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert shown.count(" run ") >= 9
    assert 'stage = "report"' in shown
    assert not (tmp_path / "runs").exists()


def test_a_stage_verb_refuses_the_recipe_of_another_stage(capsys):
    assert main(["tokens", str(ROOT / "recipes" / "demo" / "corpus.toml")]) == 2
    assert "groundup corpus" in capsys.readouterr().err


def test_a_stage_verb_explains_every_setting(capsys):
    with pytest.raises(SystemExit) as end:
        main(["pretrain", str(ROOT / "recipes" / "demo" / "pretrain.toml"), "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert "--budget-tokens" in shown
    assert "6500000" in shown


def test_a_flag_overrides_the_recipe(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recipe = ROOT / "recipes" / "demo" / "tokens.toml"
    assert main(["tokens", str(recipe), "--dry-run", "--vocab-size", "999"]) == 0
    assert "vocab_size = 999" in capsys.readouterr().out


def test_nothing_to_serve_is_said(capsys):
    assert main(["serve"]) == 2
    assert "no model to serve" in capsys.readouterr().err
