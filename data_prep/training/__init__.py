"""Samples -> the training rows of UniFER-RLVR."""
