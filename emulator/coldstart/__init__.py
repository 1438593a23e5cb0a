"""Cold starts: forced, taken apart, compared, and what could be made of them."""
