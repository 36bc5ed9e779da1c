import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from groundup.core.artifact import RunDir
from groundup.core.manifest import Manifest
from groundup.report.config import ReportConfig
from groundup.report.run import run

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Checks nesting; collects what a test asks for."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.links, self.text = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append((tag, values))
        if "id" in values:
            self.ids.append(values["id"])
        self.links += [values[name] for name in ("href", "src", "xlink:href") if name in values]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(report):
    return Page(report.file("report.html").read_text(encoding="utf-8"))


def test_the_page_fetches_nothing(report, page):
    text = report.file("report.html").read_text(encoding="utf-8")
    assert all(link.startswith("#") for link in page.links)
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "iframe", "link", "object", "img"}


def test_ids_are_unique_and_links_lead_somewhere(page):
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)


def test_text_from_the_web_is_shown_and_never_run(report):
    text = report.file("report.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert" in text


def test_every_stage_has_its_section_and_every_figure_its_words(page):
    text = " ".join(page.text)
    for title in (
        "Crawl",
        "From pages to documents",
        "From text to tokens",
        "Pretraining",
        "Supervised fine-tuning",
        "Reinforcement learning",
        "How good the models are",
        "Answers side by side",
        "Time and memory",
        "Lineage",
        "Machine and versions",
    ):
        assert title in text
    drawings = [values for tag, values in page.tags if tag == "svg"]
    assert len(drawings) == 6
    assert all(values["role"] == "img" and values["aria-label"] for values in drawings)
    assert text.count("How to read it.") == len(drawings)


def test_tables_have_captions_and_headers(page):
    count = [tag for tag, _ in page.tags].count
    assert count("table") == count("caption") == count("thead") > 5
    assert all("scope" in values for tag, values in page.tags if tag == "th")


def test_figures_are_files_too_and_are_well_formed(report):
    drawings = report.files("figures/*.svg")
    assert len(drawings) == len(report.files("figures/*.png")) == 6
    for path in drawings:
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        assert root.tag.endswith("svg")
    for path in report.files("figures/*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_the_page_says_the_numbers_of_the_runs(page):
    text = " ".join(page.text)
    for number in (
        "1,000",
        "480",
        "1,500,000",
        "1,320,000",
        "−210",
        "1.490",
        "0.910 [0.880, 0.940]",
    ):
        assert number in text, number
    assert "fine-tuned, cut by hand after 2" in text
    assert "cut off" in text


def test_what_a_run_should_reach_is_drawn_beside_what_it_reached(report):
    drawn = "".join(path.read_text() for path in report.path.glob("figures/learning-*.svg"))
    assert "expected, lowest" in drawn
    assert "expected, highest" in drawn


def test_three_questions_of_every_task_are_shown_with_every_answer(page):
    text = " ".join(page.text)
    for task in ("read", "args", "dflt", "must"):
        shown = re.findall(rf"said by (\w+) to {task} (\d)", text)
        assert sorted(shown) == sorted(
            (role, number) for role in ("foundation", "sft", "rl") for number in "036"
        )


def test_the_short_report_has_the_scores_the_cost_and_the_tree(report):
    text = report.file("report.md").read_text(encoding="utf-8")
    assert "| must | after RL | 99.0% |" in text
    assert "| grpo | tiny-222222222222 |" in text
    assert "└─ crawl: crawl tiny-cccccccccccc" in text


def build(evaluation, path, title="T"):
    manifest = Manifest(stage="report", stage_version=1, name="tiny", key="5" * 12)
    out = RunDir(path, manifest, "")
    run(ReportConfig(evaluate="evaluate.toml", title=title), {"evaluate": evaluation}, out)
    return out.complete()


def test_without_tuning_there_are_no_sections_on_it(make_evaluation, tmp_path):
    evaluation = make_evaluation(tmp_path / "runs", roles=("foundation",))
    text = build(evaluation, tmp_path / "report").file("report.html").read_text(encoding="utf-8")
    assert "Pretraining" in text
    assert "Supervised fine-tuning" not in text
    assert "Reinforcement learning</h2>" not in text


def test_runs_that_are_gone_are_left_out(make_evaluation, tmp_path):
    import shutil

    evaluation = make_evaluation(tmp_path / "runs")
    for stage in ("crawl", "corpus", "tokens"):
        shutil.rmtree(tmp_path / "runs" / stage)
    text = build(evaluation, tmp_path / "report").file("report.html").read_text(encoding="utf-8")
    assert "From pages to documents" not in text
    assert "no longer at" in text
    assert "Pretraining" in text


def test_a_run_that_wrote_only_a_manifest_still_has_a_page(make, tmp_path):
    evaluation = make(tmp_path, "evaluate", "6" * 12)
    text = build(evaluation, tmp_path / "report").file("report.html").read_text(encoding="utf-8")
    assert "How good the models are" in text


def test_the_same_runs_give_the_same_page(report, evaluation, tmp_path):
    again = build(evaluation, tmp_path / "again", title="")
    for name in ("report.html", "report.md"):
        assert again.file(name).read_bytes() == report.file(name).read_bytes()
