import inspect
import textwrap

import pytest

from groundup.instruct.pydoc_pages import read_page

SAMPLE = '''
"""Sample module. It has two sentences."""

class Base:
    """Base of all."""
    def shared(self, a, b=2):
        """Share a."""

class Child(Base):
    """Child(x, y=1)

    Child of Base.
    """
    def own(self, text: "str", *, end='<br>'):
        """Own it.

        More to say.
        """
    @classmethod
    def make(cls, n):
        """Make one."""
    @property
    def size(self):
        """Number of things in it."""
    async def wait(self, seconds):
        """Wait a while."""
    other = own
    def _hidden(self):
        """Nobody's business."""

def work(*names, key=None):
    """Work on names & more."""
'''


@pytest.fixture
def sample(page_of_source):
    return {item.name: item for item in read_page(page_of_source(SAMPLE))}


def test_everything_public_is_found_once_and_nothing_inherited(sample):
    assert {name: item.kind for name, item in sample.items()} == {
        "sample": "module",
        "sample.Base": "class",
        "sample.Base.shared": "method",
        "sample.Child": "class",
        "sample.Child.own": "method",
        "sample.Child.make": "method",
        "sample.Child.size": "property",
        "sample.Child.wait": "method",
        "sample.work": "function",
    }


def test_signatures_and_docstrings_come_through_the_markup(sample):
    own = sample["sample.Child.own"]
    assert own.signature is not None
    assert [(p.name, p.default) for p in own.signature.named()] == [
        ("text", None),
        ("end", "'<br>'"),
    ]
    assert own.doc.summary == "Own it."
    assert own.doc.paragraphs == ("More to say.",)
    assert own.short_name == "Child.own"
    assert own.parent == "sample.Child"
    assert sample["sample.work"].doc.summary == "Work on names & more."
    assert sample["sample"].doc.summary == "Sample module."
    assert sample["sample"].doc.rest == "It has two sentences."
    wait = sample["sample.Child.wait"]
    assert wait.signature is not None
    assert wait.signature.text == "(self, seconds)"


def test_a_class_is_called_as_its_docstring_says(sample):
    child = sample["sample.Child"]
    assert child.doc.summary == "Child of Base."
    assert child.signature is not None


def test_signatures_of_a_real_module_are_those_of_inspect(page):
    found = {item.name: item for item in read_page(page("textwrap"))}
    for function in (textwrap.fill, textwrap.shorten, textwrap.TextWrapper):
        item = found[f"textwrap.{function.__name__}"]
        assert item.signature is not None
        assert item.signature.text == str(inspect.signature(function))
    assert found["textwrap.dedent"].doc.summary == (
        "Remove any common leading whitespace from every line in `text`."
    )


@pytest.mark.parametrize("name", ["collections", "email.message", "math", "datetime"])
def test_every_documented_public_function_of_a_module_is_found(page, name):
    module = __import__(name, fromlist=["*"])
    public = getattr(module, "__all__", None) or [n for n in vars(module) if n[0] != "_"]
    wanted = {
        f"{name}.{attribute}"
        for attribute in public
        if inspect.isroutine(getattr(module, attribute))
        and (getattr(module, attribute).__module__ or name).startswith(name)
    }
    assert wanted <= {item.name for item in read_page(page(name))}


@pytest.mark.parametrize(
    "html",
    [
        "",
        "<html><body><p>hello",
        "<title>Pydoc: Error - x.html</title><body><table class=section></table>",
        "<title>Pydoc: Topic - FOR</title><body></body>",
        "<title>Pydoc: module _private</title><body></body>",
    ],
)
def test_other_pages_hold_no_objects(html):
    assert read_page(html) == []
