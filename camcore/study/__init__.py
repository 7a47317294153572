"""Studies of a folder of photos: every photo explained, and a report, a table of metrics and pictures written.

`inputs` finds the photos and the boxes, species and true classes that belong to them. `record` explains one photo,
`run` explains all of them, keeps a log from which an interrupted study continues, and writes the results, and
`description` states how the study was made. README.md in this folder describes the protocols and the file formats.
"""
