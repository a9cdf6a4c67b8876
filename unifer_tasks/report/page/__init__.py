"""The report's page: one HTML file that opens from disk and asks the network for nothing.

`page.py` puts it together from `templates/`, `page.css` and `js/`; `tables.py` holds what its
tables show, `payload.py` what its sample browser unpacks, `pictures.py` the images, and
`sanitize.py` what keeps the words of a model from being anything but text.
"""

from unifer_tasks.report.page.page import write_page

__all__ = ["write_page"]
