"""What the files of a study are called."""

TABLE, CSV, JSON, PICTURE = "study.md", "study.csv", "study.json", "grid.jpg"
