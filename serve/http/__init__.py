"""HTTP mechanics for every application: middleware, problem documents, byte ranges, event streams, response cache."""
