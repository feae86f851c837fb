"""Accounts at SMS panels and mail servers, their lines, and the adapters that speak to them."""
