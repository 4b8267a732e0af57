"""Values that storage accepts and returns: records, Arrow schemas, labels, message ids, results."""
