"""The inputs of a study: photos, and the boxes, species and true names that belong to them."""
