"""Files of a data root in a dict, for fast tests."""

import attrs

from adapters.root_files.layout import LaidOutFiles
from adapters.root_files.names import check_name


@attrs.frozen(eq=False)
class InMemoryRootFiles(LaidOutFiles):
    """`RootFiles` in memory. `contents` are the bytes by name; a test may change them."""

    contents: dict[str, bytes] = attrs.field(factory=dict)

    def list_files(self, folder: str) -> list[str]:
        return sorted(name for name in self.contents if name.startswith(f"{check_name(folder)}/"))

    def read(self, name: str) -> bytes:
        if check_name(name) not in self.contents:
            raise FileNotFoundError(name)
        return self.contents[name]

    def create(self, name: str, data: bytes) -> bool:
        return self.contents.setdefault(check_name(name), data) == data
