"""FERBench in the formats of other evaluation suites, one a module."""
