"""Plays the story of one customer, and feeds a real log of purchases, through the public API alone."""
