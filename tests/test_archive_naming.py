"""Ids: unique, safe as file names, and the same whatever the order."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansharpkit.archive.find.naming import Draft, key_of, named, slug

_NAMES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["a", "A", "á", "á", "ß", "ss", "a-", "_a", "", "..", "CON", "x" * 300]),
)
_WISHES = st.lists(st.tuples(_NAMES, _NAMES, st.booleans()), max_size=25)


def drafts(wishes: list[tuple[str, str, bool]]) -> list[Draft]:
    """Make scenes of wishes; of given names only the first of each counts."""
    found, taken = [], set()
    for i, (wish, parent, chosen) in enumerate(wishes):
        folded = unicodedata.normalize("NFC", slug(wish).casefold())
        own = chosen and folded not in taken
        taken |= {folded} if own else set()
        found.append(Draft(wish, (f"{i}.tif",), "pair", key=str(i), parent=parent, given=own))
    return found


class TestIds:
    @given(_WISHES)
    def test_unique_and_safe(self, wishes: list[tuple[str, str, bool]]) -> None:
        ids = [entry.id for entry in named(drafts(wishes))]
        assert len({unicodedata.normalize("NFC", id.casefold()) for id in ids}) == len(wishes)
        for id in ids:
            assert id
            assert not id.startswith(("-", ".", "_"))
            assert all(c.isalnum() or c in "-_" for c in id)
            assert len(id.encode()) < 180
            assert slug(id) == id or len(id.encode()) > 80

    @given(_WISHES, st.randoms(use_true_random=False))
    def test_order_does_not_matter(
        self, wishes: list[tuple[str, str, bool]], random: object
    ) -> None:
        scenes = drafts(wishes)
        shuffled = scenes.copy()
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        assert named(scenes) == named(shuffled)

    @given(_WISHES)
    def test_names_that_users_gave_stand(self, wishes: list[tuple[str, str, bool]]) -> None:
        by_inputs = {entry.inputs: entry.id for entry in named(drafts(wishes))}
        for draft in drafts(wishes):
            if draft.given:
                assert by_inputs[draft.inputs] == slug(draft.wish)

    @given(st.text(max_size=200))
    def test_a_file_of_that_name_can_be_made(self, text: str) -> None:
        name = slug(text)
        assert name == slug(name)
        assert len(f".{name}.thumbnail.jpg.partial-1234567".encode()) < 255
        assert name.split(".")[0].upper() not in {"CON", "NUL", "AUX", "PRN", "COM1"}

    def test_the_folder_tells_them_apart_first(self) -> None:
        scenes = [Draft("s", (), "pair", key=f"{p}/s", parent=p) for p in ("a", "b/c")]
        assert [entry.id for entry in named(scenes)] == ["a_s", "b_c_s"]

    def test_then_a_hash_of_where_they_lie(self) -> None:
        scenes = [Draft("s", (), "pair", key=k) for k in ("s.1.tif", "s.2.tif")]
        ids = [entry.id for entry in named(scenes)]
        assert len(set(ids)) == 2
        assert all(len(id) == len("s-") + 8 for id in ids)

    def test_a_name_made_for_one_may_be_that_of_another(self) -> None:
        scenes = [Draft("s", (), "pair", key=p, parent=p) for p in ("a", "b")]
        scenes.append(Draft("a_s", (), "pair", key="c", parent="c"))
        assert len({entry.id for entry in named(scenes)}) == 3

    def test_one_scene_twice(self) -> None:
        with pytest.raises(ValueError, match="the same scene twice"):
            named([Draft("s", (), "pair", key="k")] * 2)

    def test_keys_stay_when_the_archive_moves(self) -> None:
        a = key_of([Path("/x/a/p.tif"), Path("/x/a/m.tif")], Path("/x"))
        assert a == key_of([Path("/y/z/a/p.tif"), Path("/y/z/a/m.tif")], Path("/y/z"))
