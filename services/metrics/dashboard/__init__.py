"""The dashboard: a page that draws the figures, live. It holds no data itself; what it shows it asks for by API."""
