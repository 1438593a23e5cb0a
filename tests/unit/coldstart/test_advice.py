"""Advice: what is told, in which order, with which figures."""

from __future__ import annotations

from msgspec.structs import replace

from emulator.coldstart.advice import advise
from emulator.coldstart.evidence import Advice, Circumstances, Provisioned, Usage
from emulator.coldstart.summary import summarize
from emulator.model.coldstart import ColdStart, FileRead, Import, Phase
from tests.support.coldstarts import MB, cold_start

USAGE = Usage(used=frozenset({"index", "numpy"}), unused=frozenset({"pandas", "dateutil"}))
SOURCE = (
    "import pandas as pd\n\ndef handler(event, context):\n    return 1\n\ndef export(x):\n    return pd.DataFrame(x)\n"
)
ABOUT = Circumstances("detect", usage=USAGE)


def advice(*runs: ColdStart, about: Circumstances = ABOUT) -> dict[str, Advice]:
    summary = summarize(runs or (cold_start(),))
    assert summary is not None
    found = advise(summary, about)
    savings = [item.saving_ms for item in found if item.kind != "provisioned"]
    assert savings == sorted(savings, reverse=True)
    for item in found:
        assert all(text.en and text.zh for text in (item.title, *item.evidence))
    return {f"{item.kind} {item.subject}": item for item in found}


def words(item: Advice) -> str:
    return " ".join([item.title.en, *(text.en for text in item.evidence)])


def test_each_cause_is_found_with_its_time():
    found = advice()
    assert {name: round(item.saving_ms) for name, item in found.items()} == {
        "unused pandas": 390,
        "top_level slow_settings": 302,
        "initializer initializer": 210,
        "read_again /code/model.bin": 200,
        "compiled pyc": 16,
    }
    assert found["unused pandas"].command == "fclocal coldstart detect --try lazy:pandas"
    assert found["top_level slow_settings"].command == "fclocal coldstart detect --try lazy:slow_settings"
    assert "200 MB, opened 2 times, 400 MB read in 400 ms" in words(found["read_again /code/model.bin"])
    assert "400 ms of reading files" in words(found["initializer initializer"])


def test_nothing_is_told_of_what_is_not_worth_it():
    quick = cold_start(
        phases=(Phase("load", 0, 20), Phase("initializer", 20, 5), Phase("first_request", 25, 5)),
        imports=(Import("index", 1, 9, 9, file="/code/index.py"), Import("pandas", 10, 9, 9, 0)),
        reads=(FileRead("/code/a", 10, 20, 0, 2, 21, 2),),
        total_ms=30.0,
    )
    assert advice(quick) == {}


# --- imported for nothing ---


def test_what_is_used_anyway_is_not_saved():
    item = advice()["unused pandas"]
    assert "Importing it takes 510 ms" in words(item) and "120 ms of that are packages that are used" in words(item)


def test_a_package_that_something_else_needs_is_no_advice():
    imports = (
        Import("index", 0, 500, 10, file="/code/index.py"),
        Import("requests", 5, 400, 100, 0, "/code/python/requests/__init__.py"),
        Import("chardet", 10, 300, 300, 1, "/code/python/chardet/__init__.py"),
    )
    usage = Usage(frozenset({"requests"}), frozenset({"chardet"}))
    assert "unused chardet" not in advice(cold_start(imports=imports), about=replace(ABOUT, usage=usage))
    unused_too = Usage(frozenset(), frozenset({"requests", "chardet"}))
    found = advice(cold_start(imports=imports), about=replace(ABOUT, usage=unused_too))
    assert found["unused requests"].saving_ms == 400 and "unused chardet" not in found


def test_nobody_is_accused_where_nobody_looked():
    assert not any(name.startswith("unused") for name in advice(about=replace(ABOUT, usage=None)))


def test_the_only_function_that_needs_it_is_named():
    item = advice(about=replace(ABOUT, sources={"/code/index.py": SOURCE}))["unused pandas"]
    assert "Only export() (index.py:6) names it" in words(item)


def test_a_package_that_one_function_needs_is_told_where_usage_does_not_say_more():
    sources = {"/code/index.py": SOURCE}
    found = advice(about=replace(ABOUT, usage=None, sources=sources))
    assert (found["single_use pandas"].saving_ms, found["single_use pandas"].at_most) == (510, True)
    in_handler = {"/code/index.py": SOURCE.replace("export", "unrelated").replace("return 1", "return pd")}
    for other in (in_handler, {**sources, "/code/mine.py": SOURCE}):
        assert "single_use pandas" not in advice(about=replace(ABOUT, usage=None, sources=other))


# --- own modules ---


def test_only_own_modules_are_told_to_do_less():
    assert "top_level pandas.core" not in advice()
    found = advice(about=replace(ABOUT, installed=frozenset({"slow_settings"})))
    assert "top_level slow_settings" not in found


def test_what_a_module_reads_is_not_its_work():
    read = FileRead("/code/words.txt", 9 * MB, 9 * MB, 0, 1, 100.0, 250.0)
    assert round(advice(cold_start(reads=(read,)))["top_level slow_settings"].saving_ms) == 52


def test_the_module_of_the_handler_can_not_be_loaded_later():
    imports = (Import("index", 0, 300, 300, file="/code/index.py"),)
    item = advice(cold_start(imports=imports))["top_level index"]
    assert item.command == "fclocal coldstart detect --compare git:HEAD"


def test_modules_of_node_are_told_without_what_only_python_can_try():
    imports = (
        Import("/code/index.js", 0, 200, 5, file="/code/index.js"),
        Import("/code/lib/mine.js", 5, 90, 90, 0, "/code/lib/mine.js"),
        Import("heavy/index.js", 95, 100, 100, 0, "/code/node_modules/heavy/index.js"),
    )
    found = advice(cold_start(imports=imports), about=replace(ABOUT, usage=None))
    assert [name for name in found if name.startswith("top_level")] == ["top_level /code/lib/mine.js"]
    assert found["top_level /code/lib/mine.js"].command.endswith("--compare git:HEAD")


# --- files ---


def test_a_file_that_was_read_once_or_looked_into_first_is_none():
    once = FileRead("/code/model.bin", 200 * MB, 210 * MB, 0, 2, 905.0, 400.0)
    assert not any(name.startswith("read_again") for name in advice(cold_start(reads=(once,))))


def test_much_that_is_read_again_is_told_also_where_memory_is_quick():
    for size, told in ((200 * MB, True), (2 * MB, False)):
        twice = FileRead("/code/model.bin", size, 2 * size, 0, 2, 905.0, 8.0)
        assert ("read_again /code/model.bin" in advice(cold_start(reads=(twice,)))) is told


# --- size ---


def test_code_that_nobody_touched_is_told_with_its_share_of_the_download():
    sizes = {"python": 60 * MB, "tests": 30 * MB, "model.bin": 10 * MB}
    about = replace(ABOUT, sizes=sizes)
    item = advice(about=about)["package_size code"]
    assert item.saving_ms == 0 and "tests 30 MB" in words(item) and "not measured" in words(item)
    phases = (*cold_start().phases, Phase("code_download", 1, 1000, 1))
    assert round(advice(cold_start(phases=phases), about=about)["package_size code"].saving_ms) == 300


def test_small_code_is_not_told():
    assert "package_size code" not in advice(about=replace(ABOUT, sizes={"python": MB, "tests": MB}))


# --- provisioned ---


def test_a_provisioned_instance_is_told_with_its_price():
    item = advice(about=replace(ABOUT, provisioned=Provisioned(12.3, "CNY")))["provisioned provisioned"]
    assert item.saving_ms == 1510.5 and "12.30 CNY" in words(item)


def test_what_costs_money_comes_last():
    assert [*advice(about=replace(ABOUT, provisioned=Provisioned(12.3, "CNY")))][-1] == "provisioned provisioned"
