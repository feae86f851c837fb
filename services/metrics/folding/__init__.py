"""Folding: people about whom facts have come in are counted anew, and what changed is added to the kept counts."""
