"""The product and its peers, each a module behind `base.Server`."""
