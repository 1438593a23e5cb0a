"""What happens to functions over hours, played in seconds."""
