"""The report: everything from the crawl to the answers on one page that opens without a network.

Reads an `evaluate` run and, through its lineage, every run that led to it. Writes `report.html`
(self-contained), `report.md` (the numbers), and `figures/*.svg|png`. A stage that a model did
without, such as reinforcement learning, is left out of the page.

- `run`: the stage; `lineage`: what was made from what
- `blocks`: what a section is made of; `page.html.j2` and `page` turn sections into HTML
- `figures`: charts as files and as part of the page
- `data_sections`, `training_sections`, `score_sections`, `record_sections`: one function a section
"""

__all__: list[str] = []
