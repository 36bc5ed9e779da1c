import shutil

from groundup.report.lineage import ancestors, brief_numbers, tree


def test_every_ancestor_comes_once_and_after_its_inputs(evaluation):
    found = [run.manifest.stage for run in ancestors(evaluation)]
    assert sorted(found) == sorted(
        ["crawl", "corpus", "tokens", "instruct", "pretrain", "sft", "grpo", "evaluate"]
    )
    for run in ancestors(evaluation):
        for reference in run.manifest.inputs.values():
            assert found.index(reference.stage) < found.index(run.manifest.stage)


def test_the_tree_names_role_stage_run_and_numbers(make, tmp_path):
    crawl = make(tmp_path, "crawl", "a" * 12, summary={"read": 12_345, "rate": 0.123456})
    corpus = make(tmp_path, "corpus", "b" * 12, {"crawl": crawl})
    tokens = make(tmp_path, "tokens", "c" * 12, {"corpus": corpus, "again": crawl})
    lines = [line.replace("0.0 s", "T").replace("0.1 s", "T") for line in tree(tokens)]
    assert lines == [
        "tokens tiny-cccccccccccc  T",
        "├─ corpus: corpus tiny-bbbbbbbbbbbb  T",
        "│  └─ crawl: crawl tiny-aaaaaaaaaaaa  T, read 12,345, rate 0.1235",
        "└─ again: crawl tiny-aaaaaaaaaaaa  T, read 12,345, rate 0.1235",
    ]


def test_a_run_that_occurs_twice_is_drawn_out_once(evaluation):
    lines = tree(evaluation)
    assert sum("crawl tiny-cccccccccccc" in line for line in lines) == 2  # of corpus, of instruct
    again = [line for line in lines if line.endswith("(inputs as above)")]
    assert again
    assert sum("└─ crawl" in line for line in lines) == 2


def test_a_run_that_is_gone_is_named_by_its_key(make, tmp_path):
    crawl = make(tmp_path, "crawl", "a" * 12)
    corpus = make(tmp_path, "corpus", "b" * 12, {"crawl": crawl})
    shutil.rmtree(crawl.path)
    assert ancestors(corpus) == [corpus]
    assert tree(corpus)[1].startswith("└─ crawl: crawl aaaaaaaaaaaa  (no longer at ")


def test_brief_numbers_are_the_first_plain_ones():
    summary = {"a": True, "b": {"c": 1}, "d": 1.23456, "e": 2_000, "f": "x", "g": 0, "h": 9}
    assert brief_numbers(summary) == {"d": "1.235", "e": "2,000", "f": "x", "g": "0"}
