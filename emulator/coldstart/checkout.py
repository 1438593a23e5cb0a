"""The code of a revision beside the working tree, with what a revision does not have: dependencies, submodules."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from emulator.coldstart.scratch import scratch_folder, uninterrupted
from emulator.model.errors import UserError

# Of the entries that git lists in a commit: a submodule.
_GITLINK = "160000"
_CACHE = "__pycache__"
# Whoever compares wants files, and nothing that the repository does with them.
_QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false")


class Checkout(Struct, frozen=True):
    """`top` is the repository of the working tree, `tree` where the revision is. `notes` say what it has from the
    working tree."""

    top: Path
    tree: Path
    commit: str
    notes: tuple[str, ...]

    def there(self, path: Path) -> Path:
        """The same path in the revision. A path outside of the repository is itself."""
        path = path.absolute()
        return self.tree / path.relative_to(self.top) if path.is_relative_to(self.top) else path


@contextlib.contextmanager
def checked_out(root: Path, revision: str, folders: Sequence[Path], state_dir: Path) -> Iterator[Checkout]:
    """A worktree of `revision` of the repository that `root` is in, until the context is left. What git ignores in
    `folders`, which are those of the function, is copied there. Raises `UserError`."""
    top = Path(_git(root, "rev-parse", "--show-toplevel").strip())
    commit = _commit(top, revision)
    with scratch_folder(state_dir) as scratch:
        tree = scratch / "tree"
        _git(top, *_QUIET, "worktree", "prune")
        try:
            _git(top, *_QUIET, "worktree", "add", "--detach", "--quiet", str(tree), commit)
            notes = tuple(_fill(top, tree, [it.absolute() for it in folders]))
            yield Checkout(top, tree, commit, notes)
        finally:
            with uninterrupted(), contextlib.suppress(UserError):
                shutil.rmtree(tree, ignore_errors=True)
                _git(top, "worktree", "prune")


def _commit(top: Path, revision: str) -> str:
    if not revision or revision.startswith("-"):
        raise UserError("git: needs a revision", "write such as --compare git:main")
    try:
        return _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()
    except UserError:
        raise UserError(f"git knows no revision {revision!r}", "git log --oneline shows some") from None


def _git(folder: Path, *args: str) -> str:
    """What git prints. Raises `UserError` with its last words."""
    try:
        git = subprocess.Popen(["git", "-C", str(folder), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise UserError("git is needed to compare with a revision", "install git") from None
    with git:
        try:
            out, err = git.communicate()
        except BaseException:
            git.terminate()  # unlike SIGKILL, this lets it take back what it has begun
            git.wait()
            raise
    if git.returncode:
        said = err.decode("utf-8", "replace").strip().splitlines()
        raise UserError(f"git: {said[-1] if said else f'exit code {git.returncode}'}", "look at the repository")
    return out.decode("utf-8", "surrogateescape")


# --- what a revision does not have ---


def _fill(top: Path, tree: Path, folders: Sequence[Path]) -> Iterator[str]:
    modules = [path for path in _submodules(tree) if (top / path).is_dir()]
    for path in modules:
        shutil.copytree(top / path, tree / path, symlinks=True, dirs_exist_ok=True, ignore=_left_out)
    if modules:
        yield f"submodules as in the working tree: {', '.join(modules)}"
    names = [path for path in _ignored(top, folders) if _copied(top / path, tree / path)]
    if names:
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        yield f"what git ignores, as in the working tree: {shown}"


def _submodules(tree: Path) -> list[str]:
    entries = (line.partition("\t") for line in _git(tree, "ls-files", "--stage", "-z").split("\0") if line)
    return [path for head, _, path in entries if head.startswith(_GITLINK)]


def _ignored(top: Path, folders: Sequence[Path]) -> Iterator[str]:
    inside = [str(it.relative_to(top)) for it in folders if it.is_relative_to(top)]
    if not inside:
        return
    listing = ("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z")
    for path in _git(top, *listing, "--", *inside).split("\0"):
        name = path.rstrip("/")
        if name and _CACHE not in Path(name).parts and Path(name).name != ".fclocal":
            yield name


def _copied(source: Path, target: Path) -> bool:
    """What the revision has itself, it keeps."""
    if target.exists() or not source.exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir() and not source.is_symlink():
        # Times too: bytecode is checked by those of its source.
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)
    return True


def _left_out(_folder: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name == ".git"]
