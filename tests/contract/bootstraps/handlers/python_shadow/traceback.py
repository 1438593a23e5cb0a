"""A user's file with the name of a module that the bootstrap needs."""
