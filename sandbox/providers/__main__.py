"""`python -m sandbox.providers`: the stand-ins, until SIGTERM."""

import argparse
import asyncio
from pathlib import Path

from sandbox.providers.app import Options, serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.providers", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, help="certificates, media files")
    parser.add_argument("--port", type=int, default=0, help="vendors and control API; 0 = free")
    parser.add_argument("--media-port", type=int, default=0, help="https media host; 0 = free")
    parser.add_argument("--font", type=Path, help="a font with Chinese signs")
    parser.add_argument("--plain", action="store_true", help="quick pictures, without text")
    given = parser.parse_args()
    options = Options(given.state_dir, given.port, given.media_port, given.font, given.plain)
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
