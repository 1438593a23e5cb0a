"""Cards of this machine: which there are, who holds what of them, and how much is used."""
