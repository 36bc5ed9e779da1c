from groundup.scaling.devices import machine_named
from groundup.scaling.plan import make_plan
from groundup.scaling.plan_figures import draw_plan
from groundup.scaling.saved import epoch_fit
from groundup.scaling.sizing import Ask


def test_models_of_undisclosed_size_are_not_drawn(tmp_path):
    plan = make_plan(Ask(flops=1e20), machine_named("h100"), epoch_fit())
    drawn = {path.name: path for path in draw_plan(plan, tmp_path)}
    chart = drawn["tokens_against_params.svg"].read_text(encoding="utf-8")
    assert "Chinchilla" in chart
    assert "this plan" in chart
    assert "GPT-4" not in chart
    assert "LAMBADA" in drawn["size_against_task.svg"].read_text(encoding="utf-8")
