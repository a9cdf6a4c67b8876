"""What lies on disk: the benchmark folder, and what models answered.

A benchmark folder has a manifest, a file for each dataset and annotations of its questions. Answers
are read from lmms-eval's sample logs and from prediction files, as typed predictions.
"""
