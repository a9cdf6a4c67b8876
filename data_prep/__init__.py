"""From face images to FERBench and its training sets."""
