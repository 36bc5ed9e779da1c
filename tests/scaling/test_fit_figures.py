import numpy as np

from groundup.scaling.analysis import Request, analyse
from groundup.scaling.fit_figures import draw_fit


def test_valleys_are_drawn_where_runs_share_budgets(tmp_path):
    lines = ["N,C,loss"]
    for c in np.geomspace(1e18, 1e20, 3):
        for n in 0.1 * c**0.5 * np.geomspace(0.3, 3, 6):
            lines.append(f"{n},{c},{1.8 + 480 * n**-0.35 + 2000 * (c / 6 / n) ** -0.37}")
    table = tmp_path / "points.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    analysis = analyse(Request(table, replicates=30))
    drawn = draw_fit(analysis, tmp_path)
    assert len(analysis.budgets) == 3
    assert {path.stem for path in drawn} >= {"isoflop", "residuals"}
    assert all(path.stat().st_size > 1000 for path in drawn)
