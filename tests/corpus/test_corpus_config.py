"""Settings: rules by name, and what cannot be said."""

import pytest

from groundup.core.config import semantic, to_toml, validate
from groundup.core.errors import ConfigError
from groundup.corpus.config import RULES, CorpusConfig


def config(**values):
    return validate(CorpusConfig, {"crawl": "crawl.toml", **values}, source="recipe")


def test_a_family_or_one_rule_can_be_switched_off():
    chosen = config(off=["c4", "gopher.symbols"])
    assert not chosen.is_on("c4.curly_bracket")
    assert not chosen.is_on("gopher.symbols")
    assert chosen.is_on("gopher.min_words")


def test_a_misspelt_rule_is_refused_with_the_known_names():
    with pytest.raises(ConfigError, match="there is no rule"):
        config(off=["gopher.min_word"])


def test_rules_that_keep_the_program_alive_stay_on():
    with pytest.raises(ConfigError, match="nesting cannot be switched off"):
        config(off=["nesting"])


def test_no_languages_means_all_languages():
    assert config(languages=["de"]).is_on("language")
    assert not config(languages=[]).is_on("language")
    assert not config(languages=[]).is_on("language_confidence")


def test_rules_that_only_take_out_lines_drop_no_page():
    dropping = config(off=[], drop_repeated_paragraphs=True).dropping_rules()
    assert set(RULES) - set(dropping) == {
        "c4.citations",
        "c4.line_terminal_mark",
        "c4.line_words",
        "c4.line_javascript",
        "c4.line_policy",
    }


def test_workers_change_no_key_and_rules_do():
    assert semantic(config(workers=1)) == semantic(config(workers=7))
    assert semantic(config(off=["c4"])) != semantic(config())
    assert "workers" not in to_toml("corpus", config())
