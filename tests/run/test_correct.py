"""correct from end to end: what it writes, that it is read back exactly, and that nothing else is touched."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from segtrain import cli, run
from segtrain.audit.issue import apply_issues
from segtrain.config import compose_config
from segtrain.config.faults import _FORMATS
from segtrain.data.export import EXPORTS
from segtrain.errors import ConfigError, DataError
from segtrain.run.build import build_sources, plan
from tests.audited import EXCLUSIVE, NAMES, OVERLAPPING, Audited, audited, entry, save, write_audit

KINDS = {"exclusive": EXCLUSIVE, "overlapping": OVERLAPPING}


@pytest.fixture(params=KINDS)
def audit(request: pytest.FixtureRequest, tmp_path: Path) -> Audited:
    return audited(tmp_path / "in", KINDS[request.param])


@pytest.fixture
def exclusive(tmp_path: Path) -> Audited:
    return audited(tmp_path / "in")


def hashes(folder: Path) -> dict[str, str]:
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.rglob("*") if file.is_file()}


def corrected(audit: Audited, *overrides: str) -> Path:
    return run.correct(compose_config("correct", [f'run="{audit.run}"', *overrides]))


def labels(settings: list[str], split: str = "train") -> dict[str, np.ndarray]:
    """Read a split's labels through the data set that the settings make."""
    cfg = compose_config("train", settings)
    source = build_sources(cfg, plan(cfg))[split]
    return {name: source.read(index).label for index, name in enumerate(source.ids)}  # type: ignore[misc]


def advice(output: Path) -> list[str]:
    return list(json.loads((output / "provenance.json").read_text())["train_with"])


def without(settings: tuple[str, ...], *keys: str) -> list[str]:
    return [setting for setting in settings if not setting.startswith(keys)]


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, label in expected.items():
        np.testing.assert_array_equal(found[name], label, err_msg=name)


def split_decisions(audit: Audited) -> dict[str, str]:
    """A person accepts the first issue of every other image and rejects that of the others."""
    words = ("accept", "reject")
    return {f"{name}#0": words[place % 2] for place, name in enumerate(sorted(audit.entries))}


def expected_labels(audit: Audited, accepted: set[str]) -> dict[str, np.ndarray]:
    mended = dict(audit.labels)
    for name, found in audit.entries.items():
        chosen = [issue for number, issue in enumerate(found.issues) if f"{name}#{number}" in accepted]
        mended[name] = apply_issues(mended[name], found.suggested, chosen)
    return mended


def test_accepted_issues_are_mended_and_read_back_exactly(audit: Audited, tmp_path: Path) -> None:
    before = hashes(tmp_path / "in")
    decisions = split_decisions(audit)
    file = audit.decide(tmp_path / "decisions.json", decisions)
    output = corrected(audit, f"decisions={file}", "above=0.6", f'output="{tmp_path}/out é, x"')
    by_score = {name for name, issue in audit.issues.items() if issue.score >= 0.6 and name not in decisions}
    by_person = {name for name, word in decisions.items() if word == "accept"}
    assert by_score
    assert any(name.endswith("#1") for name in by_score)
    mended = expected_labels(audit, by_score | by_person)
    settings = [*without(audit.settings, "data.masks"), *advice(output)]
    assert_same(labels(settings), mended)
    assert any((mended[name] != label).any() for name, label in audit.labels.items())
    if not audit.overlapping:
        assert all((label == 255).sum() == 15 for label in mended.values())
    assert_same(labels(settings, "val"), labels(list(audit.settings), "val"))
    assert hashes(tmp_path / "in") == before
    assert not list(tmp_path.glob("*.part"))


def test_masks_hold_class_numbers_or_black_and_white(audit: Audited, tmp_path: Path) -> None:
    output = corrected(audit, "above=1.0", f"output={tmp_path}/out")
    for name, label in audit.labels.items():
        for of, plane in zip(("lung", "heart"), label, strict=True) if audit.overlapping else [("", label)]:
            mask = cv2.imread(str(output / "masks" / of / f"{name}.png"), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(mask, 255 * plane if audit.overlapping else plane)
    assert len(list((output / "masks").rglob("*.png"))) == len(audit.labels) * (2 if audit.overlapping else 1)
    assert not (output / "sources").exists()


def test_every_change_has_a_row_and_a_source(audit: Audited, tmp_path: Path) -> None:
    decisions = split_decisions(audit)
    file = audit.decide(tmp_path / "decisions.json", decisions, reviewer="")
    output = corrected(audit, f"decisions={file}", "above=0.6", f"output={tmp_path}/out")
    table = pd.read_csv(output / "corrections.csv", keep_default_na=False).set_index("issue")
    accepted = {name for name, issue in audit.issues.items() if issue.score >= 0.6 and name not in decisions}
    accepted |= {name for name, word in decisions.items() if word == "accept"}
    assert set(table.index) == accepted
    given, after = audit.labels, expected_labels(audit, accepted)
    for name, row in table.iterrows():
        issue, person = audit.issues[str(name)], str(name) in decisions
        plane = np.s_[issue.number] if audit.overlapping else np.s_[:]
        changed = (given[row["image"]] != after[row["image"]])[plane][issue.window] & issue.mask
        assert row["pixels"] == changed.sum()
        assert (row["area"], row["top"], row["left"]) == (issue.area, issue.top, issue.left)
        assert row["class"] == audit.summary["classes"][issue.number]
        assert row["who"] == ("a person" if person else "model 0123abcd")
        assert (row["when"] == "2026-02-03T04:05:06+00:00") == person
        assert row["why"].startswith(f"Score {issue.score:.2f}")
        assert ("about 75% of issues are right" in row["why"]) == (not str(name).endswith("#2"))
        assert row["why"].count(".") >= 2
        source = read_planes(output / "sources", row["image"], audit.overlapping)[plane][issue.window]
        assert (source[changed] >= (2 if person else 1)).all()
    for image, label in given.items():
        changed = label != after[image]
        if changed.any():
            sources = read_planes(output / "sources", image, audit.overlapping)
            np.testing.assert_array_equal(sources > 0, changed)
            assert set(np.unique(sources)) <= {0, 1, 2}
    about = json.loads((output / "provenance.json").read_text())
    assert about["counts"]["accepted_by_person"] + about["counts"]["accepted_by_score"] == len(accepted)
    assert about["counts"]["images"] == len(given)
    assert about["audit"]["data"] == audit.summary["data"]
    assert about["decisions"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert set(about["files"]) == {p.relative_to(output).as_posix() for p in output.rglob("*") if p.is_file()} - {
        "provenance.json"
    }


def read_planes(folder: Path, name: str, overlapping: bool) -> np.ndarray:
    if not overlapping:
        return cv2.imread(str(folder / f"{name}.png"), cv2.IMREAD_UNCHANGED)
    return np.stack([cv2.imread(str(folder / of / f"{name}.png"), cv2.IMREAD_UNCHANGED) for of in ("lung", "heart")])


def test_a_training_reads_the_corrected_masks(exclusive: Audited, tmp_path: Path) -> None:
    output = corrected(exclusive, "above=0.5")
    assert output == exclusive.run / "audit" / "corrected"
    small = ["model=unet_plain", "model.width=4", "model.depth=2", "trainer=cpu", "trainer.max_epochs=1"]
    rest = ["data.batch_size=4", "data.num_workers=0", "callbacks=[last]", "logger=[csv]", "report=false", "loss=dice"]
    cfg = compose_config("train", [*exclusive.settings, *small, *rest, *advice(output), "print_config=none"])
    assert "test/dice" in run.train(cfg, tmp_path / "again")


def test_the_console_says_how_to_train_on_them(exclusive: Audited, capsys: pytest.CaptureFixture[str]) -> None:
    output = corrected(exclusive, "above=0.5")
    told = capsys.readouterr().out
    assert "8 masks in" in told
    assert f"""'data.masks=["{output}/masks",masks]'""" in told


@pytest.mark.parametrize(
    ("settings", "names", "moved"),
    [
        ((*EXCLUSIVE,), tuple(f"deep/er/{number}" for number in range(12)), {}),
        (('data.images="images/{split}"', 'data.masks="masks/{split}"', *EXCLUSIVE),
         tuple(f"{split}/{number}" for split in ("train", "val", "test") for number in range(4)), {}),
        (('data.masks="masks/{annotator}"', *EXCLUSIVE), tuple(map(str, range(12))), {"masks": "masks/a1"}),
    ],
    ids=["sub-folders", "splits of the same names", "annotators"],
)  # fmt: skip
def test_other_layouts_are_read_back(
    settings: tuple[str, ...],
    names: tuple[str, ...],
    moved: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = save
    monkeypatch.setattr("tests.audited.save", lambda file, pixels: original(_moved(file, moved), pixels))
    audit = audited(tmp_path / "in", settings, names)
    output = corrected(audit, "above=0.5", f"output={tmp_path}/out")
    found = labels([*without(audit.settings, "data.masks"), *advice(output)])
    assert_same(found, expected_labels(audit, {name for name, issue in audit.issues.items() if issue.score >= 0.5}))
    assert_same(
        labels([*without(audit.settings, "data.masks"), *advice(output)], "val"), labels([*audit.settings], "val")
    )


def _moved(file: Path, moved: dict[str, str]) -> Path:
    for name, place in moved.items():
        if file.parent.name == name:
            return file.parent.parent / place / file.name
    return file


def test_masks_with_values_of_their_own_keep_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.zeros(256, np.uint8)
    values[[0, 1, 2, 255]] = (10, 20, 30, 99)
    original = save

    def mapped(file: Path, pixels: np.ndarray) -> None:
        original(file, values[pixels] if "masks" in file.parts else pixels)

    monkeypatch.setattr("tests.audited.save", mapped)
    meanings = "data.mask_values={10:background,20:round,30:spindle,99:ignore}"
    audit = audited(tmp_path / "in", (EXCLUSIVE[0], meanings))
    output = corrected(audit, "above=0.5", f"output={tmp_path}/out")
    found = labels([*audit.settings, *advice(output)])
    assert_same(found, expected_labels(audit, {name for name, issue in audit.issues.items() if issue.score >= 0.5}))


def test_a_table_reads_the_corrected_masks(exclusive: Audited, tmp_path: Path) -> None:
    rows = [f"{name},images/{name}.png,masks/{name}.png" for name in NAMES]
    (exclusive.root / "index.csv").write_text("\n".join(["id,image,mask", *rows]) + "\n", encoding="utf-8")
    root = ["data=table", f'data.root="{exclusive.root}"', "data.channels=1", "data.size=32", *EXCLUSIVE]
    settings = [*root, "data.split=[0.7,0.15,0.15]", "data.id=id"]
    cfg = compose_config("train", settings)
    (exclusive.run / "config.yaml").write_text(OmegaConf.to_yaml(cfg, resolve=True))
    source = build_sources(cfg, plan(cfg))["train"]
    write_audit(exclusive.run, source, exclusive.entries, exclusive.summary["classes"], False)
    output = corrected(exclusive, "above=0.5", f"output={tmp_path}/out")
    found = labels([*settings, *advice(output)])
    accepted = {name for name, issue in exclusive.issues.items() if issue.score >= 0.5}
    assert_same(found, expected_labels(exclusive, accepted))


def test_corrupted_labels_are_corrected_once(tmp_path: Path) -> None:
    audit = audited(tmp_path / "in", (*EXCLUSIVE, "corruption=dilate"))
    output = corrected(audit, "above=0.5", f"output={tmp_path}/out")
    assert "corruption=none" in advice(output)
    found = labels([*without(audit.settings, "corruption"), *advice(output)])
    assert_same(found, expected_labels(audit, {name for name, issue in audit.issues.items() if issue.score >= 0.5}))


def test_data_that_are_no_files_get_masks_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = compose_config("train", ["data.num_train=3", "data.num_val=1", "data.num_test=1", "data.size=32"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(OmegaConf.to_yaml(cfg, resolve=True))
    source = build_sources(cfg, plan(cfg))["train"]
    made = entry(source, 0, overlapping=False)
    made = made._replace(
        suggested=np.ones_like(made.suggested), issues=[each._replace(number=1, given=0) for each in made.issues]
    )
    write_audit(tmp_path / "run", source, {made.image: made}, ["background", "cell"], False)
    output = run.correct(
        compose_config("correct", [f"run={tmp_path}/run", "above=0", "formats=[png,coco,cvat,fiftyone]"])
    )
    assert len(list((output / "masks").glob("*.png"))) == 3
    assert "Synthetic reads no masks from files" in capsys.readouterr().out


def test_samples_that_the_run_held_out_are_corrected_too(exclusive: Audited, tmp_path: Path) -> None:
    file = exclusive.run / "config.yaml"
    cfg = OmegaConf.load(file)
    cfg.held_out.fold = 1
    file.write_text(OmegaConf.to_yaml(cfg))
    output = corrected(exclusive, "above=0.5", f"output={tmp_path}/out")
    assert len(list((output / "masks").glob("*.png"))) == 8


def test_what_trust_takes_from_another_split_is_left_to_that_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trusted = ("+data.references.gold=masks", "trusted.reference=gold", "trusted.split=val")
    audit = audited(tmp_path / "in", (*EXCLUSIVE, *trusted))
    own = labels(list(audit.settings[: -len(trusted)]))
    assert len(audit.labels) > len(own)
    file = audit.decide(tmp_path / "decisions.json", dict.fromkeys(audit.issues, "accept"))
    output = corrected(audit, f"decisions={file}", f"output={tmp_path}/out")
    assert {path.stem for path in (output / "masks").iterdir()} == set(own)
    left_out = sum(issue.rpartition("#")[0] not in own for issue in audit.issues)
    assert left_out
    assert f"{left_out} accepted issues are of another split's samples" in capsys.readouterr().out
    found = labels([*audit.settings[: -len(trusted)], *advice(output)])
    assert_same(
        found, {name: label for name, label in expected_labels(audit, set(audit.issues)).items() if name in own}
    )


def test_corrected_masks_are_corrected_again(exclusive: Audited, tmp_path: Path) -> None:
    first = corrected(exclusive, "above=0.85", f"output={tmp_path}/first")
    settings = [*exclusive.settings, *advice(first)]
    cfg = compose_config("train", settings)
    (exclusive.run / "config.yaml").write_text(OmegaConf.to_yaml(cfg, resolve=True))
    source = build_sources(cfg, plan(cfg))["train"]
    summary = write_audit(exclusive.run, source, exclusive.entries, exclusive.summary["classes"], False)
    again = exclusive._replace(source=source, summary=summary)
    assert "where the data's own files are" in refused(again, "above=0.5", f"output={tmp_path}/first/masks/new")
    assert "a correction of another audit" in refused(again, "above=0.5", f"output={tmp_path}/first")
    second = corrected(again, "above=0.5", f"output={tmp_path}/second")
    accepted = {name for name, issue in exclusive.issues.items() if issue.score >= 0.5}
    assert_same(labels([*exclusive.settings, *advice(second)]), expected_labels(exclusive, accepted))


# What is refused


def refused(audit: Audited, *overrides: str) -> str:
    """Run the command, and give what it says as it ends with status 2, nothing written."""
    before = hashes(audit.run.parent)
    with pytest.raises(ConfigError) as caught:
        corrected(audit, *overrides)
    assert hashes(audit.run.parent) == before
    assert caught.value.exit_status == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ((), "decisions=decisions.json"),
        (("above=1.5",), "above: a number in [0, 1] expected, got 1.5"),
        (("above=true",), "above: a number in [0, 1]"),
        (("above=0.5", "formats=[png,cooc]"), "there is no 'cooc', did you mean 'coco'?"),
        (("above=0.5", "audit=nowhere"), "nowhere holds no finished audit: make one by segtrain audit run=<run>"),
        (("decisions=nowhere.json",), "nowhere.json cannot be read"),
    ],
)
def test_settings_that_make_no_sense(exclusive: Audited, overrides: tuple[str, ...], said: str) -> None:
    assert said in refused(exclusive, *overrides)


def test_decisions_that_do_not_fit_write_nothing(exclusive: Audited, tmp_path: Path) -> None:
    file = exclusive.decide(tmp_path / "decisions.json", {"nobody#0": "accept"})
    assert "decides about nobody#0: the audit has no such issue" in refused(exclusive, f"decisions={file}")
    file.write_text(file.read_text()[:50])
    assert "no complete file of decisions" in refused(exclusive, f"decisions={file}")
    exclusive.decide(file, {}, data="other")
    assert "is about another data set than the audit" in refused(exclusive, f"decisions={file}")
    assert not list(tmp_path.rglob("corrected*"))


def test_data_that_changed_since_the_audit(exclusive: Audited) -> None:
    mask = next((exclusive.root / "masks").glob("*.png"))
    os.utime(mask, ns=(1, 1))
    told = refused(exclusive, "above=0.5")
    assert "have changed since" in told
    assert "data.root=..." in told
    assert "segtrain audit run=..." in told


def test_data_that_moved_are_named_by_data_root(exclusive: Audited, tmp_path: Path) -> None:
    moved = exclusive.root.rename(tmp_path / "moved")
    with pytest.raises(ConfigError, match=r"set data\.root to where the data set is"):
        corrected(exclusive, "above=0.5")
    output = corrected(exclusive, "above=0.5", f"data.root={moved}")
    settings = [*without(exclusive.settings, "data.root"), f"data.root={moved}", *advice(output)]
    assert len(labels(settings)) == 8


@pytest.mark.parametrize("place", ["masks", "masks/new", "images", "images/new/er"])
def test_no_output_lies_among_the_data(audit: Audited, place: str) -> None:
    assert "where the data's own files are" in refused(audit, "above=0.5", f'output="{audit.root}/{place}"')


def test_a_link_to_the_data_is_no_way_round(exclusive: Audited, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(exclusive.root / "masks", target_is_directory=True)
    assert "where the data's own files are" in refused(exclusive, "above=0.5", f"output={tmp_path}/link")


def test_an_output_that_holds_other_files(exclusive: Audited, tmp_path: Path) -> None:
    save(tmp_path / "out" / "mine.png", np.zeros((2, 2), np.uint8))
    assert "holds other files" in refused(exclusive, "above=0.5", f"output={tmp_path}/out")
    assert "is a file" in refused(exclusive, "above=0.5", f"output={tmp_path}/out/mine.png")
    (tmp_path / "new.part").mkdir()
    assert "new.part is in the way" in refused(exclusive, "above=0.5", f"output={tmp_path}/new")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine.png"]


def test_the_same_correction_is_rewritten_and_no_other(exclusive: Audited, tmp_path: Path) -> None:
    output = corrected(exclusive, "above=0.9", f"output={tmp_path}/out", "formats=[png,coco]")
    (tmp_path / "out.part").mkdir()
    (tmp_path / "out.part" / "unfinished").touch()  # what a kill left
    corrected(exclusive, "above=0.1", f"output={tmp_path}/out")
    assert not (output / "coco.json").exists()
    assert json.loads((output / "provenance.json").read_text())["above"] == 0.1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    mask = next((output / "masks").glob("*.png"))
    content = mask.read_bytes()
    save(mask, np.full((28, 40), 1, np.uint8))
    assert "added or changed since" in refused(exclusive, "above=0.5", f"output={tmp_path}/out")
    mask.write_bytes(content)
    (output / "notes.txt").write_text("mine")
    assert "notes.txt" in refused(exclusive, "above=0.5", f"output={tmp_path}/out")
    (output / "notes.txt").unlink()
    file = exclusive.run / "audit" / "summary.json"
    file.write_text(json.dumps({**exclusive.summary, "created": "2027-01-01T00:00:00+00:00"}))
    assert "a correction of another audit" in refused(exclusive, "above=0.5", f"output={tmp_path}/out")


def test_a_failure_leaves_nothing(exclusive: Audited, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> None:
        raise DataError("the disk is full")

    monkeypatch.setattr("segtrain.audit.mend._why", full)
    with pytest.raises(DataError, match="the disk is full"):
        corrected(exclusive, "above=0.5", f"output={tmp_path}/out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_kill_leaves_no_half_folder_and_is_made_up_for(exclusive: Audited, tmp_path: Path) -> None:
    script = (
        "import os, sys\nfrom segtrain import cli\nfrom segtrain.data.export import CocoExport\n"
        "CocoExport.write = lambda *given: os.kill(os.getpid(), 9)\ncli.correct(sys.argv[1:])"
    )
    given = [f'run="{exclusive.run}"', "above=0.5", f"output={tmp_path}/out", "formats=[coco]"]
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", script, *given], env=path, capture_output=True, timeout=300, check=False
    )
    assert done.returncode == -9, done.stderr
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "out.part" / "masks").iterdir())
    cli.correct(given)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in", "out"]


def test_an_audit_that_was_not_finished(exclusive: Audited) -> None:
    file = exclusive.run / "audit" / "issues.csv"
    file.unlink()
    assert "lacks issues.csv: make the audit anew" in refused(exclusive, "above=0.5")
    summary = exclusive.run / "audit" / "summary.json"
    summary.write_text("{}")
    assert "lacks created, run, checkpoint, split, data, classes" in refused(exclusive, "above=0.5")
    summary.write_text("{")
    assert "cannot be read: make the audit anew" in refused(exclusive, "above=0.5")


def test_the_command_writes_every_format(exclusive: Audited, tmp_path: Path) -> None:
    every = ["png", *EXPORTS]
    cli.correct(
        [f'audit="{exclusive.run}/audit"', "above=0.5", f"formats=[{','.join(every)}]", f"output={tmp_path}/out"]
    )
    files = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert files == {
        "annotations.xml", "coco.json", "corrections.csv", "cvat_labels.json", "fiftyone.json", "label_studio.json",
        "label_studio.xml", "provenance.json",
    }  # fmt: skip
    images = json.loads((tmp_path / "out" / "coco.json").read_text())["images"]
    assert {image["file_name"] for image in images} == {f"images/{name}.png" for name in exclusive.labels}
    assert all((exclusive.root / image["file_name"]).exists() for image in images)


def test_the_command_ends_with_status_2(exclusive: Audited, capsys: pytest.CaptureFixture[str]) -> None:
    for given, said in ((["above=0.5"], "run: give a run's folder"), ([f'run="{exclusive.run}"'], "decisions: give")):
        with pytest.raises(SystemExit) as stop:
            cli.correct(given)
        assert stop.value.code == 2
        assert said in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        cli.correct([f'audit="{exclusive.run}"', "above=0.5"])
    assert stop.value.code == 2
    assert "holds no finished audit" in capsys.readouterr().err


def test_the_check_knows_all_formats() -> None:
    assert {"png", *EXPORTS} == set(_FORMATS)


def test_an_audit_of_all_splits_together_is_refused(exclusive: Audited) -> None:
    file = exclusive.run / "audit" / "summary.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "split": "all"}))
    with pytest.raises(ConfigError, match="all splits together"):
        corrected(exclusive, "above=0.5")
