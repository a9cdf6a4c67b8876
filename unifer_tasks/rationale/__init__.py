"""Read a rationale: action-unit cues, their polarity, and the labels argued for."""
