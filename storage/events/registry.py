"""The registry of this release: every type of event that may be stored."""

from storage.events import control_types, mailbox_types
from storage.events.event_type import Registry

REGISTRY = Registry((*mailbox_types.TYPES, *control_types.TYPES))
