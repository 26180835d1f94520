"""Groups that hold the same image are one group: a split must not show it to both sides."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


class JoinedGroup(str):
    """Several groups that are one, called by the first of their names.

    Attributes:
        stated: Their names as the data states them, sorted. Draws go by these, so that a split
            stays what it was when a few images turn out to be alike.

    Example:
        >>> group = JoinedGroup(["a.jpg", "copy of a.jpg"])
        >>> group == "a.jpg", group.stated
        (True, ('a.jpg', 'copy of a.jpg'))
    """

    stated: tuple[str, ...]

    def __new__(cls, stated: Sequence[str]) -> JoinedGroup:
        """Takes the names, sorted."""
        group = super().__new__(cls, stated[0])
        group.stated = tuple(stated)
        return group

    def __reduce__(self) -> tuple[type[JoinedGroup], tuple[tuple[str, ...]]]:
        return type(self), (self.stated,)


def stated_groups(group: str) -> tuple[str, ...]:
    """The names that the data states for a group; one, unless it was joined.

    Example:
        >>> stated_groups("a.jpg"), stated_groups(JoinedGroup(["a.jpg", "b.jpg"]))
        (('a.jpg',), ('a.jpg', 'b.jpg'))
    """
    return group.stated if isinstance(group, JoinedGroup) else (group,)


def joined_groups(groups: Sequence[str], contents: Sequence[Hashable]) -> tuple[str, ...]:
    """Groups where images of one content are in one group.

    Args:
        groups: The group of each of N images.
        contents: What each of them is: equal for equal images, such as the hash of a file.

    Returns:
        N groups. Those that share no image are as they were; those that do are one
        :class:`JoinedGroup`, also where they share one only by way of a third.

    Example:
        >>> joined_groups(["a", "b", "c", "d", "d"], [1, 2, 1, 3, 4])
        ('a', 'b', 'a', 'd', 'd')
    """
    above: dict[str, str] = {}

    def first_of(group: str) -> str:
        while above.setdefault(group, group) != group:
            above[group] = above[above[group]]  # a shorter way for the next one
            group = above[group]
        return group

    holder: dict[Hashable, str] = {}
    for group, content in zip(groups, contents, strict=True):
        pair = first_of(holder.setdefault(content, group)), first_of(group)
        above[max(pair)] = min(pair)
    stated: dict[str, list[str]] = {}
    for group in sorted(set(groups)):
        stated.setdefault(first_of(group), []).append(group)
    named = {
        first: JoinedGroup(names) if len(names) > 1 else first for first, names in stated.items()
    }
    return tuple(named[first_of(group)] for group in groups)
