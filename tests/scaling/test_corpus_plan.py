import json
import shutil

import pytest

from groundup.cli.main import main
from groundup.core.errors import ConfigError
from groundup.scaling.corpus_plan import costs, stated_rate


def test_a_snapshot_by_hand():
    """2.5e9 pages at 200 a core-second are 1.25e7 core-seconds, 3472 core-hours, 139 dollars."""
    (cost,) = costs(stated_rate(200.0), [90_000], dollars_per_core_hour=0.04)
    assert cost.core_hours == pytest.approx((3472.2, 3472.2), abs=0.1)
    assert cost.dollars[0] == pytest.approx(138.9, abs=0.1)
    assert cost.documents == pytest.approx(2.5e9 * 0.117)
    assert cost.index_bytes == pytest.approx(2.5e9 * 15 * 16)


def test_costs_grow_with_files():
    one, ten = costs(stated_rate(100.0), [1, 10], dollars_per_core_hour=0.05)
    assert ten.pages == pytest.approx(10 * one.pages)
    assert ten.core_hours[1] == pytest.approx(10 * one.core_hours[1])


@pytest.mark.parametrize("kept", [0.0, 1.5])
def test_a_share_that_is_none_is_refused(kept):
    with pytest.raises(ConfigError, match="in \\(0, 1\\]"):
        costs(stated_rate(100.0, kept_fraction=kept), dollars_per_core_hour=0.04)


def write_run(root, stage, **manifest):
    folder = root / stage / f"small-{'0' * 12}"
    folder.mkdir(parents=True)
    base = {"stage": stage, "stage_version": 1, "name": "small", "key": "0" * 12,
            "status": "complete", "hardware": {"cores": "2"}}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(base | manifest), encoding="utf-8")
    (folder / "config.toml").write_text('kind = "archives"\n', encoding="utf-8")
    return folder


@pytest.fixture
def run(tmp_path):
    """A corpus run of 4,000 pages and 120 MB in 8 s on 2 cores, reading the archive for 2 more."""
    crawl = write_run(
        tmp_path, "crawl", seconds=2.0, summary={"pages": 4000, "size_bytes": 120_000_000}
    )
    reference = {
        "stage": "crawl",
        "key": "0" * 12,
        "path": f"../../crawl/{crawl.name}",
        "digest": _digest(crawl),
    }
    return write_run(tmp_path, "corpus", seconds=8.0, inputs={"crawl": reference})


def _digest(folder):
    from groundup.core.artifact import Artifact

    return Artifact.open(folder).digest


def test_a_measured_rate_gives_both_ends(run, capsys):
    assert main(["plan", "corpus", str(run), "--json", "--files", "90000"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["rate"]["pages_per_core_s"] == pytest.approx(200)
    assert result["rate"]["html_bytes_per_core_s"] == pytest.approx(6e6)
    (cost,) = result["costs"]
    assert cost["core_hours"] == pytest.approx([2.5e9 / 200 / 3600, 4.2e14 / 6e6 / 3600])


def test_the_arithmetic_is_shown(run, capsys):
    assert main(["plan", "corpus", str(run)]) == 0
    shown = capsys.readouterr().out
    assert "core-hours = pages / 200 / 3600, or plain bytes / 6e+06 / 3600" in shown
    assert "90,000" in shown


def test_a_run_of_another_stage_is_refused(run, capsys):
    assert main(["plan", "corpus", str(run.parents[1] / "crawl" / run.name)]) == 2
    assert "not corpus" in capsys.readouterr().err


def test_a_rate_is_needed_and_one_only(run, capsys):
    assert main(["plan", "corpus"]) == 2
    assert main(["plan", "corpus", str(run), "--rate", "3"]) == 2
    assert "--rate 200" in capsys.readouterr().err


def test_a_manifest_without_counts_is_named(run, capsys):
    crawl = run.parents[1] / "crawl" / run.name
    document = json.loads((crawl / "manifest.json").read_text(encoding="utf-8"))
    document["summary"] = {}
    (crawl / "manifest.json").write_text(json.dumps(document), encoding="utf-8")
    assert main(["plan", "corpus", str(run)]) == 2
    assert "does not say its pages" in capsys.readouterr().err
    shutil.rmtree(run)
    assert main(["plan", "corpus", str(run)]) == 2
