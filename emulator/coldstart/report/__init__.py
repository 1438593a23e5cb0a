"""Cold starts as files that others open: a page of HTML, a trace for Perfetto, a profile for speedscope."""
