"""Crawl: from archives, a folder, a web site or the running Python's documentation to pages.

Reads WARC 1.x, WET and ARC files, files of text, or fetches over HTTP. Writes `pages/*.parquet`
(a shard for each archive; columns `core.records.PAGE_COLUMNS`), `counts.json` (what was read, kept,
dropped and damaged; read = pages + dropped), and for sites `archive/*.warc.gz` with
`archive/frontier.jsonl`, the log of every URL asked for.

Sources: WARC 1.1 (ISO 28500:2017), Internet Archive ARC file format 1.0 and 2.0, HTTP semantics
(RFC 9110), robots exclusion protocol (RFC 9309), URI syntax (RFC 3986).
"""
