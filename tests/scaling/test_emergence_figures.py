from groundup.scaling.emergence_figures import draw_task
from groundup.scaling.results import read_results


def test_charts_are_drawn_with_and_without_a_loss(tmp_path):
    lines = ["model,params,tokens,task,acc,log_prob,val_loss"]
    for size in (1, 2, 3):
        lines += [
            f"m{size},{10**size},{10 ** (8 + n / 4)},t,{0.1 * n},{-4 + n * 0.3},{5 - 0.2 * n}"
            for n in range(8)
        ]
    table = tmp_path / "results.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    results = read_results(table)
    drawn = draw_task("t", results.curves("t", "tokens"), results, "tokens", 0.25, tmp_path)
    assert {p.name for p in drawn} >= {"t_over_tokens.svg", "t_over_loss.png"}
    over_loss = (tmp_path / "t_over_loss.svg").read_text(encoding="utf-8")
    assert "own loss" in over_loss
    sizes = draw_task("t", results.curves("t", "params"), results, "params", 0.25, tmp_path)
    assert {path.stem for path in sizes} == {"t_over_params"}
