"""Training rows: UniFER-RLVR from samples, UniFER-CoT from a teacher's rationales on them."""
