"""What people say of a cohort's texts: sheets to rate them blind, and the ratings."""
