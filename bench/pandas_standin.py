"""A stand-in of pandas as a wheel: so heavy a package takes minutes to be had, and seconds to be installed.

Its import takes `PANDAS_MS`, most of it in a module of its own, so that a test knows what a report has to find.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

PANDAS_MS = 250
_NAME = "pandas-2.0.0"
_FILES = {
    "pandas/__init__.py": "import time\n\ntime.sleep(0.05)\nimport pandas.core\n\nSeries = list\n",
    "pandas/core/__init__.py": "import time\n\ntime.sleep(0.2)\n",
    f"{_NAME}.dist-info/METADATA": "Metadata-Version: 2.1\nName: pandas\nVersion: 2.0.0\n",
    f"{_NAME}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}


def pandas_standin(folder: Path) -> dict[str, str]:
    """Write the wheel; what pip's environment has to be to take it, and to ask nobody else."""
    folder.mkdir(parents=True, exist_ok=True)
    record = f"{_NAME}.dist-info/RECORD"
    lines = "".join(f"{name},,\n" for name in (*_FILES, record))
    with zipfile.ZipFile(folder / f"{_NAME}-py3-none-any.whl", "w") as wheel:
        for name, text in {**_FILES, record: lines}.items():
            wheel.writestr(name, text)
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
