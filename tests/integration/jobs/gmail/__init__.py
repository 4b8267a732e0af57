"""The Gmail client against the simulator, over real HTTP."""
