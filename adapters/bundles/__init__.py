"""Bundles of cohorts as files."""
