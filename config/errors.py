"""What stops the start."""


class ConfigError(Exception):
    """Settings that cannot work. `problems` holds one line for each variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
