"""Purchases, their refunds and their cancellation."""
