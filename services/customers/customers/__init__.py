"""Profiles: opened, changed, merged, erased, listed, looked up."""
