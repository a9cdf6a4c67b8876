"""What every room may use and what knows nothing of faces: files, locks, secrets, extras, words."""
