"""What is read in a model's answer."""
