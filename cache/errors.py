"""The exceptions that a user meets, each with one clear line: what is wrong, where, and what to do.

    Hw3Error
    ├── UsageError           an argument or a configuration is wrong
    ├── DatasetError         pictures or annotations cannot be read
    ├── CheckpointError      a model's or tokenizer's files cannot be used
    ├── CacheError           a cache cannot be used
    │   ├── CacheNotFound    there is none at that place
    │   ├── CacheUnfinished  precompute has not ended yet
    │   ├── CacheNewer       written by a later version of the program
    │   └── CacheDamaged     a file is missing, cut short or altered
    └── JudgementsError      what a person added cannot be read or kept (cache/statements)

Both commands print the message of an `Hw3Error` on standard error and exit with code 2. Anything else that
escapes is a bug and keeps its traceback.
"""

from __future__ import annotations


class Hw3Error(Exception):
    """Base of all errors whose message is meant for the user."""


class UsageError(Hw3Error):
    """An argument or a configuration is wrong."""


class DatasetError(Hw3Error):
    """Pictures or annotations cannot be read."""


class CheckpointError(Hw3Error):
    """A model's or a tokenizer's files cannot be used."""


class CacheError(Hw3Error):
    """A cache cannot be used."""


class CacheNotFound(CacheError):
    """There is no cache at that place."""


class CacheUnfinished(CacheError):
    """The cache is still being computed, or precompute was interrupted."""


class CacheNewer(CacheError):
    """The cache was written by a later version of the program."""


class CacheDamaged(CacheError):
    """A file of the cache is missing, cut short or altered."""
