"""Corpus: crawled pages in, clean documents and a funnel report out.

Reads `pages/*.parquet` of a crawl. Writes `documents/train-*.parquet`,
`documents/validation-*.parquet`, `funnel.json` (how many pages each rule removed, with samples)
and `removed.parquet` (for every page that is gone, the rule that removed it).

Sources: Gopher (Rae et al. 2021, arXiv 2112.11446, appendix A.1), C4 (Raffel et al. 2020, arXiv
1910.10683, section 2.2), CCNet (Wenzek et al. 2020, arXiv 1911.00359, section 3.1), MinHash
settings as in FineWeb (Penedo et al. 2024, arXiv 2406.17557, section 3.4).
"""
