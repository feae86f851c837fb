"""What a customer is: types and lifecycle stage, by a pure rule over the history."""
