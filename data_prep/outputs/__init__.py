"""Folders that are written: FERBench and its export, training folders, cards, checks, moves."""
