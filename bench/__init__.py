"""The benchmark: the whole product beside its peers, in one run. `make bench`, or `python -m bench --help`."""
