"""Responses that try to be paid for nothing; the checks of a preset run them."""
