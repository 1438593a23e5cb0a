"""Names become revisions."""
