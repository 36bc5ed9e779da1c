import json

from groundup.core.metrics import Metrics, read_metrics


def test_lines_are_appended_and_read_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    metrics = Metrics(path)
    metrics.log(1, train__loss_nats=4.5)
    metrics.log(2, train__loss_nats=4.25, note="x")
    rows = list(read_metrics(path))
    assert [(row["step"], row["train/loss_nats"]) for row in rows] == [(1, 4.5), (2, 4.25)]
    assert rows[1]["note"] == "x"


def test_a_last_line_cut_short_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    Metrics(path).log(1, loss=1.0)
    with path.open("a") as lines:
        lines.write('{"step": 2, "lo')
    assert [row["step"] for row in read_metrics(path)] == [1]


def test_a_line_after_a_cut_one_is_not_lost(tmp_path):
    path = tmp_path / "metrics.jsonl"
    Metrics(path).log(1, loss=1.0)
    with path.open("a") as lines:
        lines.write('{"step": 2, "lo')
    Metrics(path).log(2, loss=0.5)
    assert [row["step"] for row in read_metrics(path)] == [1, 2]


def test_a_cut_inside_a_character_does_not_stop_the_reader(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n{"note": "\xc3')
    assert [row["step"] for row in read_metrics(path)] == [1]


def test_time_goes_on_after_a_resume(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "time_s": 100.0}\n')
    metrics = Metrics(path)
    assert metrics.elapsed_s >= 100.0
    metrics.log(2)
    assert list(read_metrics(path))[-1]["time_s"] >= 100.0


def test_numbers_that_are_not_finite_are_written_as_words(tmp_path):
    path = tmp_path / "metrics.jsonl"
    Metrics(path).log(1, loss=float("nan"), rate=float("inf"))
    strict = json.loads(path.read_text(), parse_constant=lambda word: 1 / 0)
    assert (strict["loss"], strict["rate"]) == ("nan", "inf")


def test_no_file_is_no_lines(tmp_path):
    assert list(read_metrics(tmp_path / "metrics.jsonl")) == []
