"""What judges said of a cohort's essays."""
