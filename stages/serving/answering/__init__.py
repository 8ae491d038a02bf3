"""From the bytes of an image to an answer or a picture, beside the requests."""
