"""What a path on the disk is about: code, a layer, or one of the project's own files; and of which functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct, field

from emulator.model.function import FunctionName, Project
from emulator.registry.ignoring import IGNORE_FILES, ignored, is_out
from emulator.reload.gitignore import GITIGNORE, git_ignored
from emulator.reload.tree import FLAT, SKIPPED, Change, Tree

WHOLE = ""
DOCKERIGNORE = ".dockerignore"


class BuildSources(Struct):
    """What a build reads: the files below `root`, but for those that git ignores, or that .dockerignore leaves out.
    What is `mounted` over the image needs no build."""

    root: Path
    of_image: bool = False
    mounted: tuple[Path, ...] = ()
    functions: set[FunctionName] = field(default_factory=set)

    @property
    def ignore_file(self) -> str:
        return DOCKERIGNORE if self.of_image else GITIGNORE

    def rules(self) -> Callable[[str], bool]:
        """Whether a path below is no source; those of folders end in a slash."""
        if not self.of_image:
            return git_ignored(self.root)
        from emulator.sandbox.container.builds import Context  # few projects build images

        return Context(self.root).leaves_out


NO_BUILDS: Mapping[str, BuildSources] = MappingProxyType({})


class Pending(Struct):
    """What changed and was not looked at yet. `code` has the paths below each code folder, WHOLE for all of it;
    `builds` the sources of each build command.

    Of the functions in `stale`, or of all where `project` counts, nothing older than this may answer.
    """

    code: dict[Path, set[str]] = field(default_factory=dict)
    archives: set[Path] = field(default_factory=set)
    layers: set[Path] = field(default_factory=set)
    sources: set[Path] = field(default_factory=set)
    builds: dict[str, set[str]] = field(default_factory=dict)
    stale: set[FunctionName] = field(default_factory=set)

    @property
    def project(self) -> bool:
        return bool(self.sources)

    def __bool__(self) -> bool:
        return bool(self.code or self.archives or self.layers or self.sources or self.builds)

    def add(self, other: Pending) -> None:
        for root, names in other.code.items():
            self.code.setdefault(root, set()).update(names)
        for command, paths in other.builds.items():
            self.builds.setdefault(command, set()).update(paths)
        self.archives |= other.archives
        self.layers |= other.layers
        self.sources |= other.sources
        self.stale |= other.stale


class Subjects:
    """Made anew for each project.

    `builds` are by their command; `is_source` may say that a command made it. `written`: functions write to the code
    folders themselves; what git ignores there is taken for such, or each invocation could make a revision.
    """

    def __init__(
        self,
        project: Project,
        layers: Path,
        *,
        written: bool = False,
        builds: Mapping[str, BuildSources] = NO_BUILDS,
        is_source: Callable[[str, str], bool] | None = None,
        before: Subjects | None = None,
    ) -> None:
        self._sources = {*map(str, project.sources)}
        self._layers = str(layers)
        self._written = written
        self.builds = builds
        self._is_source = is_source
        self._folders: dict[str, set[FunctionName]] = {}
        self._archives: dict[str, set[FunctionName]] = {}
        self._with_layers: set[FunctionName] = set()
        self._ignored: dict[str, Callable[[str], bool]] = dict(before._ignored) if before else {}
        self._git: dict[str, Callable[[str], bool]] = dict(before._git) if before else {}
        for function in project.functions:
            if function.layers:
                self._with_layers.add(function.name)
            if function.code is not None:
                kind = self._archives if _is_archive(function.code) else self._folders
                kind.setdefault(str(function.code), set()).add(function.name)
            for mount in function.code_mounts:
                self._folders.setdefault(str(mount.source), set()).add(function.name)
        for root in self._folders:
            self._ignored.setdefault(root, ignored(Path(root)))
        for root in self._folders if written else ():
            self._git.setdefault(root, git_ignored(Path(root)))
        self._rules = {command: sources.rules() for command, sources in builds.items()}

    def trees(self) -> list[Tree]:
        """What has to be watched."""
        trees = {root: Tree(root, ignored=self._ignored[root]) for root in self._folders}
        for command, sources in self.builds.items():
            # Where code lies there too, or another build reads it, the rules of one may leave out what the other has.
            root = str(sources.root)
            trees[root] = Tree(root) if root in trees else Tree(root, ignored=self._rules[command])
        if self._with_layers:
            trees[self._layers] = Tree(self._layers)
        for path in (*self._sources, *self._archives):
            above = path.rpartition("/")[0] or "/"
            trees.setdefault(above, Tree(above, deep=False))
        return list(trees.values())

    @property
    def folders(self) -> list[Path]:
        """The code folders."""
        return [*map(Path, self._folders)]

    def functions_of(self, code: Path) -> set[FunctionName]:
        return self._folders.get(str(code)) or self._archives.get(str(code)) or set()

    def built_by(self, command: str) -> set[FunctionName]:
        return self.builds[command].functions if command in self.builds else set()

    def code_of(self, names: Iterable[FunctionName]) -> tuple[set[Path], set[Path]]:
        """The code folders of these functions, and the archives."""
        names = {*names}
        folders = {Path(root) for root, functions in self._folders.items() if functions & names}
        return folders, {Path(path) for path, functions in self._archives.items() if functions & names}

    def note(self, changes: Iterable[Change], soon: Pending, late: Pending) -> bool:
        """Add what the changes are about, to `late` where it is an install that goes on for a while. Whether there are
        other trees to watch now."""
        other_trees = False
        for change in changes:
            if change.path in self._sources:
                soon.sources.add(Path(change.path))
            if change.path in self._archives:
                soon.archives.add(Path(change.path))
                soon.stale |= self._archives[change.path]
            for command, sources in self.builds.items():
                other_trees = self._note_build(command, sources, change, soon) or other_trees
            if self._with_layers and _is_below(change.path, self._layers):
                soon.layers.add(Path(change.path))
                soon.sources.add(Path(self._layers))
            for root, functions in self._folders.items():
                if _is_below(change.path, root):
                    name = change.path[len(root) + 1 :]
                    if name in IGNORE_FILES:
                        self._ignored[root] = ignored(Path(root))
                        other_trees = True
                    self._note_code(root, functions, name, change, soon, late)
            above, _, own = change.path.rpartition("/")
            if own == GITIGNORE and above in self._git:
                self._git[above] = git_ignored(Path(above))
                other_trees = True
        return other_trees

    def _note_build(self, command: str, sources: BuildSources, change: Change, soon: Pending) -> bool:
        """Whether its rules have changed."""
        root = str(sources.root)
        if not _is_below(change.path, root):
            return False
        name = change.path[len(root) + 1 :]
        if name == sources.ignore_file:
            self._rules[command] = sources.rules()
        if self._is_source_of(command, sources, name, change):
            soon.builds.setdefault(command, set()).add(change.path)
            soon.stale |= sources.functions
        return name == sources.ignore_file

    def _is_source_of(self, command: str, sources: BuildSources, name: str, change: Change) -> bool:
        if change.path in self._sources or not SKIPPED.isdisjoint(name.split("/")):
            return False
        if any(_is_below(change.path, str(folder)) for folder in sources.mounted):
            return False
        ignored = self._rules[command]
        if name and any(is_out(path) or ignored(path) for path in _ways(name, change.whole)):
            return False
        return self._is_source is None or self._is_source(command, change.path)

    def _note_code(
        self, root: str, functions: set[FunctionName], name: str, change: Change, soon: Pending, late: Pending
    ) -> None:
        parts = name.split("/")
        if not FLAT.isdisjoint(parts):
            at = next(i for i, part in enumerate(parts) if part in FLAT)
            if SKIPPED.isdisjoint(parts[:at]):
                late.code.setdefault(Path(root), set()).add("/".join(parts[: at + 1]))
            return
        if not SKIPPED.isdisjoint(parts):
            return
        if name and any(self._is_out(root, path) for path in _ways(name, change.whole)):
            return
        soon.code.setdefault(Path(root), set()).add(name)
        soon.stale |= functions

    def _is_out(self, root: str, path: str) -> bool:
        return self._ignored[root](path) or (self._written and self._git[root](path))


def _ways(name: str, is_folder: bool) -> Iterator[str]:
    """A path and each folder above it, folders with a slash at the end."""
    parts = name.split("/")
    for count in range(1, len(parts)):
        yield "/".join(parts[:count]) + "/"
    yield f"{name}/" if is_folder else name


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")


def _is_archive(code: Path) -> bool:
    """What is not there yet will be what its name promises."""
    return code.is_file() or (code.suffix in (".zip", ".jar", ".war", ".tgz", ".gz") and not code.is_dir())
