"""Persian input and output: text, digits, phone numbers and the Jalali calendar."""
