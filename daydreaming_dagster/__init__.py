"""Experiments in which language models daydream: drafts, essays and evaluations."""
