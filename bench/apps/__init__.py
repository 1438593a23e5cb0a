"""Programs that the bench starts: the yardstick and the floor."""
