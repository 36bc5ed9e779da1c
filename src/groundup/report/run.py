"""The report, the stage: an evaluation and all that led to it -> one page.

Reads the `evaluate` run and, through its lineage, every run that it was made from. Writes
`report.html`, `report.md` and `figures/`.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

from groundup.core.artifact import Artifact, RunDir
from groundup.core.console import duration
from groundup.report.blocks import Section, count_text
from groundup.report.config import ReportConfig
from groundup.report.data_sections import corpus_section, crawl_section, read_json, tokens_section
from groundup.report.figures import Studio
from groundup.report.lineage import ancestors
from groundup.report.page import html_page, markdown_page
from groundup.report.record_sections import cost_section, lineage_section, machine_section
from groundup.report.score_sections import answers_section, headline, scores_section
from groundup.report.training_sections import pretrain_section, rl_section, sft_section

__all__ = ["VERSION", "run"]

log = logging.getLogger(__name__)

VERSION = 1

# In the order of the pipeline, which is that of the page; `instruct` has no section of its own, as
# its examples are what the scores and answers are about.
_SECTIONS: dict[str, Callable[[Artifact, Studio], Section]] = {
    "crawl": crawl_section,
    "corpus": corpus_section,
    "tokens": tokens_section,
    "pretrain": pretrain_section,
    "sft": sft_section,
    "grpo": rl_section,
    "evaluate": scores_section,
}


def run(config: ReportConfig, inputs: Mapping[str, Artifact], out: RunDir) -> None:
    """Writes the page on `inputs["evaluate"]`."""
    evaluation = inputs["evaluate"]
    runs = ancestors(evaluation)
    studio = Studio(out)
    sections = [
        *_stage_sections(runs, studio),
        answers_section(evaluation, questions_per_task=config.questions_per_task),
        cost_section(runs),
        lineage_section(evaluation),
        machine_section(runs),
    ]
    title = config.title or f"{evaluation.manifest.name}: a language model from the ground up"
    cards = _cards(runs, evaluation)
    with out.publish("report.html") as partial:
        partial.write_text(html_page(title, cards, sections), encoding="utf-8")
    with out.publish("report.md") as partial:
        partial.write_text(markdown_page(title, cards, sections), encoding="utf-8")
    out.summary.update(sections=len(sections), runs=len(runs))
    log.info("report: %s", out.path / "report.html")


def _stage_sections(runs: Sequence[Artifact], studio: Studio) -> list[Section]:
    """A section for each run, by stage; named after the run where a stage has several."""
    sections = []
    for stage, build in _SECTIONS.items():
        found = [run for run in runs if run.manifest.stage == stage]
        for run in found:
            section = build(run, studio)
            several = f"{section.title}: {run.manifest.name}-{run.key}"
            title = several if len(found) > 1 else section.title
            sections.append(Section(section.id, title, section.lead, section.blocks))
    return sections


def _cards(runs: Sequence[Artifact], evaluation: Artifact) -> dict[str, str]:
    """The few numbers at the top of the page."""
    cards: dict[str, str] = {}
    for run in runs:
        stage = run.manifest.stage
        if stage == "corpus" and (funnel := read_json(run, "funnel.json")):
            cards["Pages read"] = count_text(funnel["read"])
            cards["Documents kept"] = count_text(funnel["kept"])
        elif stage == "tokens" and (about := read_json(run, "tokens.json")):
            cards["Training tokens"] = count_text(about["train_tokens"])
        elif stage == "pretrain" and "params" in run.manifest.summary:
            cards["Parameters"] = count_text(run.manifest.summary["params"])
    cards |= headline(evaluation)
    cards["Time of all stages"] = duration(sum(run.manifest.seconds for run in runs))
    return cards
