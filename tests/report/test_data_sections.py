from groundup.core.artifact import Manifest, RunDir
from groundup.report.data_sections import tokens_section
from groundup.report.figures import Studio


def test_the_sources_of_a_mixture_and_what_was_left_out_are_listed(tmp_path):
    out = RunDir(tmp_path / "t", Manifest(stage="tokens", stage_version=1, name="t", key="k"), "")
    sources = {"books": {"train_tokens": 1_200}, "web": {"train_tokens": 3_400}}
    out.write_json("tokens.json", {"vocab_size": 300, "train_tokens": 4_600, "sources": sources})
    out.write_json("opt_out.json", {"documents": 7, "tokens": 90})
    section = tokens_section(out.complete(), Studio(out))
    rows = dict(section.blocks[0].rows)
    assert rows["source books: training tokens"] == "1,200"
    assert rows["source web: training tokens"] == "3,400"
    assert rows["documents left out on request"] == "7"
