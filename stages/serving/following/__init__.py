"""Which version answers: find, check, load and swap it."""
