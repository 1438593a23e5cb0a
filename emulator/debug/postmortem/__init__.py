"""What is left of a failed invocation: recorded, kept, and browsed after its process is gone."""
