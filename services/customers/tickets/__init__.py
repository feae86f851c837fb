"""Tickets: what customers ask, want and complain of."""
