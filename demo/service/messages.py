"""Messages to visitors and programs that several modules share."""

from collections.abc import Iterable

TARGET = "animal"  # what boxes mark
FAILED = "Something failed on our side; the terminal says more. Try again, or another photo."


def sentence(error: object) -> str:
    """Return an error, or its message, as a sentence: with a capital letter and a full stop."""
    message = str(error)
    return message[:1].upper() + message[1:] + ("" if message.endswith(".") else ".")


NOT_UPLOADED = "This is no uploaded file: upload it first, and give what the upload answers."

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
