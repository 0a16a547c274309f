"""What a key says of itself, and which columns are asked after."""

import base64
import importlib
import json
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

from services import supabase
from services.supabase.probe import is_older_kind, kind_of_key
from services.supabase.schema import COLUMNS
from services.supabase.table import Table


def jwt(role: str) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"role": role, "ref": "x"}).encode())
    return f"eyJhbGciOiJIUzI1NiJ9.{payload.decode().rstrip('=')}.c2ln"


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("sb_secret_x", "service"),
        ("sb_publishable_x", "public"),
        (jwt("service_role"), "service"),
        (jwt("anon"), "public"),
        (jwt("other"), "unknown"),
        ("a.b.c", "unknown"),
        ("a.%%.c", "unknown"),
        ("", "unknown"),
    ],
)
def test_keys_are_told_apart_by_their_form(key: str, kind: str) -> None:
    assert kind_of_key(key) == kind


@pytest.mark.parametrize(
    ("key", "is_older"),
    [
        (jwt("service_role"), True),
        (jwt("anon"), True),
        ("sb_secret_x", False),
        ("sb_publishable_x", False),
        ("a.b.c", False),
    ],
)
def test_the_older_kind_is_a_jwt(key: str, is_older: bool) -> None:
    assert is_older_kind(key) == is_older


def tables(names: dict[str, Any]) -> Iterator[Table[Any]]:
    """Those of the services in a module."""
    for one in names.values():
        takes = getattr(getattr(one, "__init__", None), "__annotations__", {})
        if isinstance(one, type) and takes.keys() == {"supabase", "return"}:
            yield from (table for table in vars(one(None)).values() if isinstance(table, Table))


def test_all_columns_that_services_read_are_asked_after() -> None:
    read: dict[str, set[str]] = {}
    for module in pkgutil.iter_modules(supabase.__path__):
        for table in tables(vars(importlib.import_module(f"services.supabase.{module.name}"))):
            read.setdefault(table.name, set()).update(table.columns)
    assert len(read) >= 5
    for table, columns in read.items():
        assert columns <= set(COLUMNS[table])
