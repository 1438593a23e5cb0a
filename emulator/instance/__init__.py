"""An instance's lifecycle, its wire and FC's headers."""
