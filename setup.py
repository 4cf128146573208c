"""What pyproject.toml cannot say: a wheel holds the banks, configurations and paintings that lie beside the package.

`stylebank/shipped.py` finds them in either place. Everything else is in pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("checkpoints", "configs", "data/samples/styles")


class BuildWithData(build_py):
    """Copies what ships into `stylebank/_data`; an editable install finds it where it lies."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        data = Path(self.build_lib, "stylebank", "_data")
        shutil.rmtree(data, ignore_errors=True)  # of a build before
        for folder in SHIPPED:
            shutil.copytree(folder, data / folder, ignore=shutil.ignore_patterns(".*", "*.tmp", "__pycache__"))


setup(cmdclass={"build_py": BuildWithData})
