"""Files and options become functions and settings."""
