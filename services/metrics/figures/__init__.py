"""Figures: what is asked for, read from kept counts or counted on demand."""
