"""A cohort's report as one HTML file, and its figures. Needs the extra `report`."""
