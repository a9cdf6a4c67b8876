"""A rationale -> cues of action units, their polarity, and what they say of the answer."""
