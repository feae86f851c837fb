"""Metrics: facts from the events of all services, and the figures made of them."""
