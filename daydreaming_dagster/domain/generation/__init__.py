"""How one generation is made, and a run of many."""
