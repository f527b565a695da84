"""A batch: what it does, leaves alone and does again, and what it survives."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from archive_batches import batch, make_archive, request, rows, states

from pansharpkit.archive.batch import LOCK, retry, run
from pansharpkit.archive.forecast import forecast
from pansharpkit.archive.ledger import NAME, Ledger
from pansharpkit.archive.record import WORKER_DIED, SceneError, SceneRecord
from pansharpkit.archive.settings import digest, settings
from pansharpkit.archive.survey import BatchRequest, survey
from pansharpkit.archive.work import SceneTask, do_scene
from pansharpkit.errors import InputError, OptionError, OutputError
from pansharpkit.gate import Gate
from pansharpkit.requested import MethodRequest
from pansharpkit.runs import RunOptions
from pansharpkit.writer.lock import OutputLock


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return make_archive(tmp_path / "in", "abc")


@pytest.fixture
def asked(archive: Path, tmp_path: Path) -> BatchRequest:
    return request(archive, tmp_path / "out")


def verdicts(asked: BatchRequest) -> dict[str, tuple[str, str]]:
    return {each.entry.id: (each.verdict, each.why) for each in survey(asked).planned}


def test_a_batch_leaves_everything_that_it_should(asked: BatchRequest) -> None:
    assert verdicts(asked) == dict.fromkeys("abc", ("new", ""))
    assert not asked.folder.exists(), "a survey writes nothing"
    found, records = batch(asked)
    assert found.counts == {"done": 3}
    assert [record.id for record in records] == list("abc")
    for record in records:
        assert record.output is not None
        path = asked.folder / record.output.path
        assert path.stat().st_size == record.output.bytes
        assert sorted(record.inputs) == [f"{record.id}_M.tif", f"{record.id}_P.tif"]
        assert record.indices["shift"] is not None
        names = {each.name for each in path.parent.iterdir()}
        assert names == {f"{record.id}{end}" for end in (".tif", ".json", ".thumbnail.jpg")}
    assert sorted(path.name for path in asked.folder.iterdir()) == [
        "a", "b", "c", "catalog.json", "collection.json", NAME,
    ]  # fmt: skip
    assert 0 < found.ledger_seconds < found.seconds


def test_what_is_done_is_done_once(asked: BatchRequest) -> None:
    first, _ = batch(asked)
    again, records = batch(asked)
    assert (first.ran, again.ran, records) == (3, 0, [])
    assert again.counts == {"done": 3}
    assert {row.attempts for row in rows(asked.folder).values()} == {1}
    faster = replace(asked, scene=replace(asked.scene, run=RunOptions(threads=2, ram_mb=900)))
    assert batch(faster)[0].ran == 0, "on what it runs changes nothing of the result"


def test_changed_options_redo_all_and_say_why(asked: BatchRequest) -> None:
    before = batch(asked)[1]
    stale = asked.folder / "a" / "a.report.json"
    stale.write_text("of the raster that is replaced")
    other = replace(asked, scene=replace(asked.scene, method=MethodRequest("brovey")))
    assert verdicts(other)["a"] == ("changed options", "method.name: exp became brovey")
    found, records = batch(other)
    assert found.counts == {"done": 3}
    assert {record.method for record in records} == {"brovey"}
    assert all(old.output != new.output for old, new in zip(before, records, strict=True))
    assert not stale.exists()
    assert batch(other)[0].ran == 0


def test_a_changed_input_redoes_its_scene_alone(asked: BatchRequest, archive: Path) -> None:
    batch(asked)
    target = archive / "b_M.tif"
    os.utime(target, ns=(1, 1))
    assert verdicts(asked)["b"][0] == "done", "another time alone is no change"
    content = bytearray(target.read_bytes())
    content[-200] ^= 1
    target.write_bytes(content)
    assert verdicts(asked)["b"] == ("changed inputs", "b_M.tif has changed")
    assert [record.id for record in batch(asked)[1]] == ["b"]


def test_an_archive_may_move(asked: BatchRequest, archive: Path) -> None:
    batch(asked)
    moved = archive.rename(archive.with_name("elsewhere"))
    assert batch(request(moved, asked.folder))[0].ran == 0


def test_outputs_are_looked_after(asked: BatchRequest) -> None:
    batch(asked)
    (asked.folder / "a" / "a.tif").unlink()
    changed = asked.folder / "b" / "b.tif"
    changed.write_bytes(changed.read_bytes() + b"more")
    known = rows(asked.folder)["c"]
    silently = asked.folder / "c" / "c.tif"
    content = bytearray(silently.read_bytes())
    content[len(content) // 2] ^= 1
    silently.write_bytes(content)
    assert known.record is not None
    assert known.record.output is not None
    os.utime(silently, ns=(0, known.record.output.modified_ns))
    found = verdicts(asked)
    assert found["a"] == ("changed output", "a/a.tif is missing")
    assert found["b"] == ("changed output", "b/b.tif was changed")
    assert found["c"][0] == "done", "size and time are those of the ledger"
    careful = replace(asked, verify=True)
    assert verdicts(careful)["c"] == ("changed output", "c/c.tif was changed")
    assert batch(careful)[0].counts == {"done": 3}
    assert batch(careful)[0].ran == 0


def test_an_item_that_is_gone_comes_back_without_fusing(asked: BatchRequest) -> None:
    batch(asked)
    item, thumbnail = (asked.folder / "a" / f"a.{suffix}" for suffix in ("json", "thumbnail.jpg"))
    before = item.read_bytes(), thumbnail.read_bytes()
    item.unlink()
    thumbnail.unlink()
    (asked.folder / "catalog.json").unlink()
    assert batch(asked)[0].ran == 0
    assert (item.read_bytes(), thumbnail.read_bytes()) == before
    assert '"./a/a.json"' in (asked.folder / "collection.json").read_text()


def test_a_poison_scene_fails_alone(asked: BatchRequest, archive: Path) -> None:
    poison = archive / "b_P.tif"
    whole = poison.read_bytes()
    poison.write_bytes(whole[: len(whole) // 2])
    found, records = batch(asked)
    assert found.counts == {"done": 2, "failed": 1}
    (failed,) = found.failed
    assert failed.error is not None
    assert (failed.id, failed.output, failed.error.kind) == ("b", None, "FileReadError")
    assert "b_P.tif" in failed.error.text
    assert not (asked.folder / "b").exists()
    collection = json.loads((asked.folder / "collection.json").read_text())
    items = [link["href"] for link in collection["links"] if link["rel"] == "item"]
    assert items == ["./a/a.json", "./c/c.json"]
    for attempt in (2, 3):
        assert verdicts(asked)["b"][0] == "failed"
        assert [record.id for record in batch(asked)[1]] == ["b"]
        assert rows(asked.folder)["b"].attempts == attempt
    assert verdicts(asked)["b"] == ("given up", f"failed 3 times: {failed.error.text}")
    found, records = batch(asked)
    assert (found.ran, [record.id for record in found.failed], records) == (0, ["b"], [])
    poison.write_bytes(whole)
    assert verdicts(asked)["b"][0] == "changed inputs"
    assert batch(asked)[0].counts == {"done": 3}
    assert rows(asked.folder)["b"].failures == 0


def test_retry_takes_up_what_was_given_up(asked: BatchRequest, archive: Path) -> None:
    (archive / "b_P.tif").write_bytes(b"")
    stubborn = replace(asked, max_attempts=1)
    batch(stubborn)
    assert batch(stubborn)[0].ran == 0
    with pytest.raises(InputError, match="a: is no failed scene"):
        retry(asked.folder, ["a"])
    assert retry(asked.folder) == ("b",)
    assert verdicts(stubborn)["b"] == ("failed", "to be tried again, as asked for")
    assert batch(stubborn)[0].ran == 1
    assert retry(asked.folder, ["b"]) == ("b",)


def test_an_interruption_leaves_a_ledger_to_go_on_from(asked: BatchRequest) -> None:
    def interrupted(tasks: Iterator[SceneTask]) -> Iterator[SceneRecord]:
        yield do_scene(next(tasks))
        next(tasks)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(asked, interrupted)
    assert states(asked.folder) == {"a": "done", "b": "interrupted", "c": "waiting"}
    assert not (asked.folder / LOCK).exists()
    assert verdicts(asked)["b"] == ("interrupted", "attempt 1 did not end")
    found, records = batch(asked)
    assert ([record.id for record in records], found.counts) == (["b", "c"], {"done": 3})
    assert rows(asked.folder)["b"].failures == 0


def test_what_a_killed_batch_left_running_is_taken_up(asked: BatchRequest) -> None:
    batch(asked)
    entry = rows(asked.folder)["a"].entry
    options = settings(asked.scene)
    with Ledger(asked.folder / NAME) as ledger:
        ledger.start(entry, digest(options), options)
    assert states(asked.folder)["a"] == "running"
    found, records = batch(asked)
    assert ([record.id for record in records], found.counts) == (["a"], {"done": 3})


def test_a_scene_lost_with_its_worker_is_tried_again(asked: BatchRequest) -> None:
    deaths = {"a": 1, "b": 9}
    taken: list[tuple[str, bool]] = []

    def deadly(tasks: Iterator[SceneTask]) -> Iterator[SceneRecord]:
        for task in tasks:
            taken.append((task.id, task.request.resume))
            if deaths.get(task.id, 0) > 0:
                deaths[task.id] -= 1
                yield SceneRecord(task.id, "failed", error=SceneError(WORKER_DIED, "killed"))
            else:
                yield do_scene(task)

    found = run(asked, deadly)
    assert found.counts == {"done": 2, "failed": 1}
    assert taken == [
        ("a", False), ("b", False), ("c", False), ("a", True), ("b", True), ("b", True),
    ]  # fmt: skip
    assert rows(asked.folder)["b"].failures == 3
    assert run(asked, deadly).ran == 0


def test_a_scene_that_an_engine_loses_is_not_done(asked: BatchRequest) -> None:
    found = run(asked, lambda tasks: iter([do_scene(task) for task in tasks if task.id != "b"]))
    assert (found.counts, found.complete) == ({"done": 2, "interrupted": 1}, False)
    assert batch(asked)[0].complete


def test_a_full_disk_is_no_fault_of_the_scenes(
    asked: BatchRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutputError("no room")

    with monkeypatch.context() as patch:
        patch.setattr("pansharpkit.archive.work.pipeline.fuse", full)
        for _ in range(4):
            assert batch(asked)[0].counts == {"failed": 3}
    assert {row.failures for row in rows(asked.folder).values()} == {0}
    assert batch(asked)[0].counts == {"done": 3}


def test_a_raster_without_its_item_is_not_done(
    asked: BatchRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("of ours")

    with monkeypatch.context() as patch:
        patch.setattr("pansharpkit.archive.work.write_item", broken)
        record = batch(asked)[1][0]
    assert record.error is not None
    assert record.error.text == "RuntimeError: of ours (this is a bug; --debug shows where)"
    assert (record.output, "is there all the same" in record.warnings[-1]) == (None, True)
    assert batch(asked)[0].counts == {"done": 3}


def test_bars_are_judged_anew_without_fusing(asked: BatchRequest) -> None:
    batch(asked)
    strict = replace(asked, gate=Gate.parse(["r2=1.5"], []))
    found, records = batch(strict)
    assert (found.counts, found.ran, records) == ({"flagged": 3}, 0, [])
    assert all("should be at least 1.5" in record.flags[0] for record in found.flagged)
    item = json.loads((asked.folder / "a" / "a.json").read_text())
    assert item["properties"]["pansharpkit:state"] == "flagged"
    assert batch(asked)[0].counts == {"done": 3}


def test_a_raster_that_the_ledger_does_not_know_is_not_replaced(asked: BatchRequest) -> None:
    stranger = asked.folder / "a" / "a.tif"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"precious")
    found, _ = batch(asked)
    assert found.counts == {"done": 2, "failed": 1}
    assert stranger.read_bytes() == b"precious"
    (asked.folder / NAME).unlink()
    assert batch(replace(asked, overwrite=True))[0].counts == {"done": 3}


def test_an_output_folder_has_one_batch_at_a_time(asked: BatchRequest) -> None:
    batch(asked)
    lock = OutputLock(asked.folder / LOCK, asked.folder)
    lock.acquire()
    with pytest.raises(OutputError, match=f"process {os.getpid()} is writing it"):
        batch(asked)
    with pytest.raises(OutputError, match="is writing it"):
        retry(asked.folder)
    lock.release()
    assert retry(asked.folder) == ()


def test_an_output_folder_within_the_archive_is_not_searched(archive: Path) -> None:
    asked = request(archive, archive / "fused")
    assert batch(asked)[0].counts == {"done": 3}
    assert batch(asked)[0].counts == {"done": 3}


def test_an_archive_is_not_its_own_output_folder(archive: Path) -> None:
    with pytest.raises(OptionError, match="is the archive itself"):
        batch(request(archive, archive))


def test_inputs_without_a_partner(asked: BatchRequest, archive: Path) -> None:
    (archive / "b_M.tif").unlink()
    with pytest.raises(InputError, match=r"b_P\.tif: .*pass --skip-missing-pairs"):
        batch(asked)
    assert not asked.folder.exists()
    found, _ = batch(replace(asked, skip_missing_pairs=True))
    assert found.counts == {"done": 2}
    for path in archive.iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"/in: no scene was found"):
        batch(asked)
    assert survey(asked).gone == ("a", "c")


def test_mistakes_are_told_before_the_archive_is_searched(
    asked: BatchRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pansharpkit.archive.survey.find", lambda request: pytest.fail("searched"))
    with pytest.raises(OptionError, match="no method"):
        batch(replace(asked, scene=replace(asked.scene, method=MethodRequest("nope"))))


def test_a_forecast_rests_on_a_trial_or_on_what_was_done(asked: BatchRequest) -> None:
    before = forecast(asked, survey(asked), jobs=2)
    assert not asked.folder.exists()
    assert before.basis.startswith("a trial on b, scaled")
    raster = 96 * 128 * 4 * 2
    assert before.bytes == pytest.approx(3 * raster, rel=0.2)
    batch(asked)
    for name in "ab":
        (asked.folder / name / f"{name}.tif").unlink()
    after = forecast(asked, survey(asked), jobs=2)
    assert (after.basis, after.at_most) == ("3 done", False)
    assert after.seconds is not None
    assert after.seconds > 0
    other = replace(asked, scene=replace(asked.scene, method=MethodRequest("brovey")))
    assert forecast(other, survey(other)).basis.startswith("a trial on b")
    assert batch(asked)[0].counts == {"done": 3}
    assert forecast(asked, survey(asked)).describe().startswith("about 0 s, 0 MB of ")


def test_a_file_that_an_option_names_counts_with_its_contents(
    asked: BatchRequest, tmp_path: Path
) -> None:
    preset = tmp_path / "mine.toml"
    hashes = set()
    for text in ("a = 1", "a = 2"):
        preset.write_text(text)
        scene = replace(asked.scene.scene, sensor=str(preset))
        hashes.add(digest(settings(replace(asked.scene, scene=scene))))
    assert len(hashes) == 2
