"""Supabase Lite on PGlite: the app's tables and buckets on a loopback port.

The database is built once and kept in the cache; each start copies it (40 MB). Its files:
`schema.sql` is the app's, `grants.sql` what a hosted project adds to it.
"""

import asyncio
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from sandbox import node
from sandbox.processes import LOOPBACK, PATIENCE_S, Process, SandboxError, answers, free_port

_HERE = Path(__file__).parent
_SQL_FILES = (_HERE / "schema.sql", _HERE / "grants.sql")
_PICTURES = ("image/jpeg", "image/png", "image/webp")
_MIB = 1024 * 1024

BUCKETS: Mapping[str, tuple[int, Sequence[str]]] = {
    "user-videos": (5 * 1024 * _MIB, ("video/mp4",)),
    "user-images": (10 * _MIB, _PICTURES),
    "video-thumbnails": (5 * _MIB, _PICTURES),
}
"""Each bucket's size limit for one object in bytes, and the content types it takes."""

_CONFIG = """
[api]
port = {port}
[db]
driver = "pglite"
url = "supabase/.temp/data"
[auth]
enabled = true
jwt_secret = "{jwt_secret}"
publishable_key = "env(SUPABASE_PUBLISHABLE_KEY)"
secret_key = "env(SUPABASE_SECRET_KEY)"
[storage]
enabled = true
file_size_limit = "5GiB"
"""


class SupabaseLite:
    """One Supabase with its own data and keys; any number may run at once.

    The data is thrown away at `close()`. Requests without a key are refused, as by a hosted one.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.service_key = f"sb_secret_{secrets.token_hex(16)}"
        self.publishable_key = f"sb_publishable_{secrets.token_hex(16)}"
        self._folder = Path(tempfile.mkdtemp(prefix="vidfab-supabase-"))
        self._process: Process | None = None
        key = {"apikey": self.service_key}
        self._client = httpx.AsyncClient(
            base_url=self.url, headers=key, timeout=60, verify=False, trust_env=False
        )

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Start on a copy of the prepared database, preparing that first if need be."""
        runtime = await node.install()
        template = await asyncio.to_thread(_prepared, runtime)
        await asyncio.to_thread(self._lay_out, template)
        await self._run(runtime)

    async def stop(self) -> None:
        """End the server in order, so that its files are complete (2 s)."""
        if self._process:
            await self._process.stop()

    async def close(self) -> None:
        """End it at once and remove its data."""
        if self._process:
            await self._process.kill()
        await self._client.aclose()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def reset(self) -> None:
        """Empty all tables and buckets."""
        await self.request("POST", "/rest/v1/rpc/sandbox_reset", json={})
        await asyncio.gather(
            *(self.request("POST", f"/storage/v1/bucket/{name}/empty", json={}) for name in BUCKETS)
        )

    async def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Insert and return the rows as stored, in the same order."""
        returned = {"Prefer": "return=representation"}
        return await self.request("POST", f"/rest/v1/{table}", json=list(rows), headers=returned)

    async def rows(self, table: str, **filters: str) -> list[dict[str, Any]]:
        """Rows by PostgREST filters: `rows("project_shots", project_id="eq.…", order="…")`."""
        return await self.request("GET", f"/rest/v1/{table}", params=filters)

    async def update(self, table: str, values: Mapping[str, Any], **filters: str) -> None:
        """Set columns of the rows that the PostgREST filters choose."""
        await self.request("PATCH", f"/rest/v1/{table}", params=filters, json=dict(values))

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """A request as `service_role`; the JSON answer, or None. Raises SandboxError."""
        response = await self._client.request(method, path, **options)
        if response.is_error:
            raise SandboxError(f"{method} {path}: {response.status_code} {response.text[:1000]}")
        return response.json() if response.content else None

    def _lay_out(self, template: Path | None) -> None:
        project = self._folder / "supabase"
        (project / "migrations").mkdir(parents=True, exist_ok=True)
        config = _CONFIG.format(port=self.port, jwt_secret=secrets.token_urlsafe(48))
        (project / "config.toml").write_text(config, "utf-8")
        if template:
            shutil.copytree(template, project / ".temp", dirs_exist_ok=True)

    async def _run(self, runtime: node.Node) -> None:
        self._process = Process(
            [*_lite(runtime), "start", "--no-admin"],
            self._folder / "supabase.log",
            name="Supabase Lite",
            env=self._environment(),
            cwd=self._folder,
        )
        ready = answers(f"{self.url}/rest/v1/users?limit=1", {"apikey": self.service_key})
        await self._process.start(ready)

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "EXPERIMENTAL_STORAGE": "1",
            "LITE_TELEMETRY": "0",
            "SUPABASE_PUBLISHABLE_KEY": self.publishable_key,
            "SUPABASE_SECRET_KEY": self.service_key,
        }

    async def _build(self, runtime: node.Node, target: Path) -> None:
        """Make the database and the buckets from nothing, and keep their files as `target`."""
        await asyncio.to_thread(self._lay_out, None)
        for number, file in enumerate(_SQL_FILES):
            name = f"{20260101000000 + number}_{file.name}"
            shutil.copy2(file, self._folder / "supabase" / "migrations" / name)
        migrate = Process(
            [*_lite(runtime), "migration", "up"],
            self._folder / "migration.log",
            name="Supabase Lite's migration",
            env=self._environment(),
            cwd=self._folder,
        )
        await migrate.start()
        if await migrate.wait(PATIENCE_S) != 0:
            raise SandboxError(f"{migrate.name} failed:\n{migrate.log_tail()}")
        await self._run(runtime)
        for name, (limit, types) in BUCKETS.items():
            bucket = {"file_size_limit": limit, "allowed_mime_types": list(types)}
            named = {"id": name, "name": name, "public": True}
            await self.request("POST", "/storage/v1/bucket", json=named | bucket)
        await self.stop()
        shutil.move(self._folder / "supabase" / ".temp", target)


def _lite(runtime: node.Node) -> list[str]:
    script = runtime.package("@supabase/lite") / "dist" / "cli" / "index.js"
    return [str(runtime.executable), str(script)]


def _prepared(runtime: node.Node) -> Path:
    """The folder with the prepared database; built when schema, grants, buckets or Lite changed."""
    cache = node.cache_folder() / "supabase"
    cache.mkdir(exist_ok=True)
    made_of = node.digest(*_SQL_FILES, *node.lock_files()) + json.dumps(BUCKETS) + _CONFIG
    template = cache / hashlib.sha256(made_of.encode()).hexdigest()[:16]
    with node.locked(cache / "lock"):
        if not template.is_dir():
            # A loop of its own: this runs in a thread, which may wait for another's lock.
            asyncio.run(_prepare(runtime, template))
    return template


async def _prepare(runtime: node.Node, template: Path) -> None:
    unfinished = template.with_suffix(".unfinished")
    await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)
    builder = SupabaseLite()
    try:
        await builder._build(runtime, unfinished)  # pyright: ignore[reportPrivateUsage]
    finally:
        await builder.close()
    unfinished.rename(template)
