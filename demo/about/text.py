"""The sentences of the tab About."""

ABOUT_METHODS = "What each method computes"
ABOUT_MAP = (
    "A classifier turns a photo into feature maps, one for each channel *k* of its last convolutional layer, and "
    "those into a score *y* for every name it knows. All three methods give each channel a weight, add up the "
    "weighted maps, and keep what lies above zero:",
    "The result is enlarged to the size of the photo and stretched, so that 0 is the coldest place and 1 the hottest. "
    "So nearly every map has a hot spot, that of a wrong name too. The methods differ only in the weight *w*.",
)
ABOUT_WEIGHTS = {
    "grad-cam": (
        "How much would the score rise if this feature were a little stronger, on average over the *n* places of its "
        "map? One pass back through the model answers that for all channels."
    ),
    "grad-cam++": (
        "Counts only the places where a stronger feature would raise the score, and less of them where the feature "
        "already covers much of the photo. Several animals then each get their share."
    ),
    "score-cam": (
        "Takes each feature’s map as a mask *H*, shows the model only what the mask lets through of the photo *x*, "
        "and asks for the score again. No gradient, but one run of the model for each channel: 2,048 for a ResNet-50. "
        "The fast map runs those that tell most, predicts the others, and estimates how alike it is to the full one: "
        "that is the fidelity under the map."
    ),
}
ABOUT_WHERE = "where"

ABOUT_TRUST = "How far to trust a map"
ABOUT_LIMITS = {
    "Where, not what": (
        "A map tells where the evidence for a name lies, not what the model made of it. Heat on the bird is no proof "
        "that the model knows the bird. Heat beside it is a reason to look again: crop the surroundings away, and ask "
        "once more."
    ),
    "Two alike maps are one witness": (
        "Models that end in an average and one linear layer, as ResNets do, leave the methods little to differ in. "
        "There Grad-CAM is exactly the classic class activation map, and Grad-CAM++ the same features weighted "
        "another way. That these two agree is no evidence."
    ),
    "Grad-CAM++ hardly notices what was learnt": (
        "Give the classifier random weights, and a map that speaks of the name must change. Over 14 photos, the maps "
        "of Grad-CAM before and after are hardly alike (correlation 0.18), those of Grad-CAM++ nearly the same (0.96). "
        "It shows where something is, more than what speaks for this name."
    ),
}
ABOUT_FIGURES = "What the figures mean"
ABOUT_FIGURES_NOTE = (
    "They compare methods on one photo. Photos with places hidden or blurred are unlike any that the model was trained "
    "on, so no figure proves a map right."
)
ABOUT_FIGURE_MEANINGS = {
    "Energy": "How much of the heat lies inside the box around the animal.",
    "Lift": "Energy divided by the box’s share of the picture: 1 is what an even map would get, 2 twice that.",
    "Pointing": "Whether the hottest place lies inside the box.",
    "Average drop": "How much less probable the name becomes when only the hot places are shown. Lower is better.",
    "Average gain": "How much more probable it becomes, where it does. Higher is better.",
    "Deletion": "The name’s probability while the hottest places are taken away, one after the other. Lower is better.",
    "Insertion": "The same while they return over a blurred photo. Higher is better.",
    "Agreement": "How alike two maps order all places (1: the same order), and what their hottest fifths share.",
    "Fidelity": "How alike the fast Score-CAM is to that of all channels, by its own cautious estimate.",
}

ABOUT_STUDY = "What the original study found"
ABOUT_STUDY_LEAD = "Three Himalayan birds, shown to a classifier that has a class for only one of them:"
ABOUT_CASES = (
    (
        "Bonelli’s Eagle", "Aquila fasciata", "Wrong place, wrong name",
        "Called “cliff”: the heat lay on the rock, not on the bird.",
    ),
    (
        "Chestnut-bellied Rock Thrush", "Monticola rufiventris", "Right place, wrong name",
        "The heat lay on the bird, and the name was still another’s. A good map does not make a name true.",
    ),
    (
        "Himalayan Bulbul", "Pycnonotus leucogenys", "Right place, right name",
        "The heat lay on the bird, and the name was right: for the right reason.",
    ),
)  # fmt: skip

ABOUT_WHY = "Why it matters in conservation"
ABOUT_WHY_TEXT = (
    "Camera traps take more pictures than people can look at, so a classifier sorts them, and its counts become "
    "estimates of what lives there. A trap stands still: every photo of a site has the same rocks and the same tree. A "
    "model that learns the background does well where it was trained and fails at the next site, as Beery and "
    "colleagues measured in 2018. Its accuracy does not warn you; a map can.",
    "Before you trust the counts, look at the maps of some photos of each species and each site. Is the heat on the "
    "animal? If not, test the model where it has never been.",
)

ABOUT_SOURCES = "Sources"
ABOUT_PAPERS = (
    ("Selvaraju et al. 2017", "Grad-CAM", "1610.02391"),
    ("Chattopadhay et al. 2018", "Grad-CAM++; average drop and increase", "1710.11063"),
    ("Wang et al. 2020", "Score-CAM; energy", "1910.01279"),
    ("Petsiuk et al. 2018", "RISE: deletion and insertion", "1806.07421"),
    ("Zhang et al. 2016", "Excitation backprop: pointing", "1608.00507"),
    ("Zhang et al. 2023", "Opti-CAM: average gain", "2301.07002"),
    ("Adebayo et al. 2018", "Sanity checks for saliency maps", "1810.03292"),
    ("Beery et al. 2018", "Recognition in terra incognita: camera traps", "1807.04975"),
)
