"""A folder, a zip, a tar or a 7z as one tree of files."""
