"""Asking models by batch: what is asked is written down first, and answers come later."""
