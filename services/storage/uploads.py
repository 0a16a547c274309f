"""Uploads of large files, by the protocol that suits their size and the server."""

from config.settings import Settings
from services.storage.objects import new_storage_client, send_whole
from services.storage.spool import Upload
from services.storage.tus import Tus
from services.supabase.client import Supabase


class Uploads:
    """One project's storage, over the connections of `supabase`.

    What the server offers is determined once.
    """

    def __init__(self, settings: Settings, supabase: Supabase) -> None:
        self._client = new_storage_client(settings, supabase.transport)
        self._circuit = supabase.file_circuit
        self._tus = Tus(self._client, self._circuit)

    async def send(self, upload: Upload) -> None:
        """Store the file, replacing an existing one. After a ServiceError nothing is stored."""
        if self._tus.suits(upload) and await self._tus.send(upload):
            return
        await send_whole(self._client, upload, self._circuit)

    async def aclose(self) -> None:
        """Close the connections, those of Supabase's rows among them."""
        await self._tus.aclose()
        await self._client.aclose()
