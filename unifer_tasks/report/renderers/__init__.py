"""The figures as tables, plots and `scores.json`; the page has a room of its own."""
