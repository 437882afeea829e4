"""What the remote vouches for, so that git-annex may drop it.

Owns: whether a key came back here and could again.
Does not own: what came back (`came_back`), or making it (`remake`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cordstudy.provenance.calling.gitannex import gitlinks
from cordstudy.provenance.history.commits import InputBelow, RecordedCommit
from cordstudy.provenance.profile import Profile
from cordstudy.provenance.remaking.came_back import noted
from cordstudy.provenance.remaking.makers import Makers, declares
from cordstudy.provenance.remaking.needs import keys_of, missing, missing_environment, own_links
from cordstudy.provenance.remaking.trust import Trust, is_trusted


class Voucher:
    """Answers for the keys of one dataset; asked once a key, as what is here may change."""

    def __init__(self, dataset: Path, makers: Makers, *, profile: Profile, trust: Trust) -> None:
        self.dataset, self.history, self.makers = dataset, makers.history, makers
        self.profile, self.trust = profile, trust
        self._runnable: dict[str, bool] = {}

    def vouches(self, key: str) -> bool:
        """Whether a key came back identical here, and a record that made it can still run: its
        environment and all that it read are here, or of what it read that holds too."""
        self._runnable.clear()  # what is here may be another than when it was last asked
        return self._vouches(key, noted(self.dataset))

    def _vouches(
        self, key: str, came: Mapping[str, str], *, before: RecordedCommit | None = None
    ) -> bool:
        makers = self.makers.of(key, before=before)
        return key in came and any(self._can_run(maker, came) for maker in makers)

    def _can_run(self, commit: RecordedCommit, came: Mapping[str, str]) -> bool:
        if commit.id not in self._runnable:
            self._runnable[commit.id] = self._has_all(commit, came)
        return self._runnable[commit.id]

    def _has_all(self, commit: RecordedCommit, came: Mapping[str, str]) -> bool:
        """Whether what a record needs is here, or came back here and can again."""
        if missing_environment(self.history, commit, self.profile):
            return False
        if not is_trusted(self.dataset, commit, self.trust):
            return False
        below: dict[str, list[str]] = {}
        keys: list[str] = []
        for item in self.makers.read_by(commit):
            if isinstance(item, InputBelow):
                tree = self.history.subtree(item.path, item.entry.object)
                if tree is None or not own_links(self.dataset, [item.path]):
                    return False
                below.setdefault(item.path, []).extend(keys_of(tree, item.below))
            elif item.entry and item.entry.key:
                keys.append(item.entry.key)
        if any(missing(self.dataset / link, wanted) for link, wanted in below.items()):
            return False
        if not declares(commit) and not self._has_all_below(commit):
            return False
        absent = missing(self.dataset, keys)
        return all(self._vouches(key, came, before=commit) for key in absent)

    def _has_all_below(self, commit: RecordedCommit) -> bool:
        """Whether all subdatasets are here with all content, as a record may have read any of it
        that declares nothing."""
        for link, pin in gitlinks(self.dataset, commit.first_parent).items():
            tree = self.history.subtree(link, pin)
            if tree is None:
                return False
            keys = [entry.key for entry in tree.values() if entry.key]
            if missing(self.dataset / link, keys):
                return False
        return True
