import subprocess
import sys
from pathlib import Path

import pytest

from groundup.cli.main import main, parser

GROUNDUP = Path(sys.executable).with_name("groundup")


def test_help_teaches_every_verb(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    for verb in ("crawl", "corpus", "tokens", "pretrain", "finetune", "evaluate", "run", "chat",
                 "serve", "lineage", "verify", "doctor", "demo"):  # fmt: skip
        assert f"\n    {verb} " in shown
    assert "groundup demo" in shown


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from groundup.cli.main import parser; parser().format_help(); "
        "print([m for m in ('torch', 'daft', 'pyarrow', 'pydantic', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_allocator_is_tuned_before_pytorch_is_there():
    code = (
        "import sys; from groundup.model import allocator;"
        "allocator.tune_allocator = lambda: print('tuned', 'torch' in sys.modules);"
        "from groundup.cli.main import main; main(['lineage', 'nowhere'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "tuned False"


def test_an_unknown_flag_of_a_verb_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        main(["doctor", "--fast"])
    assert end.value.code == 2
    assert "--fast" in capsys.readouterr().err


def test_settings_of_recipes_are_left_to_the_recipes():
    known, rest = parser().parse_known_args(["run", "recipes/demo", "--pretrain.seed", "2"])
    assert known.recipe == Path("recipes/demo")
    assert rest == ["--pretrain.seed", "2"]


def test_a_missing_recipe_ends_with_exit_code_two(capsys, tmp_path):
    assert main(["run", str(tmp_path / "none.toml")]) == 2
    shown = capsys.readouterr().err
    assert "error: there is no recipe" in shown
    assert "hint:" in shown


def test_the_installed_command_reports_its_version():
    done = subprocess.run([GROUNDUP, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("groundup ")
