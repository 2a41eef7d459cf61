"""A stage as a sum of squares: what is sought, what it costs, and how that changes."""
