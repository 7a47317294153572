"""Every threshold of the verdict."""

UNSURE = 0.5  # a prediction of lower probability is uncertain
ON, OFF = 1.2, 0.8  # least lift of heat on the target, and largest lift of heat off it
SEES_ALL = 0.995  # share of the photo: a view of less is reported
FILLS = 0.7  # share of the view: a larger target holds most of nearly every map, so lift tells little
SMALL = 0.2  # share of the view: of a smaller target, losing both parts says nothing
CUT_OFF = 0.25  # share of the target outside the view: more is worth a warning
AGREE, DISAGREE = 0.5, 1 / 3  # overlap of the hottest fifths of the two methods that differ most
SEVERE, MODERATE, MINOR = 4, 2, 1  # severity of one warning; the verdict adds them up
