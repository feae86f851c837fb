"""Copies of contact cards: who can be reached, and how."""
