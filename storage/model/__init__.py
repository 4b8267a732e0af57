"""Values that cross the border of storage: records, Arrow schemas, labels, message ids, results."""
