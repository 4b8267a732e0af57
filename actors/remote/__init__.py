"""Shards and brokers as Ray actors, and the work of shards as Ray tasks. The only folder of actors/ that knows Ray.

Actors are detached, named and alone of their name in the namespace; they restart for ever, and whatever must survive
is in Postgres before it is in an actor. Methods are safe to repeat; Ray retries none of them.
"""
