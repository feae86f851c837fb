"""What every service stands on: events, database, web, time and text. Holds no business rule."""
