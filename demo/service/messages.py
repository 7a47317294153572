"""Messages to visitors and programs that several modules share."""

TARGET = "animal"  # what boxes mark
FAILED = "Something failed on our side; the terminal says more. Try again, or another photo."
UNUSABLE = "The page sent a value that cannot be used here: reload the page, and try again."
NOT_UPLOADED = "This is not an uploaded file: upload it first, and give the path that the upload returns."


def sentence(error: object) -> str:
    """Return an error, or its message, as a sentence: with a capital letter and a full stop."""
    message = str(error)
    return message[:1].upper() + message[1:] + ("" if message.endswith(".") else ".")
