import altair as alt

from groundup.core.charts import COLOURS, GROUND, cycle, data, save, styled


def chart():
    return alt.Chart(data([{"x": 1, "y": 2}])).mark_point().encode(x="x:Q", y="y:Q")


def test_a_chart_becomes_two_whole_files(tmp_path):
    svg, png = save(chart(), tmp_path / "figures", "one")
    assert svg.read_text(encoding="utf-8").lstrip().startswith("<svg")
    assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["one.png", "one.svg"]


def test_a_chart_has_the_ground_and_grid_of_the_project():
    spec = styled(chart()).to_dict()
    assert spec["background"] == GROUND
    assert spec["config"]["axis"]["gridOpacity"] == 0.12


def test_more_names_than_colours_start_again():
    assert cycle(COLOURS, "abcdefgh")[6:] == list(COLOURS[:2])


def test_colours_are_legible_on_white_and_on_black():
    """WCAG 2.2: contrast of at least 3 for graphics."""
    for colour in COLOURS:
        linear = []
        for part in (colour[1:3], colour[3:5], colour[5:7]):
            value = int(part, 16) / 255
            linear.append(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)
        light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        assert min(1.05 / (light + 0.05), (light + 0.05) / 0.05) >= 3.0
