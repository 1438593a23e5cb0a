"""Frozen data, state tables, errors and the constants of Function Compute. Imports nothing of the emulator."""
