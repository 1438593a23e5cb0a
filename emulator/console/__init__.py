"""Pages for a person, and figures for other programs, over HTTP: readers of the journal."""
