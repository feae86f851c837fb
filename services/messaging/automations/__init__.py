"""Automations: what follows an event, as data."""
