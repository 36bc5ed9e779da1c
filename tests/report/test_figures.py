import math

import pytest

from groundup.report.figures import MAX_POINTS, Panel, intervals, line_panels, remaining


def specification(chart):
    return chart.to_dict()


def values(spec):
    """All rows of data in a specification, wherever they are."""
    if isinstance(spec, dict):
        own = spec.get("values", [])
        return [*own, *(row for value in spec.values() for row in values(value))]
    if isinstance(spec, list):
        return [row for value in spec for row in values(value)]
    return []


def test_long_series_are_thinned_to_means_and_keep_their_end():
    rows = [{"step": step, "value": float(step), "series": "a"} for step in range(1, 2001)]
    drawn = values(specification(line_panels([Panel("h", "y", rows)])))
    drawn = [row for row in drawn if isinstance(row, dict) and "series" in row]
    assert len(drawn) <= MAX_POINTS
    assert drawn[-1]["step"] == 2000
    assert drawn[0]["value"] == pytest.approx(3.0)  # the mean of 1 to 5
    mean = sum(row["value"] for row in drawn) / len(drawn)
    assert math.isclose(mean, 1000.5)


def test_many_series_and_models_still_have_a_colour_each():
    rows = [{"step": 1, "value": 1.0, "series": f"s{number}"} for number in range(9)]
    specification(line_panels([Panel("h", "y", rows)]))
    points = [
        {"task": "t", "model": f"m{n}", "mean": 0.5, "low": None, "high": None} for n in range(9)
    ]
    specification(intervals(points, x_title="x"))


def test_each_task_shows_only_the_models_that_it_has():
    rows = [
        {"task": "a", "model": "one", "mean": 0.2, "low": 0.1, "high": 0.3},
        {"task": "b", "model": "two", "mean": 0.4, "low": None, "high": None},
    ]
    spec = specification(intervals(rows, x_title="reward"))
    drawn = [
        {row["model"] for row in values(band) if isinstance(row, dict) and "model" in row}
        for band in spec["vconcat"]
    ]
    assert drawn == [{"one"}, {"two"}]


def test_the_funnel_keeps_the_order_of_the_rules():
    rows = [
        {"rule": "z", "left": 90, "dropped": 10},
        {"rule": "a", "left": 20, "dropped": 70},
    ]
    spec = specification(remaining(rows))
    assert spec["layer"][0]["encoding"]["y"]["sort"] == ["z", "a"]
