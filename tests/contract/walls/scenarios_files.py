"""What walls must do that can mount: the folders that a function sees, and those that it does not."""

from __future__ import annotations

from pathlib import Path

from walls_box import box, scenario

from emulator.model.launch import Access, Link, Mount
from emulator.sandbox.base import Walls

WRITE = """
try:
    open('{}/made', 'w').close()
    answer = 'made'
except OSError as error:
    answer = errno.errorcode[error.errno]
"""


@scenario
async def code_is_writable_and_the_host_untouched(walls: Walls, place: Path) -> None:
    if not walls.mounts:
        return
    odd = place / "od,d: 'name\\"
    lower = place / "lower"
    for folder, text in ((odd, "first"), (lower, "second")):
        folder.mkdir()
        (folder / "same").write_text(text)
    (lower / "doomed").write_text("x")
    (lower / "dir").mkdir()
    extra = (Mount((odd, lower), "/opt", Access.OVERLAY),)
    async with box(walls, place, extra_mounts=extra) as made:
        assert await made.ask("answer = open('/opt/same').read()") == "first"
        await made.ask("""
open('/opt/new', 'w').write('n'); os.unlink('/opt/doomed'); open('/opt/dir/deep', 'w').write('d')
open('/code/out', 'w').write('c'); open('/anywhere', 'w').write('a'); open('/etc/new', 'w').write('e')
""")
        assert sorted(made.sandbox.written()) == ["- /opt/doomed", "/code/out", "/opt/dir/deep", "/opt/new"]
        assert (lower / "doomed").exists() and not (made.code / "out").exists()
    async with box(walls, place, extra_mounts=extra) as made:
        assert await made.ask("answer = [os.path.exists('/opt/new'), os.path.exists('/opt/doomed')]") == [False, True]


@scenario
async def mounts_and_links_are_seen(walls: Walls, place: Path) -> None:
    if not walls.mounts:
        return
    read = place / "read"
    read.mkdir()
    (read / "a").write_text("a")
    links = (Link("/var/fc/lang/python3.10/bin/python3", "/usr/bin/python3"),)
    async with box(walls, place, extra_mounts=(Mount((read,), "/tmp/nas"),), links=links) as made:
        assert await made.ask("answer = os.readlink('/var/fc/lang/python3.10/bin/python3')") == "/usr/bin/python3"
        assert await made.ask("answer = open('/tmp/nas/a').read()") == "a"
        refused = "try: open('/tmp/nas/b', 'w')\nexcept OSError as error: answer = error.errno"
        assert await made.ask(refused) == 30
        await made.ask("open('/mnt/shared/kept', 'w').write('kept')")
    assert (made.shared / "kept").read_text() == "kept"


@scenario
async def the_rest_of_the_machine_is_out_of_sight(walls: Walls, place: Path) -> None:
    if not walls.mounts:
        return
    state = place / "state"  # where these walls keep their own things
    async with box(walls, place, extra_mounts=(Mount((place,), "/project", Access.OVERLAY),)) as made:
        assert state.is_dir() and any(state.iterdir())
        assert await made.ask("answer = os.listdir('/project/state')") == []
        assert await made.ask("answer = os.listdir('/home') + os.listdir('/root')") == []
        assert await made.ask(f"answer = os.path.exists({str(place)!r})") is False


@scenario
async def a_mount_below_an_overlay_is_seen(walls: Walls, place: Path) -> None:
    """Written to, it keeps what was written; the overlay around it does not."""
    if not walls.mounts:
        return
    data = place / "data"
    data.mkdir()
    (data / "kept").write_text("kept")
    async with box(walls, place, extra_mounts=(Mount((data,), "/code/data", Access.WRITE),)) as made:
        assert await made.ask("answer = os.listdir('/code/data')") == ["kept"]
        await made.ask("open('/code/data/made', 'w').close(); open('/code/thrown', 'w').close()")
    assert sorted(path.name for path in data.iterdir()) == ["kept", "made"]
    assert not (place / "code" / "thrown").exists()


@scenario
async def who_is_not_root_inside_can_not_write_what_merges(walls: Walls, place: Path) -> None:
    if not walls.mounts or not walls.overlays:
        return
    upper, lower = place / "upper", place / "lower"
    for folder in (upper, lower):
        folder.mkdir()
        (folder / folder.name).write_text("")
    merged = Mount((upper, lower), "/opt", Access.OVERLAY)
    async with box(walls, place, extra_mounts=(merged,), uid=1000, gid=1000) as made:
        assert await made.ask("answer = sorted(os.listdir('/opt'))") == ["lower", "upper"]
        for folder in ("/opt", "/code", "/", "/run"):
            assert await made.ask(WRITE.format(folder)) in ("EROFS", "EACCES", "EPERM"), folder
        assert await made.ask("answer = os.path.exists('/run/fclocal/late')") is False
