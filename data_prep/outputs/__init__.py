"""Folders that are written: benchmark and training folders, their cards, checks and moves."""
