"""From runs to a page: what was read, what it measures, and how it is shown."""
