"""groundup: from a raw web crawl to a language model of your own."""

__version__ = "0.1.0"
