import numpy as np
import pytest

from groundup.scaling.isoflop import budgets_of, envelope, isoflop_line, line_through
from groundup.scaling.points import Points, read_points

# Porian et al. 2024, arXiv 2406.19146, figure 1: what each correction does to Kaplan's exponent.
CORRECTIONS = {
    ("base", "long", "kaplan", "kaplan"): 0.834,  # reached 0.8399
    ("base", "long", "kaplan", "standard"): 0.701,  # reached 0.7001
    ("base", "short", "kaplan", "standard"): 0.606,  # reached 0.6059
    ("base", "short", "chinchilla", "standard"): 0.572,  # reached 0.5717
    ("tuned", "short", "const", "standard"): 0.497,  # reached 0.4969
}
COLUMNS = ("hparams", "warmup", "decay", "param_count")


def where(recipe):
    return [f"{name}={value}" for name, value in zip(COLUMNS, recipe, strict=True)]


@pytest.mark.parametrize("recipe", CORRECTIONS, ids="-".join)
def test_five_recipes_have_the_exponents_of_porian(published, recipe):
    points = read_points(published("isoflop-refinedweb.csv"), where=where(recipe))
    line = isoflop_line(budgets_of(points), method="akima")
    assert line.a == pytest.approx(CORRECTIONS[recipe], abs=0.01)


@pytest.mark.parametrize("recipe", CORRECTIONS, ids="-".join)
def test_published_optima_lie_on_the_same_lines(published, recipe):
    optima = read_points(published("isoflop-refinedweb-optima.csv"), where=where(recipe))
    line = line_through(optima.c.tolist(), optima.n.tolist(), optima.std)
    assert line.a == pytest.approx(CORRECTIONS[recipe], abs=0.01)


def test_chinchillas_own_valleys_give_its_second_approach(published):
    points = read_points(published("chinchilla-fig4-extracted.csv")).without_worst(5)
    line = isoflop_line(budgets_of(points), method="parabola")
    assert 0.462 < line.a < 0.534  # Hoffmann's interval of approach 2; reached 0.501
    assert envelope(points)[0].a == pytest.approx(0.50, abs=0.03)  # approach 1; reached 0.507


def valleys(sizes, shift=0.0):
    """Exact parabolas with minima at 0.1 C^0.5."""
    c = np.repeat(np.geomspace(1e17, 1e20, 4), len(sizes))
    best = 0.1 * c**0.5
    n = best * np.tile(sizes, 4)
    loss = 3.0 - 0.02 * np.log(c) + 0.05 * np.log(n / best) ** 2
    trunk = tuple(str(i) for i in range(len(c)))
    return Points(n, c / (6 * n), c, loss, trunk, None, "total", {"N": "N"}, {}, {})


@pytest.mark.parametrize("method", ["parabola", "akima"])
def test_exact_valleys_give_their_line(method):
    budgets = budgets_of(valleys(np.geomspace(0.25, 4, 9)))
    line = isoflop_line(budgets, method=method)
    assert line.a == pytest.approx(0.5, abs=1e-3)
    assert line.k == pytest.approx(0.1, rel=0.02)


def test_a_minimum_at_the_edge_of_the_sizes_is_none():
    budgets = budgets_of(valleys(np.geomspace(1.5, 8, 6)))
    assert [budget.n_akima for budget in budgets] == [None] * 4
    assert [budget.n_parabola for budget in budgets] == [None] * 4
    assert isoflop_line(budgets) is None
