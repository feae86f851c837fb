"""The surveys: what is asked, on which scale, and of whom."""
