from pathlib import Path

from groundup.cli.pipeline import STAGES
from groundup.cli.reference import settings_page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def test_the_page_in_the_repository_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == settings_page(), "run `make docs`"


def test_every_setting_of_every_stage_is_there():
    page = settings_page()
    for name, stage in STAGES.items():
        assert f"\n## {name}\n" in page
        for field in stage.config_class().model_fields:
            assert f"| `{field}` |" in page


def test_nested_settings_and_marks_are_shown():
    page = settings_page()
    assert "| `model.n_layers` |" in page
    assert "| `workers` | int or off | off | *free* " in page
    assert "| `tokens` | str | required | *input* " in page
