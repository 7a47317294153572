"""Names of the files and folders that a study writes into its output folder."""

REPORT = "report.html"
METRICS = "figures.csv"
STUDY = "study.json"
PROGRESS = "progress.jsonl"
PICTURES = "explanations"
THUMBNAILS = "thumbnails"
ROWS = "rows"
