"""Groups of animals: everyday words for them, and the ImageNet classes of each, to suggest classes by meaning."""

import re
from collections.abc import Sequence
from typing import NamedTuple


class ClassGroup(NamedTuple):
    """A group of animals: its title, words that stand for its animals, and ImageNet classes that belong to it.

    The words are those of people, so a class may belong to a group of another family than its own.
    """

    title: str
    words: frozenset[str]
    classes: tuple[str, ...]


def _group(title: str, words: str, classes: str) -> ClassGroup:
    return ClassGroup(title, frozenset(words.split()), tuple(classes.split(", ")))


GROUPS = (
    _group(
        "birds of prey and owls",
        "accipiter boobook buzzard caracara condor eagle falcon goshawk gyrfalcon harrier hawk hobby kestrel kite "
        "lammergeier merlin osprey owl owlet peregrine raptor shikra sparrowhawk vulture",
        "kite, bald eagle, vulture, great grey owl",
    ),
    _group(
        "songbirds",
        "accentor babbler blackbird blackcap bluebird bluetit brambling bulbul bullfinch bunting cardinal chaffinch "
        "chat chickadee chiffchaff cowbird creeper crossbill dipper drongo dunnock fieldfare finch flycatcher "
        "goldcrest goldfinch grackle greenfinch hawfinch iora junco lark linnet martin meadowlark minivet mockingbird "
        "munia myna mynah nightingale nuthatch oriole ouzel ovenbird pipit prinia redpoll redstart redwing robin "
        "rosefinch serin shrike siskin skylark sparrow starling stonechat sunbird swallow tanager thrush tit titmouse "
        "towhee treecreeper vireo wagtail warbler waxwing weaver wheatear whinchat whitethroat wren yellowhammer",
        "robin, house finch, goldfinch, brambling, junco, indigo bunting, bulbul, chickadee, water ouzel",
    ),
    _group("crows and jays", "chough crow jackdaw jay magpie nutcracker raven rook treepie", "magpie, jay"),
    _group(
        "ducks, geese and swans",
        "duck eider gadwall garganey goldeneye goosander goose mallard merganser pintail pochard scaup scoter "
        "shelduck shoveler shoveller smew swan teal waterfowl wigeon",
        "drake, red-breasted merganser, goose, black swan",
    ),
    _group(
        "herons, storks, cranes and similar birds",
        "adjutant bittern crane egret flamingo hamerkop heron ibis jabiru spoonbill stork",
        "little blue heron, American egret, bittern, white stork, black stork, crane bird, spoonbill, flamingo",
    ),
    _group(
        "rails, coots and similar birds",
        "coot crake gallinule moorhen rail swamphen",
        "European gallinule, American coot, limpkin",
    ),
    _group(
        "waders",
        "avocet curlew dotterel dowitcher dunlin godwit greenshank knot lapwing oystercatcher phalarope plover "
        "redshank ruff sanderling sandpiper shorebird snipe stilt stint turnstone wader whimbrel woodcock",
        "ruddy turnstone, red-backed sandpiper, redshank, dowitcher, oystercatcher",
    ),
    _group(
        "birds of the sea",
        "albatross auk booby cormorant frigatebird fulmar gannet grebe guillemot gull kittiwake loon murre pelican "
        "penguin petrel puffin razorbill seabird seagull shag shearwater skua tern",
        "albatross, pelican, king penguin",
    ),
    _group(
        "parrots",
        "amazon budgerigar budgie cockatiel cockatoo conure galah kakapo kea lorikeet lory lovebird macaw parakeet "
        "parrot",
        "macaw, African grey, sulphur-crested cockatoo, lorikeet",
    ),
    _group(
        "game birds",
        "bobwhite capercaillie chicken chukar curassow fowl francolin grouse guan guineafowl junglefowl monal "
        "partridge peacock peafowl peahen pheasant ptarmigan quail rooster turkey",
        "black grouse, ruffed grouse, ptarmigan, prairie chicken, quail, partridge, peacock, cock, hen",
    ),
    _group("large birds that walk", "bustard cassowary emu florican ostrich rhea", "ostrich, bustard"),
    _group(
        "kingfishers, woodpeckers, cuckoos and similar birds",
        "barbet bee-eater coucal cuckoo flameback flicker hoopoe hornbill hummingbird jacamar kingfisher koel "
        "kookaburra roller toucan trogon woodpecker wryneck",
        "hornbill, toucan, jacamar, bee eater, coucal, hummingbird",
    ),
    _group(
        "cats",
        "bobcat caracal cat cougar jaguar jaguarundi leopard lion lioness lynx margay ocelot panther puma serval "
        "tiger tigress wildcat",
        "leopard, snow leopard, jaguar, tiger, lion, cheetah, cougar, lynx, tiger cat, tabby",
    ),
    _group(
        "wild dogs, wolves, foxes and hyenas",
        "coyote dhole dingo fox hyaena hyena jackal wolf wolves",
        "timber wolf, white wolf, red wolf, coyote, dingo, dhole, African hunting dog, hyena, red fox, grey fox",
    ),
    _group(
        "bears and pandas",
        "bear grizzly panda",
        "brown bear, American black bear, ice bear, sloth bear, giant panda, lesser panda",
    ),
    _group(
        "hoofed animals",
        "antelope argali blackbuck boar buck buffalo bushbuck bushpig camel caribou chamois chital deer doe donkey "
        "duiker eland elk gaur gazelle gemsbok giraffe gnu goat guanaco hartebeest hippo horse ibex impala javelina "
        "kudu markhor moose mouflon muntjac muskox nilgai nyala okapi onager oribi oryx peccary pig pronghorn "
        "reedbuck reindeer sambar serow sheep springbok stag steenbok tahr topi vicuna waterbuck wildebeest yak zebra",
        "hartebeest, impala, gazelle, ibex, bighorn, bison, ox, water buffalo, wild boar, warthog, sorrel, zebra",
    ),
    _group(
        "martens, weasels, otters and similar animals",
        "badger civet coati ermine ferret fisher genet marten mink mongoose otter polecat raccoon ratel sable skunk "
        "stoat tayra weasel wolverine",
        "weasel, mink, polecat, black-footed ferret, otter, badger, skunk, mongoose, meerkat",
    ),
    _group(
        "apes, monkeys and lemurs",
        "ape baboon bonobo bushbaby chimp chimpanzee galago gibbon gorilla howler lemur loris macaque mandrill "
        "mangabey marmoset monkey orangutan primate sifaka tamarin tarsier vervet",
        "chimpanzee, gorilla, orangutan, gibbon, baboon, macaque, langur, guenon, capuchin, marmoset, Madagascar cat",
    ),
    _group(
        "hares and rodents",
        "agouti capybara chipmunk cottontail dormouse gerbil gopher groundhog hare jackrabbit lemming mouse muskrat "
        "nutria paca pika porcupine rabbit rat rodent squirrel vole woodchuck",
        "hare, wood rabbit, fox squirrel, marmot, beaver, porcupine, hamster, guinea pig",
    ),
    _group(
        "animals of Australia",
        "bandicoot kangaroo marsupial pademelon possum wallaroo",
        "wallaby, koala, wombat, echidna",
    ),
    _group("elephants", "elephant", "African elephant, Indian elephant, tusker"),
    _group(
        "seals, dolphins, whales and similar animals",
        "dolphin porpoise seal walrus whale",
        "sea lion, grey whale, killer whale, dugong",
    ),
)  # fmt: skip


def find_group(labels: Sequence[str], name: str) -> tuple[str, list[str]] | None:
    """Return the title of the group of the last word of `name` that is in one, and its classes among the labels.

    Classes named after the word come first. Return None if no word is in a group, or the model has no class of it.
    """
    for word in reversed(re.findall(r"[\w-]+", name.casefold())):
        for group in GROUPS:
            if matches := group.words & {word, word.removesuffix("s"), word.rpartition("-")[2]}:
                classes = [label for label in group.classes if label in labels]
                classes.sort(key=lambda label: matches.isdisjoint(label.casefold().split()))
                return (group.title, classes) if classes else None
    return None
