"""Operations: administration, fleet totals, documentation, readiness, metrics."""
