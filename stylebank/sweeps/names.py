"""What the files of a study are called."""

TABLE, JSON, PICTURE = "study.md", "study.json", "grid.jpg"
