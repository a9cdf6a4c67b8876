"""A recipe's YAML and its overrides -> verl's whole configuration -> typed, frozen settings.

A configuration is parsed here, once, by `parse`. What a check or the launcher needs of it is a
field of `settings.Settings`; only the record and the card show verl's own keys.
"""
