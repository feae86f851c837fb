"""Surveys: whom to ask and how often, what they answered, and whether the bad answers were mended."""
