"""The inputs of a study: the photos, and the boxes, species and true classes that belong to them."""
