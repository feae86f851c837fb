"""Agents: the staff who answer, and how leads are shared out among them."""
