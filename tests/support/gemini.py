"""What Gemini answers, for a server on this machine."""

import base64
import json
from typing import Any

from tests.support.server import Server, response

MODEL = "gemini-3.1-flash-image"


def path_of(model: str = MODEL) -> str:
    return f"/v1beta/models/{model}:generateContent"


def inline(data: bytes, content_type: str = "image/png", **fields: Any) -> dict[str, Any]:
    encoded = base64.b64encode(data).decode()
    return {"inlineData": {"mimeType": content_type, "data": encoded}, **fields}


def answer(*parts: dict[str, Any], end: str = "STOP") -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts)}, "finishReason": end}]}


def refusal(code: int, status: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status}}


def says(provider: Server, *bodies: Any, status: str = "200 OK", model: str = MODEL) -> None:
    """The bodies in turn, each as JSON unless it is bytes."""
    texts = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
    kind = "application/json"
    provider.on(path_of(model), *(response(t, status=status, content_type=kind) for t in texts))
