"""HTTP mechanics that know no service: middleware, problems, ranges, streams, caches."""
