"""What is wrong with stored generations."""
