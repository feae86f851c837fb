"""Persons: who is behind a lead, minted once and found again."""
