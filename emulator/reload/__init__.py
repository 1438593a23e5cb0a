"""What changes on the disk becomes a new revision while the emulator runs."""
