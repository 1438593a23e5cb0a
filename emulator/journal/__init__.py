"""The one stream of facts and its readings."""
