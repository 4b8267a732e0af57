"""Stateless work: the Gmail client, MIME, fetch, process."""
