"""A teacher's rationales -> the cold-start rows of UniFER-CoT."""
