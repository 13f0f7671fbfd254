"""Profiles on disk: ROOT/profiles/ID/profile.json, each written atomically."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ..records.profile import Profile
from ..store.format import json_bytes, reason_of
from ..utils import files as atomic
from ..utils.errors import StoreError

_ID = re.compile(r"[0-9a-f]{12}")
_FILE = "profile.json"


class ProfileStore:
    """The profiles of a folder of results, which need not exist before the first `write`."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._profiles = self.root / "profiles"

    def path(self, profile: Profile) -> Path:
        """Where a profile is, or will be."""
        return self._profiles / profile.subject.id / _FILE

    def write(self, profile: Profile) -> None:
        """Store a profile in place of the one of the same subject; it is on disk when this returns.

        Raises:
            StoreError: the folder cannot be written.
        """
        target = self.path(profile)
        with atomic.writing(target):
            atomic.write_file(target, json_bytes(profile.to_json()))

    def read(self, suites: Iterable[str] = ()) -> list[Profile]:
        """Profiles in the order in which they were taken.

        Raises:
            StoreError: a profile is damaged, or of another schema version.
        """
        wanted = set(suites)
        profiles = (self._read(name) for name in atomic.names(self._profiles) if _ID.fullmatch(name))
        found = [profile for profile in profiles if profile and (not wanted or profile.subject.suite in wanted)]
        return sorted(found, key=lambda profile: profile.taken_at)

    def _read(self, name: str) -> Profile | None:
        path = self._profiles / name / _FILE
        try:
            return Profile.from_json(path.read_bytes())
        except FileNotFoundError:  # a writer was killed before the file was in its folder
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"{path} cannot be read ({reason_of(error)}). Delete it, and profile again.") from error
