"""Which instance serves; when to create, freeze and retire."""
