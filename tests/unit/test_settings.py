"""Settings: every source and their order, every kind of value, every rule, and the page written from them."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.errors import SettingsError, SupervisorError
from supervisor.settings import Loaded, Settings, specs
from supervisor.settings.check import Check
from supervisor.settings.cpus import CpuList, numbers
from supervisor.settings.host import Host
from supervisor.settings.kind import Choice, Duration, Kind, Maybe, Size, Switch, Whole
from supervisor.settings.place import Directory, Modules
from supervisor.settings.reference import page
from supervisor.settings.rule import FAULTS, WARNINGS, Rule

ROOT = Path(__file__).parents[2]
KNOWN = specs(Settings)
G = 1024**3
CPU = min(os.sched_getaffinity(0))


def load(directory: Path, attach: Mapping[str, object] | None = None, /, **environ: str) -> Loaded:
    return Settings.load(attach=attach or {}, environ=environ, directory=directory)


def faults(directory: Path, attach: Mapping[str, object] | None = None, /, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(directory, attach, **environ)
    return caught.value.faults


def write_pyproject(directory: Path, text: str) -> Path:
    path = directory / "pyproject.toml"
    path.write_text(text, encoding="utf-8")
    return path


# --- where settings come from


def test_defaults_load_without_a_fault_or_a_warning(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert loaded.settings == replace(Settings(), dir=tmp_path / ".supervisor")
    assert loaded.warnings == []
    assert set(loaded.sources.values()) == {"default"}


def test_each_source_wins_over_the_next(tmp_path: Path) -> None:
    write_pyproject(tmp_path, "[tool.supervisor]\nworkers = 1\ngrace = 1\nmax_retries = 1\nnice = 1\n")
    loaded = Settings.load(
        command_line={"workers": 4, "nice": None},
        environ={"SUPERVISOR_WORKERS": "3", "SUPERVISOR_GRACE": "3"},
        attach={"workers": 2, "grace": 2, "max_retries": 2},
        directory=tmp_path,
    )
    found = loaded.settings
    assert (found.workers, found.grace, found.max_retries, found.nice) == (4, 3.0, 2, 1)
    assert loaded.sources["workers"] == "--workers"
    assert loaded.sources["grace"] == "SUPERVISOR_GRACE"
    assert loaded.sources["max_retries"] == "attach(...)"
    assert loaded.sources["nice"] == f"[tool.supervisor] of {tmp_path / 'pyproject.toml'}"
    assert loaded.sources["timeout"] == "default"
    assert "workers = 4 (--workers)" in loaded.lines()
    assert len(loaded.lines()) == len(KNOWN)


@pytest.mark.parametrize("name", KNOWN)
def test_every_setting_can_come_from_the_environment(name: str, tmp_path: Path) -> None:
    spec = KNOWN[name]
    text = spec.show(spec.default) or "myapp.tasks"
    loaded = load(tmp_path, **{spec.env: text})
    assert loaded.sources[name] == f"SUPERVISOR_{name.upper()}"


def test_the_environment_of_the_process_is_read_unless_another_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERVISOR_WORKERS", "7")
    monkeypatch.chdir(tmp_path)
    assert Settings.load().settings.workers == 7
    assert Settings.load().settings.dir == tmp_path / ".supervisor"


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    assert load(tmp_path, {"timeout": 7}, SUPERVISOR_TIMEOUT=" ").settings.timeout == 7


def test_none_is_a_value_in_attach_and_absence_on_the_command_line(tmp_path: Path) -> None:
    given = {"timeout": None, "tasks": ()}
    loaded = Settings.load(command_line=given, attach={"timeout": 9, "tasks": "a"}, environ={}, directory=tmp_path)
    assert (loaded.settings.timeout, loaded.settings.tasks) == (9, ("a",))
    assert load(tmp_path, {"timeout": None}).settings.timeout is None


def test_the_command_line_says_none_in_so_many_words(tmp_path: Path) -> None:
    loaded = Settings.load(command_line={"timeout": "none"}, environ={}, directory=tmp_path)
    assert loaded.settings.timeout is None


def test_a_relative_directory_is_taken_from_the_application(tmp_path: Path) -> None:
    assert load(tmp_path, {"dir": "run/../state"}).settings.dir == tmp_path / "state"
    assert load(tmp_path, {"dir": "/run/app"}).settings.dir == Path("/run/app")
    assert load(tmp_path, {"dir": "~/state"}).settings.dir == Path.home() / "state"


def test_pyproject_speaks_toml(tmp_path: Path) -> None:
    table = f"""
        [tool.supervisor]
        tasks = ["myapp.tasks", "myapp.mail"]
        timeout = "none"
        reload = true
        cpus = {{ web = "{CPU}", tasks = [{CPU}] }}
        batch_time = 0.01
    """
    write_pyproject(tmp_path, table)
    found = load(tmp_path).settings
    assert (found.tasks, found.timeout, found.reload) == (("myapp.tasks", "myapp.mail"), None, True)
    assert (found.cpus, found.batch_time) == ({"web": str(CPU), "tasks": str(CPU)}, 0.01)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("workers = ", "is no valid TOML"),
        ("tool = 3", "must be a table"),
        ("[tool]\nsupervisor = 'no'", "must be a table"),
        ("[tool.supervisor]\nmax-tasks = 3", "unknown setting 'max-tasks' in [tool.supervisor]"),
        ("[tool.supervisor]\nnice = true", "nice must be a whole number from 0 to 19"),
    ],
)
def test_a_wrong_pyproject_is_a_fault(text: str, fault: str, tmp_path: Path) -> None:
    path = write_pyproject(tmp_path, text)
    (said,) = faults(tmp_path)
    assert fault in said
    assert str(path) in said


def test_a_pyproject_without_our_table_says_nothing(tmp_path: Path) -> None:
    write_pyproject(tmp_path, "[tool.other]\nx = 1\n")
    assert set(load(tmp_path).sources.values()) == {"default"}


def test_a_pyproject_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").mkdir()
    assert faults(tmp_path) == [f"{tmp_path}/pyproject.toml cannot be read: Is a directory"]
    (tmp_path / "pyproject.toml").rmdir()
    (tmp_path / "pyproject.toml").write_bytes(b"a = '\xff'")
    assert "is no valid TOML" in faults(tmp_path)[0]


# --- what is said about faults


def test_an_unknown_setting_names_the_nearest_one(tmp_path: Path) -> None:
    assert faults(tmp_path, {"wrokers": 3}) == ["unknown setting 'wrokers' in attach(...): did you mean 'workers'?"]
    assert faults(tmp_path, {"MAX-TASKS": 3})[0].endswith("did you mean 'max_tasks'?")
    assert faults(tmp_path, {"zzz": 3}) == ["unknown setting 'zzz' in attach(...)"]


def test_an_unknown_variable_is_only_a_warning(tmp_path: Path) -> None:
    loaded = load(tmp_path, SUPERVISOR_WROKERS="3", SUPERVISOR_Q="", OTHER_WORKERS="3")
    assert loaded.warnings == [
        "the environment variable SUPERVISOR_Q sets nothing",
        "the environment variable SUPERVISOR_WROKERS sets nothing: did you mean 'SUPERVISOR_WORKERS'?",
    ]


def test_the_variables_of_supervisord_are_no_mistake(tmp_path: Path) -> None:
    told = {"SUPERVISOR_ENABLED": "1", "SUPERVISOR_PROCESS_NAME": "web", "SUPERVISOR_GROUP_NAME": "web"}
    assert load(tmp_path, **told, SUPERVISOR_SERVER_URL="unix:///run/s").warnings == []


def test_all_faults_are_told_at_once_each_with_its_source(tmp_path: Path) -> None:
    write_pyproject(tmp_path, "[tool.supervisor]\ngrace = 'soon'\n")
    with pytest.raises(SupervisorError) as caught:
        Settings.load(
            command_line={"nice": 20},
            environ={"SUPERVISOR_WORKERS": "many"},
            attach={"wrokers": 3, "max_tasks": 5, "max_tasks_jitter": 5},
            directory=tmp_path,
        )
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    assert "[tool.supervisor]" in lines[0]
    assert "'soon'" in lines[0]
    assert "attach(...)" in lines[1]
    assert "SUPERVISOR_WORKERS says 'many'" in lines[2]
    assert lines[3] == "nice must be a whole number from 0 to 19; --nice says 20"
    assert lines[4].startswith("max_tasks_jitter = 5 (attach(...)) is not below max_tasks = 5 (attach(...)): ")


def test_a_fault_is_told_even_where_a_stronger_source_is_right(tmp_path: Path) -> None:
    assert len(faults(tmp_path, {"nice": 99}, SUPERVISOR_NICE="3")) == 1


def test_no_rule_is_held_against_a_value_that_could_not_be_read(tmp_path: Path) -> None:
    (said,) = faults(tmp_path, {"timeout": "soon", "soft_timeout": 400})
    assert said.startswith("timeout must be ")


def test_a_long_value_is_told_in_short(tmp_path: Path) -> None:
    (said,) = faults(tmp_path, {"workers": "9" * 100_000})
    assert len(said) < 300


# --- kinds of values


@pytest.mark.parametrize(
    ("kind", "written", "meant"),
    [
        (Duration(), 30, 30.0),
        (Duration(), "30", 30.0),
        (Duration(), " 30 ", 30.0),
        (Duration(), " 30S ", 30.0),
        (Duration(), "1e2", 100.0),
        (Duration(), "2ms", 0.002),
        (Duration(), "1h30m", 5400.0),
        (Duration(), "1 h 30 m", 5400.0),
        (Duration(), "7d", 604800.0),
        (Duration(above=False), 0, 0.0),
        (Maybe(Duration()), "None", None),
        (Maybe(Duration()), None, None),
        (Size(), 4096, 4096),
        (Size(), "64K", 65536),
        (Size(), " 64 KiB ", 65536),
        (Size(), "200mb", 200 * 1024**2),
        (Size(), "1.5G", 3 * G // 2),
        (Size(), "10_000", 10_000),
        (Whole(), " 1_000 ", 1000),
        (Maybe(Whole(), word="auto"), " AUTO ", None),
        (Choice(("full", "off")), " FULL ", "full"),
        (Switch(), True, True),
        (Switch(), " Yes ", True),
        (Switch(), 0, False),
        (Switch(), "off", False),
        (Directory(), Path("/x"), Path("/x")),
        (Modules(), "a.b, c ,", ("a.b", "c")),
        (Modules(), ["c", "a.b", "c"], ("c", "a.b")),
        (CpuList(), " AUTO ", "auto"),
        (CpuList(), "off", "off"),
        (CpuList(), "5, 3,1-2", "1-3,5"),
        (CpuList(), 3, "3"),
        (CpuList(), 8191, "8191"),
        (CpuList(), [0, "2-3"], "0,2-3"),
        (CpuList(), "tasks=1-3; web=0", {"web": "0", "tasks": "1-3"}),
        (CpuList(), {"web": 0}, {"web": "0"}),
    ],
)
def test_what_is_written_is_what_is_meant(kind: Kind[object], written: object, meant: object) -> None:
    read = kind.read(written)
    assert read == meant
    assert type(read) is type(meant)


NONSENSE: list[tuple[Kind[object], list[object]]] = [
    (Duration(), [0, -1, "", "soon", "5 minutes", "-5s", True, None, [3], math.nan]),
    (Duration(), [10**400, "9" * 5000, "1e999", 1e18, "\u0663s", "1_0"]),
    (Size(), [0, -1, 1.5, "1.5", "G", "1X", "-1K", "", None, "9" * 5000, "1e3"]),
    (Whole(), [-1, 1.0, "1.0", True, "", None, "9" * 5000, "0x10", "1__0"]),
    (Maybe(Whole(), word="auto"), ["none"]),
    (Choice(("full", "off")), ["ful", "", None, 3]),
    (Switch(), ["maybe", 2, "", None, 1.0]),
    (Directory(), ["", " ", "a\0b", 3, None, b"x", "~no-such-user-here/x"]),
    (Modules(), ["a..b", "a b", "1a", "class", "a.py", "a:b", 3, None, [math], b"a"]),
    (CpuList(), ["", "all", "3-1", "1-", "-1", "0-99999", 8192, -1, True, None, 1.0, [], "1,,2"]),
    (CpuList(), ["web=", "web=0 web=1", "web=0 x", "cpu=0", {}, {"w": "0"}]),
]


@pytest.mark.parametrize(("kind", "written"), [(kind, each) for kind, all_of in NONSENSE for each in all_of])
def test_what_means_nothing_is_refused(kind: Kind[object], written: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the sentence is made where the setting is known
        kind.read(written)


@pytest.mark.parametrize(
    ("name", "written", "hint"),
    [
        ("timeout", math.inf, 'where no limit is allowed it is written "none"'),
        ("log_level", "warn", "did you mean 'warning'?"),
        ("durability", "ful", "did you mean 'full'?"),
        ("tasks", "myapp/tasks.py", "did you mean 'myapp.tasks'?"),
        ("tasks", "myapp.wsgi:app", "did you mean 'myapp.wsgi'?"),
        ("tasks", [math], "give the names of the modules, not the modules"),
        ("tasks", "my-app", "'my-app' is no module name"),
        ("cpus", "3-1", "'3-1' runs backwards"),
        ("cpus", "0-9999", "CPU numbers end at 8191"),
        ("cpus", {"wbe": "0"}, 'the sides are "web" and "tasks"'),
    ],
)
def test_a_refusal_hints_at_what_was_meant(name: str, written: object, hint: str, tmp_path: Path) -> None:
    (said,) = faults(tmp_path, {name: written})
    assert said.startswith(f"{name} must be ")
    assert said.endswith(f": {hint}")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
almost = st.text(st.sampled_from("0123456789.-+,=smhdKMGe_ abtx"), max_size=12)


@given(value=anything | almost, name=st.sampled_from(sorted(KNOWN)))
def test_whatever_is_written_has_a_meaning_or_is_refused(value: object, name: str) -> None:
    kind = KNOWN[name].kind
    try:
        meant = kind.read(value)
    except ValueError:
        return
    assert kind.read(json.loads(json.dumps(kind.plain(meant)))) == meant
    assert isinstance(kind.show(meant), str)


@given(st.integers(min_value=1, max_value=10**15))
def test_a_size_is_shown_as_it_can_be_read(size: int) -> None:
    assert Size().read(Size().show(size)) == size


@given(st.integers(min_value=1, max_value=3 * 10**11))
def test_a_duration_is_shown_as_it_can_be_read(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert Duration().read(Duration().show(seconds)) == pytest.approx(seconds, rel=1e-9)


@given(st.frozensets(st.integers(min_value=0, max_value=200), min_size=1))
def test_a_list_of_cpus_keeps_each_of_them(cpus: frozenset[int]) -> None:
    written = CpuList().read(sorted(cpus))
    assert numbers(written) == cpus


# --- rules

HOST = Host(cpus=frozenset({0, 1, 2, 3}), memory=8 * G, home=Path("/home/ann"), application=Path("/srv/app"))
SOUND = replace(Settings(), dir=Path("/srv/app/.supervisor"))


def broken(rules: tuple[Rule, ...], settings: Settings, host: Host = HOST) -> list[str]:
    return Check(settings, dict.fromkeys(KNOWN, "attach(...)"), host).broken(rules)


FAULTY: dict[str, dict[str, Any]] = {
    "min_workers = 5 (attach(...)) is above workers = 4": {"workers": 4, "min_workers": 5},
    "workers = 4 (attach(...)) is above max_workers = 3": {"workers": 4, "max_workers": 3},
    "min_workers = 5 (attach(...)) is above max_workers = 3": {"min_workers": 5, "max_workers": 3},
    "soft_timeout = 10m (attach(...)) is above timeout = 5m (attach(...))": {"soft_timeout": 600.0},
    "max_tasks_jitter = 9 (attach(...)) is not below": {"max_tasks": 9, "max_tasks_jitter": 9},
    "inline_limit = 16M (attach(...)) does not fit": {"inline_limit": 16 * 1024**2},
    "output_limit = 16M (attach(...)) does not fit": {"output_limit": 16 * 1024**2},
    "cpus = 7-8 (attach(...)) names, for one side, none of the CPUs allowed here (0-3)": {"cpus": "7-8"},
    "dir = /home/ann (attach(...)) is the directory of the application": {"dir": Path("/home/ann")},
    "dir = /proc/self/stat (attach(...)) is a file": {"dir": Path("/proc/self/stat")},
}
ODD: dict[str, dict[str, Any]] = {
    "soft_timeout = 5m (attach(...)) equals timeout": {"soft_timeout": 300.0},
    "max_tasks_jitter = 5 (attach(...)) has no effect": {"max_tasks_jitter": 5},
    "memory_limit = 2G (attach(...)) is above memory_budget": {"memory_limit": 2 * G, "memory_budget": G},
    "max_memory = 1G (attach(...)) is not below": {"max_memory": G, "memory_limit": G},
    "memory_limit = 20M (attach(...)) is less than": {"memory_limit": 20 * 1024**2},
    "memory_limit = 9G (attach(...)) is above the memory of this machine (8192M)": {"memory_limit": 9 * G},
    "memory_budget = 9G (attach(...)) is above the memory": {"memory_budget": 9 * G},
    "abort_budget = 2 (attach(...)) is below": {"abort_budget": 2},
    "orphan_grace = 1m (attach(...)) is above grace": {"orphan_grace": 60.0},
    "reload = true (attach(...)) has nothing to reload": {"reload": True},
    "payloads = json (attach(...)) leaves nothing to run without modules": {"payloads": "json"},
    "cpus = 3-4 (attach(...)) names more than the CPUs allowed here (0-3)": {"cpus": "3-4"},
    "cpus = web=0-1 tasks=1-2 (attach(...)) gives both": {"cpus": {"web": "0-1", "tasks": "1-2"}},
    "cpus = 0-3 (attach(...)) gives one side all": {"cpus": "0-3"},
    "workers = 129 (attach(...)) is more than 32 for each": {"workers": 129},
}


def test_sound_settings_break_no_rule() -> None:
    assert broken(FAULTS + WARNINGS, SOUND) == []


@pytest.mark.parametrize("sentence", FAULTY)
def test_a_combination_that_cannot_work_is_a_fault(sentence: str) -> None:
    (said,) = broken(FAULTS, replace(SOUND, **FAULTY[sentence]))
    assert said.startswith(sentence)


@pytest.mark.parametrize("sentence", ODD)
def test_an_odd_combination_is_a_warning(sentence: str) -> None:
    odd = replace(SOUND, **ODD[sentence])
    assert broken(FAULTS, odd) == []
    (said,) = broken(WARNINGS, odd)
    assert said.startswith(sentence)


AT_THE_EDGE: list[dict[str, Any]] = [
    {"max_tasks": 10, "max_tasks_jitter": 9},
    {"inline_limit": 16 * 1024**2 - 4096},
    {"output_limit": 16 * 1024**2 - 4096},
    {"memory_limit": G, "memory_budget": G},
    {"memory_limit": 32 * 1024**2},
    {"memory_limit": 8 * G, "memory_budget": 8 * G},
    {"abort_budget": 3},
    {"orphan_grace": 30.0},
    {"cpus": "1-3"},
    {"cpus": {"web": "0", "tasks": "1-3"}},
    {"workers": 128},
]


@pytest.mark.parametrize("edge", AT_THE_EDGE, ids=str)
def test_what_just_fits_breaks_no_rule(edge: dict[str, Any]) -> None:
    assert broken(FAULTS + WARNINGS, replace(SOUND, **edge)) == []


def test_a_side_without_any_allowed_cpu_is_told_once() -> None:
    assert broken(WARNINGS, replace(SOUND, cpus={"web": "0", "tasks": "7"})) == []


def test_every_rule_is_tried_above() -> None:
    assert (len(FAULTY), len(ODD)) == (len(FAULTS), len(WARNINGS))


@pytest.mark.parametrize("place", ["/", "/home/ann", "/srv/app"])
def test_a_directory_that_others_use_is_refused(place: str) -> None:
    assert len(broken(FAULTS, replace(SOUND, dir=Path(place)))) == 1


def test_a_person_who_stands_in_the_supervisors_directory_may_name_it(tmp_path: Path) -> None:
    here = replace(SOUND, dir=tmp_path)
    host = replace(HOST, application=tmp_path)
    assert len(broken(FAULTS, here, host)) == 1
    (tmp_path / "key").touch()
    assert broken(FAULTS, here, host) == []


def test_one_cpu_for_both_sides_is_worth_no_warning() -> None:
    assert broken(WARNINGS, replace(SOUND, cpus="0"), replace(HOST, cpus=frozenset({0}))) == []


def test_warnings_reach_the_caller(tmp_path: Path) -> None:
    (said,) = load(tmp_path, {"max_tasks_jitter": 5}).warnings
    assert said.startswith("max_tasks_jitter = 5 (attach(...)) has no effect")


def test_the_host_is_this_machine(tmp_path: Path) -> None:
    host = Host.here(tmp_path)
    assert host.cpus
    assert host.memory > 64 * 1024**2
    assert host.application == tmp_path


# --- the record


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().workers = 3  # type: ignore[misc]


def test_the_count_of_workers_is_known_even_when_it_is_automatic() -> None:
    assert replace(SOUND, workers=0).worker_count == 0
    assert SOUND.worker_count >= 1
    assert replace(SOUND, min_workers=500).worker_count == 500


def test_there_are_as_many_workers_as_ever_where_no_bounds_are_set() -> None:
    fixed = replace(SOUND, workers=3)
    assert (fixed.least_workers, fixed.most_workers) == (3, 3)
    elastic = replace(SOUND, workers=3, min_workers=1, max_workers=9)
    assert (elastic.least_workers, elastic.worker_count, elastic.most_workers) == (1, 3, 9)


def test_settings_survive_json(tmp_path: Path) -> None:
    said: dict[str, object] = {
        "tasks": "a.b,c",
        "cpus": {"web": str(CPU), "tasks": [CPU]},
        "timeout": None,
        "memory_limit": "64M",
        "max_age": "1h",
        "reload": True,
    }
    settings = load(tmp_path, said).settings
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_json_of_another_version_is_understood_as_far_as_it_goes() -> None:
    assert Settings.from_json({"nice": 3, "not_yet_invented": 1}) == replace(Settings(), nice=3)
    with pytest.raises(SettingsError, match="the settings handed on says 'x'"):
        Settings.from_json({"nice": "x"})


@pytest.mark.parametrize("name", KNOWN)
def test_every_setting_is_documented_and_can_read_its_own_default(name: str) -> None:
    spec = KNOWN[name]
    assert spec.doc[0].isupper()
    assert spec.doc.endswith(".")
    assert "|" not in spec.doc + spec.kind.unit  # it would end a cell of the table
    assert spec.group
    assert spec.kind.unit
    assert spec.kind.read(spec.kind.plain(spec.default)) == spec.default
    assert spec.option == "--" + name.replace("_", "-")


# --- the reference


def test_the_reference_is_up_to_date() -> None:
    written = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    assert written == page(), "docs/settings.md is out of date: run scripts/settings-reference"


def test_the_reference_names_every_setting_once_in_a_table_and_each_group_once() -> None:
    lines = page().splitlines()
    rows = [line.split("|")[1].strip(" `") for line in lines if line.startswith("| `")]
    assert rows == list(KNOWN)
    headings = [line for line in lines if line.startswith("## ")]
    assert len(headings) == len(set(headings))
    assert "{" not in "".join(line for line in lines if line.startswith("* `") and "cpus =" not in line)


def test_the_module_writes_the_reference(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "supervisor.settings"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    subprocess.run([*command, str(tmp_path / "page.md")], cwd=ROOT, check=True, timeout=60)
    assert printed.stdout == page() == (tmp_path / "page.md").read_text(encoding="utf-8")
