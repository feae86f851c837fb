"""Texts by code, locale and channel."""
