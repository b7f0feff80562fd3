"""HTML files for people: reports (they need the extra `report`), and sheets to rate texts."""
