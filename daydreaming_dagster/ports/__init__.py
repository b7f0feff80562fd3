"""The interfaces that the domain depends on, with their errors and ids."""
