"""Which analysers there are: the built-in ones, by name.

Plug-ins are found as entry points of the group `gbm.analysers`; see `plugins.py`.
"""

from jobs.analysis.analyser import Analyser
from jobs.analysis.attachmentkinds import AttachmentKinds
from jobs.analysis.authenticity import Authenticity
from jobs.analysis.automatic import Automatic
from jobs.analysis.mailinglist import MailingList
from jobs.analysis.personaldata import PersonalData
from jobs.analysis.receipts import Receipts

#: In the order of their columns.
BUILT_IN: tuple[Analyser, ...] = (
    Automatic(),
    MailingList(),
    AttachmentKinds(),
    Authenticity(),
    PersonalData(),
    Receipts(),
)
