"""Leads: captures, touches, the first-response clock and what became of each."""
