import logging
import re
import time

import pytest

from groundup.core import console
from groundup.core.errors import ConfigError


@pytest.fixture(autouse=True)
def plain_streams(monkeypatch):
    """Consoles on the streams as pytest has replaced them."""
    from rich.console import Console

    monkeypatch.setattr(console, "_err", Console(stderr=True, highlight=False, soft_wrap=True))
    monkeypatch.setattr(console, "_out", Console(highlight=False, soft_wrap=True))


@pytest.fixture
def logger():
    logger = logging.getLogger("groundup")
    before = (logger.handlers, logger.level, logger.propagate)
    yield logger
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"), (8.21, "8.2 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (200.4, "3 min 20 s"),
        (3599.4, "59 min 59 s"), (3600, "1 h 0 min"), (7500, "2 h 5 min"),
    ],
)  # fmt: skip
def test_durations_read_as_people_say_them(seconds, words):
    assert console.duration(seconds) == words


@pytest.mark.parametrize("seconds", [59.96, 3599.7])
def test_durations_never_show_sixty_of_a_unit(seconds):
    assert "60" not in console.duration(seconds)


def test_results_go_to_output_and_errors_with_their_hint_to_error(capsys):
    console.say("[bold]12[/bold] tokens")
    console.error(ConfigError("lr = [x] is wrong", hint="set [optimizer] lr"))
    shown = capsys.readouterr()
    assert shown.out == "[bold]12[/bold] tokens\n"
    assert "error: lr = [x] is wrong" in shown.err
    assert "hint: set [optimizer] lr" in shown.err


def test_off_a_terminal_progress_is_a_line_now_and_then(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with console.progress("encoding", 100, "files") as bar:
        bar.resume_at(40)
        for _ in range(30):
            now[0] += 1.0
            bar.update(info="loss 3.2")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    # 15 files in 15 s, so the 45 that are left take 45 s: resumed ones are no work
    assert lines[0] == "  encoding: 55 of 100 files, 45.0 s left, loss 3.2"


def test_quick_work_draws_nothing(capsys):
    with console.progress("x", 3, "files") as bar:
        bar.update(3)
    assert capsys.readouterr().err == ""


def test_on_a_terminal_progress_is_a_bar_that_goes_away(monkeypatch):
    from io import StringIO

    from rich.console import Console

    screen = StringIO()
    monkeypatch.setattr(console, "_err", Console(file=screen, force_terminal=True, width=100))
    with console.progress("encoding", 4, "files") as bar:
        bar.resume_at(1)
        bar.update(info="loss 3.2")
    assert "encoding" in screen.getvalue()
    assert "2/4" in screen.getvalue()


def screen_of(monkeypatch, width):
    """What a terminal of some width shows last, without control characters."""
    from io import StringIO

    from rich.console import Console

    screen = StringIO()
    terminal = Console(file=screen, force_terminal=True, width=width, color_system=None)
    monkeypatch.setattr(console, "_err", terminal)
    with console.progress("pretrain", 1586, "steps") as bar:
        for step in range(200):
            bar.update(
                info=f"loss {7 - step / 50:.2f}, 25,000 tok/s, 46% of limit", value=7 - step / 50
            )
        bar._bar.refresh()
        shown = screen.getvalue()
    return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).strip() for line in shown.split("\n")][-2:]


@pytest.mark.parametrize("width", [120, 80, 60, 40])
def test_on_a_terminal_the_curve_and_the_last_words_fit_below_the_bar(monkeypatch, width):
    first, second = screen_of(monkeypatch, width)
    assert "200/1586" in first
    assert "loss 3.02" in second
    assert len(first) <= width
    assert len(second) <= width
    assert ("▁" in second) == (width >= 60)
    assert ("steps" in first) == (width >= console.WIDE_TERMINAL)


def test_going_back_counts_those_items_again(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with console.progress("pretrain", 100, "steps") as bar:
        for _ in range(10):
            now[0] += 1.0
            bar.update()
        bar.go_back_to(5)
        now[0] += 5.0
        bar.update()
    assert "pretrain: 6 of 100 steps" in capsys.readouterr().err


def test_a_table_shows_its_cells_as_they_are(capsys):
    console.table("Scores", ["model", "f1"], [["base", 0.1], ["[tuned]", 0.25]])
    shown = capsys.readouterr().out
    for cell in ("Scores", "model", "base", "0.25", "[tuned]"):
        assert cell in shown


def test_the_log_goes_to_error_and_to_the_file_of_the_run(capsys, tmp_path, logger):
    console.install_logging()
    with console.log_to_file(tmp_path / "run.log"):
        logging.getLogger("groundup.tokens").info("read %s rows", 7)
        logging.getLogger("groundup.tokens").debug("not shown")
    logging.getLogger("groundup.tokens").info("later")
    assert capsys.readouterr().err == "read 7 rows\nlater\n"
    text = (tmp_path / "run.log").read_text()
    assert "INFO read 7 rows" in text
    assert "later" not in text


def test_debug_shows_more(capsys, logger):
    console.install_logging(debug=True)
    logging.getLogger("groundup.x").debug("detail")
    assert capsys.readouterr().err == "detail\n"
