"""The decisions of a loop that daydreams: what to combine, what to keep, when to stop."""
