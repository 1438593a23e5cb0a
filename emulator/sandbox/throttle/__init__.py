"""A file system that shows a folder at the speed of another disk: a program of its own, only the standard library."""
