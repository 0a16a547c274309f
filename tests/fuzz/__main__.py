"""Fuzz each parser for a while, by coverage: python -m tests.fuzz SECONDS [NAME…]

What was found lies in .cache/fuzz/NAME, with what the fuzzer learnt for the next time.
"""

import subprocess
import sys
from pathlib import Path

_FOLDER = Path(__file__).parent.parent.parent / ".cache/fuzz"
# A megabyte of nesting must not take longer; nor more memory than a small worker has.
_LIMITS = ("-timeout=20", "-rss_limit_mb=2048", "-max_len=65536")


def main(seconds: str, names: list[str]) -> int:
    from tests.fuzz.parsers import PARSERS

    failed = [name for name in names or PARSERS if not _fuzzed(name, seconds)]
    print(f"✗ found something in {', '.join(failed)}" if failed else "✓ nothing found")  # noqa: T201
    return 1 if failed else 0


def _fuzzed(name: str, seconds: str) -> bool:
    """In a process of its own: a fuzzer ends with the process, and each instruments anew."""
    print(f"{name}: {seconds} s", flush=True)  # noqa: T201
    command = (sys.executable, "-m", "tests.fuzz", seconds, "--one", name)
    return subprocess.run(command, check=False).returncode == 0


def fuzz(name: str, seconds: str) -> None:
    """Until the time is over or something is found; ends the process."""
    import atheris

    with atheris.instrument_imports(
        include=["bullmq_consumer", "config", "core", "handlers", "runtime", "services"]
    ):
        from tests.fuzz.parsers import SEEDS, checked

    corpus = _FOLDER / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = (
        *_LIMITS,
        f"-max_total_time={seconds}",
        f"-artifact_prefix={corpus}/",
        "-verbosity=0",
    )
    atheris.Setup([sys.argv[0], *options, str(corpus)], lambda data: checked(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    if "--one" in sys.argv:
        fuzz(sys.argv[-1], sys.argv[1])
    else:
        sys.exit(main(sys.argv[1], sys.argv[2:]))
