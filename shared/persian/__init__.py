"""Persian input and output: text, digits, phone numbers, email addresses and the Jalali calendar."""
