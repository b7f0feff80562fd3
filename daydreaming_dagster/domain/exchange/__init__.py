"""Scores that other tools gave to texts, and results as these tools write them."""
