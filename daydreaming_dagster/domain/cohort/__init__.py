"""Cohorts: specification, plan, progress, staleness."""
