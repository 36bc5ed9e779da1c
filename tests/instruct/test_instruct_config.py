import pytest

from groundup.core.config import inputs_of, validate
from groundup.core.errors import ConfigError
from groundup.instruct.config import InstructConfig


def test_a_source_without_its_input_is_refused():
    with pytest.raises(ConfigError, match="needs paths"):
        validate(InstructConfig, {"source": "files"}, source="here")
    with pytest.raises(ConfigError, match="needs crawl"):
        validate(InstructConfig, {"source": "pydoc"}, source="here")


def test_the_crawl_is_an_input_only_when_given():
    pydoc = validate(InstructConfig, {"source": "pydoc", "crawl": "crawl.toml"}, source="here")
    files = validate(InstructConfig, {"paths": ["a.json"]}, source="here")
    assert inputs_of(pydoc) == {"crawl": "crawl.toml"}
    assert inputs_of(files) == {}


def test_counts_can_be_set_in_a_recipe():
    config = validate(
        InstructConfig,
        {"source": "pydoc", "crawl": "crawl.toml", "counts": {"n_must": 0}},
        source="here",
    )
    assert config.counts.n_must == 0
    assert config.counts.n_read == 6400
