"""Samples -> the test parquets of FERBench, and their export."""
