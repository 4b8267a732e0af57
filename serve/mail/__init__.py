"""The emails application: lists, messages, threads, attachments."""
