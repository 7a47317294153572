"""The sentences that answer programs, and whatever else asks the page for something."""

from collections.abc import Iterable

from camcore.images.photo import ACCEPTED_FORMATS

TARGET = "animal"
FAILED = "Something failed on our side; the terminal says more. Try again, or another photo."


def fallback(reason: str, model: str) -> str:
    """Why the page uses another model than ResNet-50, and how to get that later."""
    return (
        f"{reason[:1].upper()}{reason[1:]}; until then this page uses {model}, "
        "and running `python -m export` and starting the demo again brings ResNet-50 later."
    )


def not_preferred(model: str) -> str:
    """That the page uses the model it found, and how to get ResNet-50."""
    return f"This page uses {model}, the model that is here; for ResNet-50, run `python -m export` with a network."


NO_PHOTO = f"There is no photo in what you chose: use {ACCEPTED_FORMATS}, or a zip of them."


def too_many_photos(count: int, most: int) -> str:
    """That there are more photos than the page takes."""
    return f"These are {count:,} photos, and {most:,} at a time is the most: take some out."


def too_many_files(most: int) -> str:
    """That there are more files than the page takes."""
    return f"These are more than {most:,} files: take out what is no photo."


def too_large(name: str, megabytes: int) -> str:
    """That one file is larger than the page takes."""
    return f"“{name}” is larger than {megabytes} MB: make it smaller, or take it out."


def too_much(megabytes: int) -> str:
    """That all files together are larger than the page takes."""
    return f"All of it is larger than {megabytes} MB unpacked: take some out."


def gone(name: str) -> str:
    """That an upload was cleared away, as all are after a while."""
    return f"“{name}” was cleared away in the meantime: choose it again."


def damaged_zip(name: str) -> str:
    """That a zip cannot be read."""
    return f"“{name}” is damaged, or no plain zip: pack it again."


def locked_zip(name: str) -> str:
    """That a zip has a password."""
    return f"“{name}” is locked with a password: pack it again without one."


def zip_leads_out(name: str) -> str:
    """That a zip would write outside its folder."""
    return f"“{name}” has a path that leads out of it: pack it again from inside its folder."


def cannot_unpack(name: str) -> str:
    """That a file cannot be put where the study needs it."""
    return f"“{name}” cannot be unpacked here: rename it, or try with fewer photos."


def passed_over(name: str, count: int) -> str:
    """That a zip holds links or zips, which are not followed."""
    return f"“{name}” holds {count:,} {'link or zip, which is' if count == 1 else 'links or zips, which are'} left out."


def sentence(error: Exception) -> str:
    """Return the message of an error as a sentence: with a capital letter and a full stop."""
    message = str(error)
    return message[:1].upper() + message[1:] + ("" if message.endswith(".") else ".")


NOT_UPLOADED = "This is no uploaded file: upload it first, and give what the upload answers."
UPLOAD_GONE = "This upload is no longer there, for uploads are kept for an hour: upload it again."
NOT_FOUR_EDGES = (
    "A box is four numbers: left, top, right and bottom as fractions of the photo, 0 to 1, left before right."
)


def one_of(parameter: str, choices: Iterable[str]) -> str:
    """A value that is none of those there are."""
    return f"This is not among the values for {parameter}: choose {', '.join(choices)}."


def between(parameter: str, least: float, most: float) -> str:
    """A number out of range, or no number."""
    return f"This is no {parameter}: give a number from {least:g} to {most:g}."


def true_or_false(parameter: str) -> str:
    """A switch that is neither."""
    return f"This is no value for {parameter}: give true or false."


def not_a_class(parameter: str) -> str:
    """Something that cannot name a class."""
    return f"This is no {parameter}: give the name of a class, or its index."


def against_itself(name: str) -> str:
    """A class set against itself."""
    return f"{name} cannot be set against itself: choose two classes"


def line_too_long(timeout: float) -> str:
    """A request whose turn did not come."""
    return f"too many others were asking, and the turn did not come within {timeout:g} seconds: try again later"


def took_too_long(timeout: float) -> str:
    """A request that was stopped."""
    return f"this took longer than {timeout:g} seconds and was stopped: ask for less effort, or try again later"


# The door: what is answered to a request that is not let in, or that gradio answers with an error

NOTHING_HERE = "There is nothing at this address: /gradio_api/openapi.json says what there is."
WRONG_METHOD = "This address is not asked in this way: /gradio_api/openapi.json says how."
NO_FILE = "There is no such file here, or no longer: files are kept for an hour."
NOT_FETCHED = "A file is not fetched from another address: upload it first, and give what the upload answers."
NOT_JSON = "The body is not JSON: send an object, with the header Content-Type: application/json."
BAD_CALL = "The body is not what is asked for here: /gradio_api/openapi.json says what is."
BAD_REQUEST = "This request cannot be used: /gradio_api/openapi.json says what can."
NO_ROOM = "There is no room for more uploads just now: try again in an hour, when earlier ones are cleared away."
BAD_UPLOAD = "This is no upload: send at most 1,000 files as multipart/form-data, whole, each in a field named “files”."


def wrong_values(endpoint: str, parameters: Iterable[str]) -> str:
    """Values that do not fit an endpoint, by their names or by how many they are."""
    return f"These are not the values that /{endpoint} takes: give {', '.join(parameters)}."


def file_too_large(megabytes: int) -> str:
    """A file of an upload above the limit."""
    return f"A file is larger than {megabytes} MB: make it smaller, or take it out."


def body_too_large(megabytes: int) -> str:
    """All that a request sends, above the limit."""
    return f"This is more than {megabytes} MB at once, which is the most: send less."


def busy(seconds: int) -> str:
    """The line is full."""
    return f"The service is busy, and its line is full: try again in {seconds} seconds."
