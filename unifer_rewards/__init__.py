"""Verifiable rewards of the UniFER recipe."""
