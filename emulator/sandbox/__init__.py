"""Walls: processes behind bubblewrap, Landlock or nothing, with limits and a real freeze. Knows no function."""
