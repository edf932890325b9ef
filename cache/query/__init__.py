"""The filter language: text becomes a `Query`, a query becomes a mask over a run. In words: `docs/filter-language.md`.

Importing this package imports neither pyarrow nor a cache; `Query.mask` does, when it is first asked.
"""

from .completion import completions
from .errors import QueryCancelled, QueryError
from .fields import BY_JUDGEMENT, TEXTS, Fields
from .parser import parse
from .query import Query, search
from .tables import Judgement, RunTable, Table

__all__ = [
    "BY_JUDGEMENT",
    "TEXTS",
    "Fields",
    "Judgement",
    "Query",
    "QueryCancelled",
    "QueryError",
    "RunTable",
    "Table",
    "completions",
    "parse",
    "search",
]
