"""The sections of a report that are a text and a table: one module each, listed in `listed.py`.

A section's module turns the runs into a `Section`; Markdown, the page and `scores.json` follow.
"""
