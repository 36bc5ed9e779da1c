"""What can be crawled, and how."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from groundup.core.config import VOLATILE, Config, StageConfig

__all__ = ["CrawlConfig", "PydocConfig", "SiteConfig"]


def _check_patterns(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
    return patterns


class SiteConfig(Config, frozen=True):
    """Which pages of a site, and how politely."""

    start: tuple[str, ...] = ()
    """URLs to begin at; links are followed on their hosts only."""
    contact: str = ""
    """A web page or mail address in the user agent, where the site's owner can complain."""
    delay_s: Annotated[float, Field(ge=0)] = 1.0
    """Seconds between two requests; a longer Crawl-delay in robots.txt wins."""
    max_pages: Annotated[int, Field(ge=1)] = 1000
    """URLs to ask for, at most; redirects and errors count."""
    max_depth: Annotated[int, Field(ge=0)] = 10
    """Links between a start URL and a page, at most."""
    include: tuple[str, ...] = ()
    """Regular expressions; when given, a URL must match one of them somewhere."""
    exclude: tuple[str, ...] = ()
    """Regular expressions; a URL that matches one of them somewhere is left out."""
    timeout_s: Annotated[float, Field(gt=0)] = 30.0
    """Seconds to wait for a connection or for the next bytes."""
    max_attempts: Annotated[int, Field(ge=1)] = 5
    """Requests for one URL, at most, while the server answers 429 or 503 or not at all."""

    _patterns = field_validator("include", "exclude")(_check_patterns)


class PydocConfig(Config, frozen=True):
    """Which documentation pages of the running Python."""

    packages: tuple[str, ...] = ("numpy", "torch", "torch.nn", "torch.utils")
    """Installed packages to include beside the standard library, with their direct submodules."""
    exclude: tuple[str, ...] = (
        # Importing these does something, or they document tests and tables.
        r"^(antigravity|this|idlelib|turtledemo|test|lib2to3|encodings|ensurepip)(\.|$)",
        r"(^|\.)(_|tests?(\.|$)|testing(\.|$)|conftest$)",
        # Long repetitions of other pages.
        r"^numpy\.(matlib|dtypes|f2py|distutils)(\.|$)",
        r"^torch\.(nn\.(modules|parameter|quant\w*|intrinsic|qat)|quantization|ao|masked|sparse"
        r"|cuda|return_types|distributed)(\.|$)",
        r"^tkinter\.tix$",
        # An error unless TensorBoard happens to be installed.
        r"^torch\.utils\.tensorboard$",
        # Shows a set in an order that depends on addresses in memory.
        r"^torch\.utils\.checkpoint$",
    )
    """Regular expressions of module names to leave out."""
    topics: bool = True
    """Whether the pages of the language reference are included."""
    max_pages: Annotated[int, Field(ge=1)] = 800
    """Pages to ask for, at most; those nearer to the module index come first."""

    _patterns = field_validator("exclude")(_check_patterns)


class CrawlConfig(StageConfig, frozen=True):
    """Where pages come from."""

    kind: Literal["archives", "folder", "site", "pydoc"]
    """`archives`: WARC, WET and ARC files. `folder`: HTML, text, Markdown, JSON lines and Parquet.
    `site`: a polite crawl. `pydoc`: the documentation of the Python that runs this."""
    paths: tuple[str, ...] = ()
    """Files, folders or glob patterns, from the current folder on; for `archives` and `folder`."""
    text_field: str = "text"
    """Field of a JSON line, or column of a Parquet file, that holds the text; for `folder`."""
    max_page_bytes: Annotated[int, Field(ge=1)] = 8 * 2**20
    """A page larger than this, encodings undone, is dropped."""
    max_damaged_fraction: Annotated[float, VOLATILE, Field(ge=0, le=1)] = 0.1
    """Share of the archives' bytes that may be unreadable before the stage fails."""
    workers: Annotated[int | None, VOLATILE, Field(ge=1)] = None
    """Processes that read files; when not given, up to one for each core if there is much to do."""
    site: SiteConfig = SiteConfig()
    """For `site`."""
    pydoc: PydocConfig = PydocConfig()
    """For `pydoc`."""

    @model_validator(mode="after")
    def _fields_of_kind(self) -> Self:
        if self.kind in ("archives", "folder") and not self.paths:
            raise ValueError(f'kind = "{self.kind}" needs paths')
        if self.kind == "site" and not (self.site.start and self.site.contact):
            raise ValueError('kind = "site" needs site.start and site.contact')
        return self
