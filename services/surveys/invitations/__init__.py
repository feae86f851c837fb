"""Invitations: every request to ask a person, granted or refused."""
