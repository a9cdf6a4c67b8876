"""Images: inspection, fingerprints, near duplicates and leaks."""
