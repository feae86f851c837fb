"""The dashboard: a page that draws the figures live."""
