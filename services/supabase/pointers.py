"""Which stored videos any row of the app needs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from services.supabase.client import Supabase

# A request's address holds so many paths or URLs of some 250 characters: 5 KB, where gateways
# take 8.
_AT_ONCE = 20


class _Columns(NamedTuple):
    paths: Sequence[str]
    addresses: Sequence[str]


_POINTERS: Mapping[str, _Columns] = {
    "project_video_clips": _Columns(
        ("storage_path", "video_storage_path"), ("cdn_url", "video_url", "video_url_external")
    ),
    "video_agent_projects": _Columns(("final_video_storage_path",), ("final_video_url",)),
    "user_videos": _Columns(("storage_path",), ("original_url",)),
}


class Pointers:
    """The columns of all tables in which a stored video may stand."""

    def __init__(self, supabase: "Supabase") -> None:
        self._supabase = supabase

    async def needed(self, addresses: Mapping[str, str]) -> set[str]:
        """Those of the object paths that a row names, by path or by URL. Raises ServiceError.

        `addresses` has the public URL of each path.
        """
        paths = list(addresses)
        found: set[str] = set()
        for start in range(0, len(paths), _AT_ONCE):
            some = {path: addresses[path] for path in paths[start : start + _AT_ONCE]}
            found |= await self._of(some)
        return found

    async def _of(self, addresses: Mapping[str, str]) -> set[str]:
        by_address = {address: path for path, address in addresses.items()}
        found: set[str] = set()
        for table, columns in _POINTERS.items():
            for column in columns.paths:
                found |= await self._values(table, column, list(addresses))
            for column in columns.addresses:
                named = await self._values(table, column, list(by_address))
                found |= {by_address[address] for address in named}
        return found

    async def _values(self, table: str, column: str, values: Sequence[str]) -> set[str]:
        rows = await self._supabase.query(
            "read which objects are needed",
            lambda db: db.from_(table).select(column).in_(column, values).execute(),
        )
        return {row[column] for row in rows}
