"""`make references`: compute every answer anew, write it down, and say how far it is from what was on record."""

import sys

import numpy as np

from kit.references.recipe import RECIPES, Arrays, record, write


def main() -> None:
    """All recipes, topic by topic."""
    for topic in sorted({one.topic for one in RECIPES.values()}):
        old, new = record(topic), Arrays()
        for one in RECIPES.values():
            for case in one.cases if one.topic == topic else ():
                answer = one.computed(case)
                new |= answer
                sys.stdout.write(f"{topic}: {one.key(case)}: {_away(old, answer)}\n")
        write(topic, new)


def _away(old: Arrays, new: Arrays) -> str:
    known = [name for name in new if name in old and old[name].shape == new[name].shape]
    if len(known) < len(new):
        return "new"
    return f"{max(np.abs(new[name] - old[name]).max(initial=0) for name in known):.1e} from the record"


if __name__ == "__main__":
    import kit.references  # noqa: F401  # all recipes

    main()
