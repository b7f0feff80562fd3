"""Catalogs, cohorts and results as the researcher's own files."""
