"""Files of editors: what fclocal adds to them, and how it does so without touching anything else."""
