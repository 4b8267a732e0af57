"""A deterministic simulation of the sync engine: the real `Shard` between a model Gmail and a model Postgres.

One seed is one history: every delay, fault, crash and change of mail is drawn from it, and time is a number.
"""
