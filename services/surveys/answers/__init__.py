"""Answers, and the loop that a bad one opens."""
