"""Which analysers there are: the built-in ones, by name.

Plug-ins are found as entry points of the group `gbm.analysers`; see `plugins.py`.
"""

from jobs.analysis.analyser import Analyser

#: In the order of their columns.
BUILT_IN: tuple[Analyser, ...] = ()
