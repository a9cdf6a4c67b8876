"""What every room uses: archives and folders as one tree, where output goes, maps, errors."""
