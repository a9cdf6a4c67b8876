"""Synthetic faces, and the stand-ins for benchmark and training data that are made of them."""
