import pytest

from groundup.core.config import semantic, validate
from groundup.core.errors import ConfigError
from groundup.crawl.config import CrawlConfig


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "archives"}, "needs paths"),
        ({"kind": "folder"}, "needs paths"),
        ({"kind": "site", "site": {"start": ["http://a/"]}}, "site.contact"),
        ({"kind": "site", "site": {"include": ["("]}}, "not a regular expression"),
        ({"kind": "pydoc", "pydoc": {"exclude": ["*"]}}, "not a regular expression"),
        ({"kind": "web"}, "kind"),
    ],
)
def test_wrong_recipes_are_refused_in_words(values, message):
    with pytest.raises(ConfigError, match=message):
        validate(CrawlConfig, values, source="r.toml")


def test_what_never_changes_a_result_is_not_in_the_key():
    one = validate(CrawlConfig, {"kind": "pydoc"}, source="r")
    two = validate(
        CrawlConfig, {"kind": "pydoc", "workers": 3, "max_damaged_fraction": 0.5}, source="r"
    )
    assert semantic(one) == semantic(two)
