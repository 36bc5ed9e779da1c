"""Scaling: finished runs to a law of loss, and the law to a plan.

Reads tables of runs (`points.csv`, own or published) and manifests of finished runs. Writes
`fit.json` and figures; a plan is printed. No PyTorch. Papers: Kaplan et al. 2020 (arXiv
2001.08361), Hoffmann et al. 2022 (2203.15556), Besiroglu et al. 2024 (2404.10102), Muennighoff et
al. 2023 (2305.16264), Sardana et al. 2024 (2401.00448), Wei et al. 2022 (2206.07682), Schaeffer et
al. 2023 (2304.15004).

- `laws`: forms and published constants; `optimum`: best sizes with repeated data and with serving
- `points` -> `forms`, `fit` -> `resample` -> `forecast`: a table to a law, its spread, its error on
  the largest run; `isoflop`: the best size without a law; `frontier`: a law from optima
- `analysis`, `saved`, `fit_figures`: all of it, as JSON and as charts
- `shapes`, `sizing`, `devices`, `memory`, `plan`, `families`: a budget to a model, its data,
  time and money
- `corpus_plan`: a crawl to documents, bytes and core-hours
- `results` -> `curves`, `emergence`, `emergence_figures`: when an ability appears, and whether it
  only seems to
"""
