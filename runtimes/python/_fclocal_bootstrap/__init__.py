"""The Python bootstrap's parts. The name is one that no user's module has, since both share one interpreter."""
