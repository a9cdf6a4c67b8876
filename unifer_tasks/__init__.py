"""FERBench: facial expression recognition as visual question answering."""
