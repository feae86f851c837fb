"""How often a person may be asked, across all surveys."""
