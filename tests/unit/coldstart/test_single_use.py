"""Packages that only one function of a file needs."""

from __future__ import annotations

import pytest

from emulator.coldstart.single_use import SingleUse, single_uses

HEAD = "import pandas as pd\nimport numpy.linalg\nfrom json import dumps, loads\n"


def test_the_function_and_its_line_are_found():
    code = HEAD + "def handler(e, c):\n    return dumps(e)\n\ndef export(rows):\n    return pd.DataFrame(rows)\n"
    assert single_uses(code) == {"pandas": SingleUse("pandas", "export", 7), "json": SingleUse("json", "handler", 4)}


def test_a_method_is_named_with_its_class_and_what_is_in_it_counts_as_it():
    code = (
        HEAD
        + "class A:\n    def f(self):\n        def g():\n            return pd\n        return g, [pd for _ in ()]\n"
    )
    assert single_uses(code)["pandas"] == SingleUse("pandas", "A.f", 5)


@pytest.mark.parametrize(
    "use",
    [
        "FRAME = pd.DataFrame()",
        "def f(): return pd\ndef g(): return pd",
        "def f(x=pd.NA): return x",
        "@pd.api.extensions.register_dataframe_accessor('x')\nclass A: pass",
        "def f() -> pd.DataFrame: ...",
        "class A:\n    frame = pd.DataFrame()",
        "f = lambda: pd",
        "def f():\n    import pandas as pd",
        "",
    ],
)
def test_what_is_needed_elsewhere_or_by_nobody_has_no_single_user(use):
    assert "pandas" not in single_uses(HEAD + use)


def test_all_names_of_a_package_count_together():
    code = HEAD + "def f(e): return dumps(e)\ndef g(e): return loads(e)\n"
    assert "json" not in single_uses(code)


@pytest.mark.parametrize("source", ["def f(:", "x = '\0'", "from . import mine\ndef f(): return mine"])
def test_what_can_not_be_read_has_none(source):
    assert single_uses(source) == {}
