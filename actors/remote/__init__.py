"""Shards and brokers as Ray actors, and the work of shards as Ray tasks. The only folder of actors/ that knows Ray.

Actors are detached, and named uniquely in the namespace. They restart without limit; state that must survive
is in Postgres before it is in an actor. Methods are idempotent; Ray retries none of them.
"""
